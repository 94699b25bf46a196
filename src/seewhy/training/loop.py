"""The training loop: steps, evaluations of which the best is kept, an early stop, and a checkpoint to resume from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from seewhy.core.errors import RequestError
from seewhy.nets.checkpoints import write_whole

CHECKPOINT = "checkpoint.safetensors"

Progress = Callable[[int, int, str, str], None]
"""Called after each step with the steps done and planned, and the latest loss and evaluation as text."""

Evaluation = TypeVar("Evaluation")
"""A dataclass of numbers, of which the first is the step. Its text is shown to the user."""


def no_progress(*facts: object) -> None:
    """Report nothing."""
    del facts


def check_settings(settings: object, names: Iterable[str], allowed: Callable[[float], bool], expectation: str) -> None:
    """Raise RequestError unless each of these settings is None or allowed."""
    for name in names:
        value = getattr(settings, name)
        if value is not None and not allowed(value):
            raise RequestError(f"expected {name} {expectation}, got {value}; omit it to use the default")


@torch.no_grad()
def follow(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move the average of a network's weights towards the present ones, further during the first steps."""
    keep = min(decay, (1 + step) / (10 + step))
    for slow, fast in zip(average.parameters(), net.parameters(), strict=True):
        slow.lerp_(fast, 1 - keep)


@dataclass(eq=False)
class Run(Generic[Evaluation]):
    """A training run between two steps: networks by the name that they have in a checkpoint, optimisers, evaluations."""

    networks: Mapping[str, nn.Module]
    optimisers: Sequence[torch.optim.Optimizer]
    better: Callable[[Evaluation, Evaluation], bool]
    step: int = 0
    curve: list[Evaluation] = field(default_factory=list)
    best: int = -1  # place of the best evaluation in the curve

    def train(
        self,
        take_step: Callable[[int], str],
        *,
        steps: int,
        progress: Progress,
        evaluate: Callable[[], None],
        every: int,
        ended: Callable[[], str] = lambda: "",
    ) -> str:
        """Train to the last step, or until ``ended`` gives a reason; return that reason, or an empty text.

        ``take_step`` takes the step of this number and returns its loss as text. ``evaluate`` is called after each
        ``every`` steps and at the end, and calls `add`.
        """
        reason = ""
        while self.step < steps and not (reason := ended()):
            loss = take_step(self.step)
            self.step += 1
            if self.step % every == 0 or self.step == steps:
                evaluate()
            progress(self.step, steps, loss, str(self.curve[-1]) if self.curve else "")
        return reason

    def add(self, evaluation: Evaluation) -> bool:
        """Add an evaluation, and return whether it is the best so far."""
        best = not self.curve or self.better(evaluation, self.kept)
        self.curve.append(evaluation)
        if best:
            self.best = len(self.curve) - 1
        return best

    @property
    def kept(self) -> Evaluation:
        """The best evaluation."""
        return self.curve[self.best]

    @property
    def stale(self) -> int:
        """The number of evaluations since the best one."""
        return len(self.curve) - 1 - self.best

    def save(self, folder: Path) -> None:
        """Write a checkpoint: everything that the next step depends on."""
        tensors: dict[str, Tensor] = {}
        for name, net in self.networks.items():
            tensors |= {f"{name}.{key}": value for key, value in net.state_dict().items()}
        for number, optimiser in enumerate(self.optimisers):
            for index, moments in optimiser.state_dict()["state"].items():
                tensors |= {f"adam{number}.{index}.{key}": value for key, value in moments.items()}
        rows = [astuple(evaluation) for evaluation in self.curve]  # type: ignore[call-overload]
        tensors |= {"curve": torch.tensor(rows, dtype=torch.float64), "step": torch.tensor([self.step])}
        raw = save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
        write_whole(folder / CHECKPOINT, raw)

    def restore(self, folder: Path, evaluation: Callable[..., Evaluation]) -> None:
        """Resume from a checkpoint; RequestError if it is that of other networks."""
        tensors = load_file(folder / CHECKPOINT)
        try:
            for name, net in self.networks.items():
                net.load_state_dict(_below(tensors, name))
            self.step = int(tensors["step"])
        except (KeyError, RuntimeError) as error:
            raise RequestError(f"expected a checkpoint of this network, got {error}; choose another --out") from error
        for number, optimiser in enumerate(self.optimisers):
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"adam{number}").items():
                index, name = key.split(".")
                moments.setdefault(int(index), {})[name] = value
            optimiser.load_state_dict({**optimiser.state_dict(), "state": moments})
        for step, *numbers in tensors["curve"].tolist():
            self.add(evaluation(int(step), *numbers))


def _below(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with ``name.``, without it."""
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
