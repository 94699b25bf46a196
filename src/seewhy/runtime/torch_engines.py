"""Torch runtimes: eager, channels-last, half precision, and CUDA graphs."""

import copy
from collections.abc import Callable

import torch
from torch import nn

from seewhy.core.arrays import Images, Probabilities
from seewhy.runtime.engines import BATCHES, Answer, Candidate, fill_batch

_BATCHES_CUDA = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_BATCHES_EAGER = (2, 4, 8)
"""Batch sizes of eager mode on a CPU; only a few, because it is rarely the fastest."""


def torch_candidates(network: nn.Module, device: torch.device, dtype: torch.dtype) -> list[Candidate]:
    """List the ways in which torch can run a network, eager mode first.

    Args:
        network: maps images to probabilities, in eval mode.
        device: device of the weights.
        dtype: type of the weights. Half precision is offered for float32 only.
    """
    precision, cuda = str(dtype).removeprefix("torch."), device.type == "cuda"

    def offer(name: str, build: Callable[[], Answer], kind: str, batches: tuple[int, ...] = BATCHES) -> Candidate:
        text = f"torch {torch.__version__}, {device}, {name}"
        return Candidate(name, build, text, kind, _BATCHES_CUDA if cuda else batches)

    ways = [
        offer("eager", lambda: plain(network), precision, _BATCHES_EAGER),
        offer("channels-last", lambda: plain(channels_last(network)), precision),
    ]
    if cuda:
        ways.append(offer("cuda-graph", lambda: CudaGraphs(plain(channels_last(network))), precision))
        if dtype == torch.float32:
            ways.append(offer("float16", lambda: _half(channels_last(network)), "float16"))
    return ways


def plain(network: Callable[[Images], Probabilities]) -> Answer:
    """Run a network unchanged, without recording gradients."""

    def answer(images: Images) -> Probabilities:
        with torch.no_grad():
            return network(images)

    return answer


def channels_last(network: nn.Module) -> nn.Module:
    """Copy a network with its weights and inputs in channels-last memory format; the original is not modified."""
    laid = copy.deepcopy(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    laid.register_forward_pre_hook(
        lambda _, inputs: tuple(images.contiguous(memory_format=torch.channels_last) for images in inputs)
    )
    assert isinstance(laid, nn.Module)  # noqa: S101 - torch's annotation loses the type
    return laid


def _half(network: nn.Module) -> Answer:
    """Run a network on CUDA in half precision for the operations that tolerate it."""

    def answer(images: Images) -> Probabilities:
        with torch.no_grad(), torch.autocast("cuda", torch.float16):
            probabilities: Probabilities = network(images).float()
        return probabilities

    return answer


class CudaGraphs:
    """Record the CUDA operations of a network once per batch size and replay them.

    A replay costs one kernel launch instead of hundreds, which dominate the run time of small batches. A batch is filled
    up to the next recorded size; only a batch larger than all before is recorded.

    Args:
        answer: the network, running on a CUDA device.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Images, Probabilities]] = {}

    def __call__(self, images: Images) -> Probabilities:
        """Copy the images to the graph's input buffer, replay the graph, and copy the output."""
        rows = len(images)
        size = min((known for known in self.graphs if known >= rows), default=rows)
        images = fill_batch(images, size)
        if size not in self.graphs:
            self.graphs[size] = self._record(images)
        graph, shown, output = self.graphs[size]
        shown.copy_(images)
        graph.replay()
        return output[:rows].clone()

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
