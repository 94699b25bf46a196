"""The rows of the tables: what the program, the tests and the documentation know about each entry."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.attribution import Attribution
from seewhy.core.metric import MetricResult
from seewhy.core.settings import schema
from seewhy.registry.cost import Cost, Run, planned
from seewhy.registry.cost import Rule as CostRule

_USUAL_SIZE = (224, 224)


@dataclass(frozen=True)
class Method:
    """A row of the table of methods. Everything but the first three fields has the usual value as its default.

    Args:
        run: the function ``(probe, targets, *, settings) → Maps``.
        summary: what its map shows, in one line.
        paper: author, venue, year.
        access: what it needs from the classifier.
        infill: the Spec used when none is given.
        large: the side in pixels of the largest window that this in-fill can fill, and the Spec used for larger ones.
        queries: its cost: a `Cost`, or a function of the planned run; see `cost`.
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
        small: settings for a quick run on a small image, as in a Spec; the contract tests use them.
        extra: the optional dependency group that it needs.
    """

    run: Callable[..., Attribution]
    summary: str
    paper: str
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
    small: str = ""
    extra: str | None = None

    def cost(
        self,
        settings: Mapping[str, object] | None = None,
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
        return planned(self.queries, Run(_with_defaults(self.run, settings), size, targets, stochastic))

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


def _with_defaults(function: Callable[..., object], settings: Mapping[str, object] | None) -> dict[str, object]:
    """Complete the settings of a function with its defaults."""
    return {name: default for name, (_, default) in schema(function).items()} | dict(settings or {})


@dataclass(frozen=True)
class Component:
    """A row of the tables of in-fills and classifiers.

    Args:
        build: makes it from keyword-only settings.
        summary: what it is, in one line.
        paper: author, venue, year, where there is one.
        extra: the optional dependency group that it needs.
        runs_code: whether it runs code that the user names; needs ``--trust`` on the command line.
        from_classifier: setting → the attribute of the classifier that is its default.
        random: in-fills: whether another seed gives another image; None where the user's settings decide.
        largest: in-fills: the side in pixels of the largest hole that it can fill; None: any.
    """

    build: Callable[..., Any]
    summary: str
    paper: str | None = None
    extra: str | None = None
    runs_code: bool = False
    from_classifier: Mapping[str, str] = field(default_factory=dict)
    random: bool | None = False
    largest: int | None = None


@dataclass(frozen=True)
class Metric:
    """A row of the table of metrics.

    Args:
        run: the function ``(probe, map, case, *, settings) → MetricResult``.
        summary: what it measures, in one line.
        paper: author, venue, year.
        higher_is_better: the direction; None where neither is.
        infill: the Spec of the in-fill used when none is given; part of the metric's protocol.
        queries: its cost: a `Cost`, or a function of the planned run; see `cost`.
        region: whether it needs the region of the object.
        small: settings for a quick run on a small image, as in a Spec; the contract tests use them.
        extra: the optional dependency group that it needs.
        pool: aggregates the measurements of many images into one value, where that is not the mean of the values.
    """

    run: Callable[..., MetricResult]
    summary: str
    paper: str
    higher_is_better: bool | None
    infill: str = "gray"
    queries: CostRule = Cost()  # noqa: RUF009 - frozen
    region: bool = False
    small: str = ""
    extra: str | None = None
    pool: Callable[[Sequence[MetricResult]], float] | None = None

    def cost(self, settings: Mapping[str, object] | None = None, size: tuple[int, int] = _USUAL_SIZE) -> Cost:
        """Return the cost of one map.

        Args:
            settings: those that differ from the defaults.
            size: height and width of the image in the classifier's view, pixels.
        """
        return planned(self.queries, Run(_with_defaults(self.run, settings), size))

    @property
    def reexplains(self) -> bool:
        """Whether it explains the image again."""
        return self.cost().explanations > 0

    @property
    def asks(self) -> bool:
        """Whether it shows the classifier images of its own, made with its in-fill."""
        return self.cost().forward > 0


@dataclass(frozen=True)
class Rule:
    """A row of the table of rules about a classifier.

    Args:
        run: ``(image, strength, seed, *, settings) → image``: the change that the rule is about. With ``region`` it takes
            two more arguments, the region and the in-fill.
        summary: what the rule claims, in one line.
        claim: whether the predicted class of the changed image ``stays`` or ``changes``.
        strengths: the strengths tried when none are named.
        limits: the minimum and the maximum strength.
        unit: unit of the strength; empty where there is none.
        before: ``(image, strength) → image``: the reference for the changed image; None: the image itself.
        region: whether it needs the region of the object.
    """

    run: Callable[..., Image]
    summary: str
    claim: Literal["stays", "changes"]
    strengths: tuple[float, ...]
    limits: tuple[float, float]
    unit: str = ""
    before: Callable[[Image, float], Image] | None = None
    region: bool = False
