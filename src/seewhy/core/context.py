"""Run public functions in torch's default state, whatever the caller's, and the caller's own code in the caller's defaults."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass

import torch

from seewhy.core.locks import fork_safe_lock

_AUTOCAST = ("cpu", "cuda", "mps", "xpu")
"""Devices for which a caller may have switched autocast on."""

_changing = fork_safe_lock()
"""Held while the default dtype, which is that of the whole process, is not the caller's."""


@dataclass(frozen=True)
class _Defaults:
    """What new tensors are, unless they say otherwise."""

    dtype: torch.dtype = torch.float32
    device: torch.device = torch.device("cpu")  # noqa: RUF009 - immutable


_PLAIN = _Defaults()
_callers: ContextVar[_Defaults] = ContextVar("callers", default=_PLAIN)


@contextmanager
def plain_torch() -> Iterator[None]:
    """Compute in torch's default state: with gradients, without autocast, and with new tensors in float32 on the CPU.

    The same call then gives the same numbers under ``no_grad``, ``inference_mode``, ``autocast`` and other defaults. Every
    public function that computes is decorated with it. The default dtype belongs to the process: where it is not float32, the
    calls of several threads run one after another.

    Example:
        >>> @plain_torch()
        ... def slope(x: torch.Tensor) -> float:
        ...     return torch.autograd.grad(x.square(), x)[0].item()
        >>> with torch.no_grad():
        ...     slope(torch.tensor(3.0, requires_grad=True))
        6.0
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        for kind in filter(torch.is_autocast_enabled, _AUTOCAST):
            stack.enter_context(torch.autocast(kind, enabled=False))
        with _changing:
            outside = _Defaults(torch.get_default_dtype(), torch.get_default_device())
            if outside != _PLAIN:
                stack.enter_context(_changing)
                stack.enter_context(_using(_PLAIN))
                stack.callback(_callers.reset, _callers.set(outside))
        yield


def callers_defaults() -> AbstractContextManager[None]:
    """Run code that the caller wrote, such as a module, with the default dtype and device outside of `plain_torch`."""
    return nullcontext() if _callers.get() == _PLAIN else _using(_callers.get())


def own_defaults() -> AbstractContextManager[None]:
    """Run code of seewhy that code of the caller's calls, such as a hook, with the default dtype and device of `plain_torch`."""
    return nullcontext() if _callers.get() == _PLAIN else _using(_PLAIN)


@contextmanager
def _using(defaults: _Defaults) -> Iterator[None]:
    """Change what new tensors are."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(defaults.dtype)
    try:
        with defaults.device:
            yield
    finally:
        torch.set_default_dtype(before)
