"""The rows of the tables: what the program, the tests and the documentation know about each entry."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.attribution import Attribution
from seewhy.core.classifier import Classifier
from seewhy.core.infill import Infill
from seewhy.core.metric import MetricResult
from seewhy.core.settings import schema
from seewhy.registry.cost import Cost, CostRule, Run, planned

Facts = dict[str, str | None]
"""What people are told about a row: heading → text."""

_USUAL_SIZE = (224, 224)

_NEEDS = {
    Access.LABEL: "labels",
    Access.TOP_K: "the most probable classes",
    Access.PROBABILITIES: "probabilities",
    Access.GRADIENTS: "gradients",
    Access.INTERNALS: "its layers",
}
"""Access level → what a method needs from the classifier, in words."""

_BETTER = {True: "higher is better", False: "lower is better", None: "neither direction is better"}
_RANDOM = {True: "yes", False: "no", None: "up to its settings"}


@dataclass(frozen=True)
class Entry(Protocol):
    """What a row states, whatever its table.

    Args:
        run: the function; its keyword-only arguments are the settings.
        summary: what it does, in one line.
        paper: author, venue, year, where there is one.
        extra: the optional dependency group that it needs.
    """

    run: Callable[..., object]
    summary: str
    paper: str | None = None
    extra: str | None = field(default=None, kw_only=True)

    def facts(self) -> Facts:
        """Return what people are told about the row."""
        return {"paper": self.paper, "extra": self.extra}


@dataclass(frozen=True)
class Method(Entry):
    """A row of the table of methods: an `Entry` whose function is ``(probe, targets, *, settings) → Attribution``.

    Args:
        access: what it needs from the classifier.
        infill: the Spec used when none is given.
        large: the side in pixels of the largest window that this in-fill can fill, and the Spec used for larger ones.
        queries: its cost: a `Cost`, or a function of the planned `Run`.
        information: whether it answers the class-free target.
        signed: whether 0 means neither for nor against; other maps are drawn from their minimum to their maximum.
        linear: whether its map of a contrast is the difference of the maps of two classes.
        predicted_only: whether it explains the predicted class only.
        contrast: whether, when no target is named, the predicted class is also contrasted with the runner-up.
        rivals: given the settings, the classes eligible as runner-up; None: all.
        random: whether another seed can give another map: by draws of its own, or by an in-fill that draws.
        anytime: whether it watches its standard errors during the run and stops at a tolerance.
        control: whether it ignores the classifier and serves for comparison only.
        needs: what the user has to provide besides the classifier, in words; without it the method does not run.
        generated: names of the images that it generates with the map.
        calls: the setting that is the Spec of another method, which it runs.
        first_leads: whether the first target is searched for and the others are not; the usual targets then begin with the
            predicted class, not with the information.
        small: settings for a quick run on a small image, as in a Spec; the contract tests use them.
        rehearsed: whether a request is checked by a run up to the first query; not where a function of the caller's may do
            anything before it.
    """

    run: Callable[..., Attribution]
    access: Access = Access.LABEL
    infill: str = "gray"
    large: tuple[int, str] | None = None
    queries: CostRule = Cost(1)  # noqa: RUF009 - frozen
    information: bool = False
    signed: bool = False
    linear: bool = False
    predicted_only: bool = False
    contrast: bool = False
    rivals: Callable[[Mapping[str, object]], Collection[int] | None] | None = None
    random: bool = True
    anytime: bool = False
    control: bool = False
    needs: str = ""
    generated: tuple[str, ...] = ()
    calls: str | None = None
    first_leads: bool = False
    small: str = ""
    rehearsed: bool = True

    def cost(
        self,
        settings: Mapping[str, object] = MappingProxyType({}),
        size: tuple[int, int] = _USUAL_SIZE,
        *,
        targets: int = 1,
        stochastic: bool = False,
    ) -> Cost:
        """Return the cost of a run without a budget.

        Args:
            settings: those that differ from the defaults.
            size: height and width of the image in the classifier's view, pixels.
            targets: number of targets.
            stochastic: whether the in-fill gives another image for another seed.
        """
        return planned(self.queries, self.run, Run(settings, size, targets, stochastic))

    @property
    def classes(self) -> int:
        """Number of most probable classes explained when none is named: 1 where each class costs queries of its own."""
        return 1 if self.predicted_only or self.cost(targets=2) != self.cost() else 3

    def windows(self, settings: Mapping[str, object]) -> tuple[int, ...]:
        """Return the sides of the windows that it removes, in pixels; none if it has no setting ``size``."""
        size = settings.get("size", schema(self.run).get("size", (None, ()))[1])
        sides = size if isinstance(size, tuple) else (size,)
        return tuple(side for side in sides if isinstance(side, int))

    def usual_infill(self, settings: Mapping[str, object]) -> str:
        """Return the Spec used when none is given, for these settings."""
        largest = max(self.windows(settings), default=0)
        return self.large[1] if self.large and largest > self.large[0] else self.infill

    def facts(self) -> Facts:
        """Return what people are told about the method."""
        return {
            "family": _family(self.run),
            "queries": str(self.cost()),
            "needs": ", and ".join(filter(None, (_NEEDS[self.access], self.needs))),
            "paper": self.paper,
            "infill": self.infill,
            "extra": self.extra,
        }


@dataclass(frozen=True)
class Metric(Entry):
    """A row of the table of metrics: an `Entry` whose function is ``(probe, map, case, *, settings) → MetricResult``.

    Args:
        higher_is_better: the direction; None where neither is.
        infill: the Spec of the in-fill used when none is given; part of the metric's protocol.
        queries: its cost: a `Cost`, or a function of the planned `Run`.
        region: whether it needs the region of the object.
        small: as for a `Method`.
        pool: aggregates the measurements of many images into one value, where that is not the mean of the values.
    """

    run: Callable[..., MetricResult]
    higher_is_better: bool | None = True
    infill: str = "gray"
    queries: CostRule = Cost()  # noqa: RUF009 - frozen
    region: bool = False
    small: str = ""
    pool: Callable[[Sequence[MetricResult]], float] | None = None

    def cost(self, settings: Mapping[str, object] = MappingProxyType({}), size: tuple[int, int] = _USUAL_SIZE) -> Cost:
        """Return the cost of one map; see `Method.cost`."""
        return planned(self.queries, self.run, Run(settings, size))

    @property
    def reexplains(self) -> bool:
        """Whether it explains the image again."""
        return self.cost().explanations > 0

    @property
    def asks(self) -> bool:
        """Whether it shows the classifier images of its own, made with its in-fill."""
        return self.cost().forward > 0

    def facts(self) -> Facts:
        """Return what people are told about the metric."""
        return {
            "direction": _BETTER[self.higher_is_better],
            "queries": str(self.cost()),
            "needs": "the region of the object" if self.region else None,
            "paper": self.paper,
            "infill": self.infill if self.asks else None,
            "extra": self.extra,
        }


@dataclass(frozen=True)
class InfillRow(Entry):
    """A row of the table of in-fills: an `Entry` whose function makes the in-fill.

    Args:
        random: whether another seed gives another image; None where the user's settings decide.
        largest: the side in pixels of the largest hole that it can fill; None: any.
        from_classifier: setting → the attribute of the classifier that is its default.
        runs_code: whether it runs code that the user names; needs ``--trust`` on the command line.
    """

    run: Callable[..., Infill]
    random: bool | None = False
    largest: int | None = None
    from_classifier: Mapping[str, str] = field(default_factory=dict)
    runs_code: bool = False

    def facts(self) -> Facts:
        """Return what people are told about the in-fill."""
        return {
            "random": _RANDOM[self.random],
            "largest hole": f"{self.largest} × {self.largest} pixels" if self.largest else None,
            **super().facts(),
        }


@dataclass(frozen=True)
class ClassifierRow(Entry):
    """A row of the table of classifiers: an `Entry` whose function makes the classifier.

    Args:
        runs_code: whether it runs code that the user names; needs ``--trust`` on the command line.
    """

    run: Callable[..., Classifier]
    runs_code: bool = False


@dataclass(frozen=True)
class Rule:
    """A row of the table of rules about a classifier: the prediction stays, or changes, under a condition.

    Args:
        run: ``(image, strength, seed, *, settings) → image``: the change that the rule is about. With ``region`` it takes
            two more arguments, the region and the in-fill.
        condition: when the prediction stays or changes, such as ``when the image is mirrored``.
        strengths: the strengths tried when none are named.
        limits: the minimum and the maximum strength.
        unit: unit of the strength; empty where there is none.
        claim: whether the predicted class of the changed image ``stays`` or ``changes``.
        before: ``(image, strength) → image``: the reference for the changed image; None: the image itself.
        region: whether it needs the region of the object.
    """

    run: Callable[..., Image]
    condition: str
    strengths: tuple[float, ...]
    limits: tuple[float, float]
    unit: str = ""
    claim: Literal["stays", "changes"] = "stays"
    before: Callable[[Image, float], Image] | None = None
    region: bool = False

    @property
    def summary(self) -> str:
        """What the rule claims, in one line."""
        return f"the prediction {'stays the same' if self.claim == 'stays' else 'changes'} {self.condition}"

    def facts(self) -> Facts:
        """Return what people are told about the rule."""
        return {"needs": "boxes" if self.region else None}


def _family(function: Callable[..., object]) -> str:
    """Return the family of a method: its folder in seewhy, or the package that it comes from."""
    package, *folders = function.__module__.split(".")
    return folders[1] if package == "seewhy" and len(folders) > 1 else package
