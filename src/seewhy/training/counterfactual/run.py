"""The state of a generator training run between two steps: networks, optimisers, moving average and checkpoint."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from seewhy.core.errors import RequestError
from seewhy.nets.counterfactual_generators import CounterfactualGenerators, usual_widths
from seewhy.nets.translator import Critic
from seewhy.training.counterfactual.loss import Batch, Losses

CHECKPOINT = "checkpoint.safetensors"
LONGEST = 1.0
"""Gradients are clipped to this norm: without batch norm, a single batch can throw the generators far off."""

CRITIC_WIDTHS = (16, 32, 48)
"""Channels of each level of a critic, half of those in the authors' code."""


@dataclass(frozen=True)
class Evaluation:
    """One evaluation on held-out images, after an epoch. Rates and errors are those of the worse direction.

    Args:
        step: iterations so far.
        loss: mean training loss of the generators since the previous evaluation.
        critic: mean training loss of the critics since the previous evaluation.
        flip: fraction of adversarial images with the target class.
        stable: fraction of stable images that keep their class.
        cycle: fraction of cycle images with the class of the input; nan if there are none.
        kept: mean absolute difference between stable image and input.
        cycled: mean absolute difference between cycle image and input; nan if there are none.
        change: mean absolute difference between adversarial image and input.
        variety: mean absolute difference between two adversarial images, divided by that between two real images of
            their class.
        held_out: held-out loss of the generators.
    """

    step: int
    loss: float
    critic: float
    flip: float
    stable: float
    cycle: float
    kept: float
    cycled: float
    change: float
    variety: float
    held_out: float

    def facts(self) -> dict[str, float]:
        """Return every number by name."""
        return {name: float(value) for name, value in asdict(self).items()}


