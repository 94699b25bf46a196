"""Look at the layers of a network while it runs, and change what they pass on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn

from seewhy.core.errors import RequestError, did_you_mean

Change = Callable[[Tensor], Tensor]
"""Takes what a layer puts out, returns what the next one gets."""


def layer(module: nn.Module, name: str) -> nn.Module:
    """Find a layer by the name that ``named_modules`` gives it.

    Raises:
        RequestError: there is no such layer; the nearest are offered.

    Example:
        >>> layer(nn.Sequential(nn.ReLU(), nn.Linear(1, 1)), "1")
        Linear(in_features=1, out_features=1, bias=True)
    """
    names: dict[str, nn.Module] = dict(module.named_modules())
    names.pop("")
    if name not in names:
        raise RequestError(f"the classifier has no layer {name!r}; {did_you_mean(name, names, limit=5)}")
    return names[name]


@contextmanager
def watching(module: nn.Module, name: str, change: Change | None = None) -> Iterator[list[Tensor]]:
    """Write down what a layer puts out while the network runs inside the ``with``, and change it if asked to.

    Args:
        module: the network.
        name: the layer.
        change: what the next layers get instead; what is written down is what they get.

    Returns:
        A list that gets one tensor a call of the layer, with its graph.

    Raises:
        RequestError: there is no such layer, or it does not put out one tensor.

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
                f"expected layer {name!r} to put out one tensor, got {type(output).__name__}; choose another"
            )
        seen.append(output if change is None else change(output))
        return seen[-1]

    handle = layer(module, name).register_forward_hook(note)
    try:
        yield seen
    finally:
        handle.remove()


def shapes(module: nn.Module, run: Callable[[], object]) -> dict[str, tuple[int, ...]]:
    """Say what shape each layer that puts out one tensor puts out, in the order in which the layers finish.

    Args:
        module: the network.
        run: runs it once.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
        >>> shapes(net, lambda: net(torch.ones(3, 2, 2)))
        {'0': (3, 4), '1': (3, 2)}
    """
    found: dict[str, tuple[int, ...]] = {}

    def note(name: str) -> Callable[[nn.Module, object, object], None]:
        def write(_: nn.Module, __: object, output: object) -> None:
            if isinstance(output, Tensor):
                found.pop(name, None)  # a layer that runs several times finishes with its last run
                found[name] = tuple(output.shape)

        return write

    handles = [part.register_forward_hook(note(name)) for name, part in module.named_modules() if name]
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return found
