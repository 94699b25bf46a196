"""Read and modify layer activations with forward hooks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from seewhy.core.errors import RequestError, did_you_mean

Change = Callable[[Tensor], Tensor]
"""Maps the output of a layer to the tensor passed on to the next layer."""


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

    The list receives one tensor, with its autograd graph, per call of the layer: what is passed on to the next layer.

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

    def note(_: nn.Module, __: object, output: object) -> Tensor:
        if not isinstance(output, Tensor):
            raise RequestError(
                f"expected layer {name!r} to output one tensor, got {type(output).__name__}; choose another layer"
            )
        seen.append(output if change is None else change(output))
        return seen[-1]

    handle = layer(module, name).register_forward_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def shapes(module: nn.Module, run: Callable[[], object]) -> dict[str, tuple[int, ...]]:
    """Return the output shape of each layer that outputs a single tensor, in order of completion of one forward pass."""
    sizes: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def write(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                sizes.pop(name, None)  # a layer that runs several times is listed at its last run
                sizes[name] = tuple(output.shape)

        return write

    handles = [part.register_forward_hook(note(name)) for name, part in module.named_modules() if name]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return sizes
