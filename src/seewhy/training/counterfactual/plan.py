"""Settings for training counterfactual generators: the authors' published settings, and the defaults here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Literal, get_args

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.settings import bind
from seewhy.nets.counterfactual_generators import Arm
from seewhy.nets.translator import Norm
from seewhy.training.augment import Augment
from seewhy.training.counterfactual.loss import Weights
from seewhy.training.loop import check_settings

Preset = Literal["usual", "paper"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Settings for training counterfactual generators; the command line's reference describes each of them.

    Args:
        length: iterations per epoch; None for the number of full batches of the rarer class, as in the paper.
        batch: images of each of the two classes per iteration.
        beta: Adam's first decay.
        average: decay of the moving average of the generators' weights; 0 for none, as in the paper.
        schedule: ``plateau`` is × 0.3 after 4 epochs without progress, down to 1e-5, then stop.
        warm_up: fraction of the training in which the flip weight is multiplied by five, so that generators do not
            settle on making no edit.
        widths: channels of each level of a generator; None for `usual_widths`.
        last: side of the generator's last convolution kernel.
        select: which epoch is kept. ``error`` keeps the one with the lowest error of the stable and cycle images, among
            those of the second half in which at least 95 % of the held-out images flip; ``loss`` keeps the one with the
            lowest loss, as in the paper.
        half: compute in bfloat16.

    Raises:
        RequestError: a number is out of range.
    """

    arm: Arm = "syce"
    epochs: int = 12
    length: int | None = 60
    batch: int = 32
    rate: float = 5e-4
    critic_rate: float = 1e-3
    beta: float = 0.5
    average: float = 0.99
    schedule: Literal["cosine", "plateau"] = "cosine"
    warm_up: float = 0.1
    weights: Weights = field(default_factory=Weights)
    augment: Augment = field(default_factory=Augment)
    widths: tuple[int, ...] | None = None
    critic_widths: tuple[int, ...] | None = None
    last: int = 3
    residual: bool = True
    norm: Norm = "instance"
    select: Literal["error", "loss"] = "error"
    held_out: float = 0.2
    half: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        _choice("arm", self.arm, get_args(Arm))
        check_settings(self, ("epochs", "batch", "length"), lambda value: value >= 1, ">= 1")
        check_settings(self, ("rate", "critic_rate"), lambda value: 0 < value <= 1, "above 0 and at most 1")
        names = ("beta", "average", "warm_up", "held_out")
        check_settings(self, names, lambda value: 0 <= value < 1, "from 0 to below 1")


_USUAL: Mapping[str, Weights] = {
    "syce": Weights(symmetry=15.0, cycle=5.0, stable=0.1, back=0.05, realism=1.5, noise=0.01),
    "cyce": Weights(symmetry=0.0, cycle=15.0, stable=0.0, back=0.05, realism=1.5, noise=0.01),
    "sagen": Weights(symmetry=15.0, cycle=0.0, near=2.0, stable=0.0, back=0.0, realism=0.0, penalty=0.0, noise=0.01),
}
"""Heavier weights than the authors', so that generated images look more like real ones and stay closer to the input."""

_PAPER: Mapping[str, Weights] = {
    "syce": Weights(scores="probabilities"),
    "cyce": Weights(symmetry=0.0, cycle=10.0, stable=0.0, scores="probabilities"),
    "sagen": Weights(cycle=0.0, near=2.0, stable=0.0, back=0.0, realism=0.0, penalty=0.0, scores="probabilities"),
}


def make_plan(arm: str = "syce", preset: str = "usual", **changes: object) -> Plan:
    """Make a plan from a preset and changes to fields of `Plan`, `Weights` and `Augment`.

    The preset ``paper`` has the settings of the authors' released code for digits, except for those with no effect there
    (batch norm that is never trained, dropout that is never active).

    Raises:
        RequestError: there is no such arm, preset or field, or a value is out of range.
    """
    _choice("arm", arm, get_args(Arm))
    _choice("preset", preset, get_args(Preset))
    plan = _paper(arm) if preset == "paper" else Plan(arm=arm, weights=_USUAL[arm])  # type: ignore[arg-type]
    own, weights, augment = _sort(changes)
    return replace(
        plan,
        weights=replace(plan.weights, **weights),  # type: ignore[arg-type]
        augment=replace(plan.augment, **augment),  # type: ignore[arg-type]
        **own,  # type: ignore[arg-type]
    )


def _paper(arm: str) -> Plan:
    """Return the authors' released configuration for digits."""
    return Plan(
        arm=arm,  # type: ignore[arg-type]
        epochs=60,
        length=None,
        batch=64,
        rate=1e-4,
        critic_rate=1e-4,
        beta=0.9,
        average=0.0,
        schedule="plateau",
        warm_up=0.0,
        weights=_PAPER[arm],
        augment=Augment(turn=5.0, zoom=0.2, shift=0.0, mirror="vertical"),
        widths=(16, 32, 64),
        critic_widths=(32, 64, 96),
        last=1,
        residual=False,
        norm="none",
        select="loss",
    )


def read_changes(texts: Iterable[str]) -> dict[str, object]:
    """Parse ``NAME=VALUE`` settings from the command line, such as ``widths=8+16``, for `make_plan`."""
    pairs = dict(text.partition("=")[::2] for text in texts)
    found: dict[str, object] = {}
    for part, texts_of_part in zip((Plan, Weights, Augment), _sort(pairs), strict=True):
        found |= bind(part, texts_of_part, "--set")  # type: ignore[arg-type]
    return found


def _sort(changes: Mapping[str, object]) -> list[dict[str, object]]:
    """Split changes into those of the plan, the weights and the augmentation."""
    known = [{each.name for each in fields(part)} - {"weights", "augment"} for part in (Plan, Weights, Augment)]
    every = set[str]().union(*known)
    for name in changes:
        if name not in every:
            raise RequestError(f"a training plan has no {name!r}; {did_you_mean(name, every)}")
    return [{name: changes[name] for name in sorted(changes) if name in names} for names in known]


def _choice(name: str, value: object, known: tuple[str, ...]) -> None:
    """Raise unless a value is one of the known words."""
    if value not in known:
        raise RequestError(f"expected {name} to be one of {', '.join(known)}, got {value!r}; choose one of them")
