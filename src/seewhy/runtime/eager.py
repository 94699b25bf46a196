"""Torch runtimes: eager, channels-last, half precision, compiled, and CUDA graphs."""

import copy
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from seewhy.core.arrays import Images, Probabilities
from seewhy.runtime.engines import BATCHES, Answer, Candidate, Padded
from seewhy.runtime.machine import instructions

_BATCHES_CUDA = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BATCHES_PLAIN = (2, 4, 8)
"""Batch sizes on a CPU; only a few, because eager mode is rarely the fastest."""

_BATCHES_COMPILED = (8,)
"""Only one size, because compiling each size takes tens of seconds."""


def torch_candidates(network: nn.Module, device: torch.device, dtype: torch.dtype) -> list[Candidate]:
    """List the ways in which torch can run a network, eager mode first.

    Args:
        network: maps images to probabilities, in eval mode.
        device: device of the weights.
        dtype: type of the weights. Reduced precision is offered for float32 only.

    Example:
        >>> cpu = torch.device("cpu")
        >>> [each.name for each in torch_candidates(nn.Identity(), cpu, torch.float64)]
        ['eager', 'channels-last', 'compile']
    """
    text, precision = f"torch {torch.__version__}", _name(dtype)
    cuda = device.type == "cuda"
    batches = _BATCHES_CUDA if cuda else BATCHES

    def offer(name: str, build: Callable[[], Answer], kind: str = precision) -> Candidate:
        return Candidate(name, build, f"{text}, {device}, {name}", kind, batches)

    found = [offer("channels-last", lambda: plain(channels_last(network)))]
    if cuda:
        found.append(offer("cuda-graph", lambda: Padded(CudaGraphs(plain(channels_last(network))))))
    halves = _halves(device) if dtype == torch.float32 else []
    found += [offer(_name(half), _halved(network, device, half), _name(half)) for half in halves]
    return [
        Candidate("eager", lambda: plain(network), f"{text}, {device}", precision, batches if cuda else _BATCHES_PLAIN),
        *found,
        replace(offer("compile", lambda: compiled_network(network)), batches=_BATCHES_COMPILED, slow=True),
    ]


def _name(dtype: torch.dtype) -> str:
    """Return torch's name of a dtype."""
    return str(dtype).removeprefix("torch.")


def plain(network: Callable[[Images], Probabilities]) -> Answer:
    """Run a network unchanged, without recording gradients.

    Example:
        >>> plain(nn.Flatten())(torch.zeros(2, 3, 1, 1)).shape
        torch.Size([2, 3])
    """

    def answer(images: Images) -> Probabilities:
        with torch.no_grad():
            found: Probabilities = network(images)
        return found

    return answer


def channels_last(network: nn.Module) -> nn.Module:
    """Copy a network with its weights and inputs in channels-last memory format; the original is not modified.

    Example:
        >>> channels_last(nn.Conv2d(3, 8, 3))(torch.zeros(1, 3, 4, 4)).is_contiguous(memory_format=torch.channels_last)
        True
    """
    laid = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    laid.register_forward_pre_hook(
        lambda _, inputs: tuple(images.contiguous(memory_format=torch.channels_last) for images in inputs)
    )
    assert isinstance(laid, nn.Module)  # noqa: S101 - torch's annotation loses the type
    return laid


def compiled_network(network: nn.Module) -> Answer:
    """Compile a network. Compilation happens at the first batch and at each larger one.

    Example:
        ``compiled_network(network)(images)`` takes tens of seconds the first time.
    """
    return Padded(plain(torch.compile(channels_last(network), dynamic=False)))


def _halves(device: torch.device) -> list[torch.dtype]:
    """Return the half precisions in which the device multiplies faster than in float32."""
    if device.type == "cuda":
        return [torch.float16, torch.bfloat16]
    return [torch.bfloat16] if device.type == "cpu" and {"avx512_bf16", "amx_bf16"} & instructions() else []


def _halved(network: nn.Module, device: torch.device, half: torch.dtype) -> Callable[[], Answer]:
    """Run a network under autocast, which uses half precision for operations that tolerate it."""

    def build() -> Answer:
        laid = plain(channels_last(network))

        def answer(images: Images) -> Probabilities:
            with torch.autocast(device.type, half):
                return laid(images).float()

        return answer

    return build


class CudaGraphs:
    """Record the CUDA operations of a network once per batch size and replay them; use behind `Padded`.

    A replay costs one kernel launch instead of hundreds; launches dominate the run time of small batches.

    Args:
        answer: the network, running on a CUDA device.

    Example:
        ``CudaGraphs(plain(network))(images)`` with ``images`` on a CUDA device.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Images, Probabilities]] = {}

    def __call__(self, images: Images) -> Probabilities:
        """Copy the images to the graph's input buffer, replay the graph, and copy the output."""
        if len(images) not in self.graphs:
            self.graphs[len(images)] = self._record(images)
        graph, shown, output = self.graphs[len(images)]
        shown.copy_(images)
        graph.replay()
        return output.clone()

    def _record(self, images: Images) -> tuple[torch.cuda.CUDAGraph, Images, Probabilities]:
        """Warm up on a side stream, as CUDA graph capture requires, then record."""
        shown = images.clone()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self.answer(shown)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            output = self.answer(shown)
        return graph, shown, output
