"""Read and modify layer activations with forward hooks that act for one caller only, whoever else runs the module."""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TypeVar

from torch import Tensor, nn

from seewhy.core.context import own_defaults
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.locks import fork_safe_lock

Change = Callable[[Tensor], Tensor]
"""Maps the output of a layer to the tensor passed on to the next layer."""

Module = TypeVar("Module", bound=nn.Module)

_hooks = fork_safe_lock()
"""Held while hooks of a module change or are copied: torch numbers hooks without one."""


def layer(module: nn.Module, name: str) -> nn.Module:
    """Return the layer with the given ``named_modules`` name.

    Raises:
        RequestError: there is no such layer; the message suggests the closest names.
    """
    names: dict[str, nn.Module] = dict(module.named_modules())
    names.pop("")
    if name not in names:
        raise RequestError(f"the classifier has no layer {name!r}; {did_you_mean(name, names, limit=5)}")
    return names[name]


@contextmanager
def watching(module: nn.Module, name: str, change: Change | None = None) -> Iterator[list[Tensor]]:
    """Record the output of a layer during forward passes inside the ``with`` block, and optionally modify it.

    The list receives one tensor, with its autograd graph, per call of the layer: what is passed on to the next layer. Passes
    of other threads are neither recorded nor modified.

    Raises:
        RequestError: there is no such layer, or its output is not a single tensor.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Identity(), nn.ReLU())
        >>> with watching(net, "0", lambda x: x - 2) as seen:
        ...     net(torch.ones(1)).item(), seen[0].item()
        (0.0, -1.0)
    """
    seen: list[Tensor] = []

    def note(output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise RequestError(
                f"expected layer {name!r} to output one tensor, got {type(output).__name__}; choose another layer"
            )
        seen.append(output if change is None else change(output))
        return seen[-1]

    with _hooked({layer(module, name): note}):
        yield seen


def shapes(module: nn.Module, run: Callable[[], object]) -> dict[str, list[tuple[int, ...]]]:
    """Return the output shapes of each layer that outputs a single tensor, one per call of the layer.

    The layers are in order of completion of one forward pass; one that runs several times is listed at its last run.
    """
    sizes: dict[str, list[tuple[int, ...]]] = {}

    def note(name: str) -> Callable[[object], None]:
        def write(output: object) -> None:
            if isinstance(output, Tensor):
                sizes[name] = [*sizes.pop(name, []), tuple(output.shape)]

        return write

    with _hooked({part: note(name) for name, part in module.named_modules() if name}):
        run()
    return sizes


@contextmanager
def _hooked(notes: dict[nn.Module, Callable[[object], Tensor | None]]) -> Iterator[None]:
    """Call a function with each output of each of these modules that the calling thread computes; it may replace the output."""
    with ExitStack() as stack:
        for part, note in notes.items():
            hook = _OwnThread(note)
            with _hooks:
                handle = part.register_forward_hook(hook)
            stack.callback(handle.remove)
        yield


class _OwnThread:
    """A forward hook that acts in the thread that made it."""

    def __init__(self, note: Callable[[object], Tensor | None]) -> None:
        self.note = note
        self.thread = threading.get_ident()

    def __call__(self, module: nn.Module, given: object, output: object) -> Tensor | None:
        """Pass an output on."""
        del module, given
        if threading.get_ident() != self.thread:
            return None
        with own_defaults():
            return self.note(output)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        """Copy and pickle a watched module with a hook that does nothing."""
        return partial, (_idle,)


def _idle(module: nn.Module, given: object, output: object) -> None:
    """Do nothing: what a copied module has in place of a hook of its original."""
    del module, given, output


def copied(module: Module) -> Module:
    """Copy a module with its weights, while other threads may watch its layers."""
    with _hooks:
        return copy.deepcopy(module)