@dataclass(eq=False)
class Run:
    """Everything that a checkpoint holds.

    Args:
        losses: generators, critics and classifier.
        rates: initial learning rates of generators and critics.
        betas: decay rates of Adam.
        average: decay of the moving average; 0 for none.
    """

    losses: Losses
    rates: tuple[float, float]
    betas: tuple[float, float]
    average: float
    step: int = 0
    spoilt: int = 0
    curve: list[Evaluation] = field(default_factory=list)
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])

    def __post_init__(self) -> None:
        generators = self.losses.generators
        self.slow: CounterfactualGenerators = copy.deepcopy(generators).requires_grad_(requires_grad=False)
        self.generator_weights = list(generators.parameters())
        self.critic_weights = list(self.losses.critics.parameters())
        self.adam = [
            torch.optim.Adam(weights, lr=rate, betas=self.betas)
            for weights, rate in zip((self.generator_weights, self.critic_weights), self.rates, strict=True)
            if weights
        ]

    @property
    def evaluated(self) -> CounterfactualGenerators:
        """The generators that are evaluated and kept: the moving average, if there is one."""
        return self.slow if self.average else self.losses.generators

    def iterate(self, batches: Sequence[Batch], generator: torch.Generator, *, push: float, rate: float) -> None:
        """Take one step of the generators for each direction, then one of the critics.

        Args:
            batches: one batch for each of the two directions of a pair of classes.
            generator: random generator of every draw of this step.
            push: factor on the flip weight.
            rate: fraction of the initial learning rates.
        """
        for adam, peak in zip(self.adam, self.rates, strict=False):
            adam.param_groups[0]["lr"] = peak * rate
        # as in the authors' code: SyCE takes a step after each direction, CyCE after both
        apart = self.losses.generators.arm == "syce"
        groups = [[batch] for batch in batches] if apart else [list(batches)]
        for group in groups:
            loss = torch.stack([self.losses.generator_loss(batch, generator, push=push)[0] for batch in group]).sum()
            _descend(self.adam[0], self.generator_weights, loss)
            self.sums[0] += loss.item()
        if self.critic_weights:
            self._train_critics(batches, generator)
        self._update_average()
        self.step += 1

    def _train_critics(self, batches: Sequence[Batch], generator: torch.Generator) -> None:
        """Take one step of the critics; each is given real images of its class and images generated for that class."""
        generators, (one, other) = self.losses.generators, batches
        loss = torch.zeros((), device=one.images.device)
        for batch, real in ((one, other), (other, one)):
            with torch.no_grad():
                generated = generators.edit(generators.planes(batch.images), batch.source, batch.target)[0]
            loss = loss + self.losses.critic_loss(generators.planes(real.images), generated, batch.target, generator)
        _descend(self.adam[1], self.critic_weights, loss)
        self.sums[1] += loss.item()

    @torch.no_grad()
    def _update_average(self) -> None:
        """Update the moving average of the generators' weights."""
        keep = min(self.average, (1 + self.step) / (10 + self.step))
        for slow, fast in zip(self.slow.parameters(), self.losses.generators.parameters(), strict=True):
            slow.lerp_(fast, 1 - keep)

    def save(self, folder: Path) -> None:
        """Write the run to one file, atomically."""
        tensors = {f"generators.{name}": value for name, value in self.losses.generators.state_dict().items()}
        tensors |= {f"slow.{name}": value for name, value in self.slow.state_dict().items()}
        tensors |= {f"critics.{name}": value for name, value in self.losses.critics.state_dict().items()}
        for number, adam in enumerate(self.adam):
            for index, moments in adam.state_dict()["state"].items():
                tensors |= {f"adam{number}.{index}.{name}": value for name, value in moments.items()}
        rows = [list(each.facts().values()) for each in self.curve]
        tensors["curve"] = torch.tensor(rows, dtype=torch.float64).reshape(-1, len(fields(Evaluation)))
        tensors["state"] = torch.tensor([self.step, self.spoilt])
        write_whole(
            folder / CHECKPOINT, save({name: value.detach().cpu().contiguous() for name, value in tensors.items()})
        )

    def restore(self, folder: Path) -> None:
        """Resume from a file written by `save`.

        Raises:
            RequestError: the file belongs to other networks.
        """
        tensors = load_file(folder / CHECKPOINT, device=str(self.generator_weights[0].device))
        parts: tuple[tuple[str, nn.Module], ...] = (
            ("generators.", self.losses.generators),
            ("slow.", self.slow),
            ("critics.", self.losses.critics),
        )
        try:
            for prefix, net in parts:
                net.load_state_dict(_below(tensors, prefix))
        except RuntimeError as error:
            raise RequestError(f"expected a checkpoint of these networks, got {error}; choose another --out") from error
        for number, adam in enumerate(self.adam):
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"adam{number}.").items():
                index, name = key.split(".")
                moments.setdefault(int(index), {})[name] = value.cpu() if name == "step" else value
            adam.load_state_dict({**adam.state_dict(), "state": moments})
        self.step, self.spoilt = (int(number) for number in tensors["state"].tolist())
        self.curve = [Evaluation(int(step), *rest) for step, *rest in tensors["curve"].tolist()]


def write_whole(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    fresh = path.with_name(f".{path.name}.partial")
    try:
        fresh.write_bytes(content)
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def build_critics(
    generators: CounterfactualGenerators, widths: Sequence[int] | None = None, *, seed: int
) -> nn.ModuleList:
    """Build the critics: one per class, or one conditional critic if the generators are shared."""
    count, kinds = (1, len(generators.classes)) if generators.shared else (2, 1)
    widths = widths or usual_widths(generators.size, CRITIC_WIDTHS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleList(Critic(generators.channels, generators.size, widths, kinds=kinds) for _ in range(count))


def _descend(adam: torch.optim.Optimizer, weights: Sequence[Tensor], loss: Tensor) -> None:
    """Take one optimiser step."""
    gradients = torch.autograd.grad(loss, list(weights), allow_unused=True)
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient
    torch.nn.utils.clip_grad_norm_(weights, LONGEST)
    adam.step()


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with a prefix, without the prefix."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
