"""What a row of each table says."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from seewhy.core.access import Access
from seewhy.core.score import Measured
from seewhy.core.settings import schema


@dataclass(frozen=True)
class Method:
    """A row of the table of methods.

    Args:
        run: the function ``(probe, targets, *, settings) → Maps``.
        summary: what its map says, in one line.
        paper: author, venue, year.
        access: what it needs of the classifier.
        infill: the Spec used when none is asked for.
        large: the side in pixels of the largest window that this in-fill draws, and the Spec used for larger ones.
        information: whether it answers the class-free target.
        cost: queries with the defaults on a picture of 224 x 224 for one target, and backward passes where it takes any.
        signed: whether 0 means neither for nor against; maps of others are drawn from their least to their most.
        classes: how many of the likeliest classes are explained when none is named; 1 where each costs queries of its own.
        contrast: whether, when no target is named, the likeliest class is also held against the runner-up.
        rivals: given the settings, the classes among which the runner-up is sought; None: all.
        random: whether another seed can give another map: by draws of its own, or by an in-fill that draws.
        control: whether it knows nothing of the classifier and is there for comparison only.
        extra: the optional dependency group it needs.
    """

    run: Callable[..., Any]
    summary: str
    paper: str
    access: Access
    infill: str
    information: bool
    cost: str
    large: tuple[int, str] | None = None
    signed: bool = False
    classes: int = 3
    contrast: bool = False
    rivals: Callable[[Mapping[str, object]], Collection[int] | None] | None = None
    random: bool = True
    control: bool = False
    extra: str | None = None

    def windows(self, settings: Mapping[str, object]) -> tuple[int, ...]:
        """Sides of the windows that it asks about, pixels, given its settings; none where it has no setting ``size``."""
        size = settings.get("size", schema(self.run).get("size", (None, ()))[1])
        sides = size if isinstance(size, tuple) else (size,)
        return tuple(side for side in sides if isinstance(side, int))

    def usual_infill(self, settings: Mapping[str, object]) -> str:
        """The Spec used when none is asked for, given the method's settings."""
        largest = max(self.windows(settings), default=0)
        return self.large[1] if self.large and largest > self.large[0] else self.infill


@dataclass(frozen=True)
class Part:
    """A row of the tables of in-fills and classifiers.

    Args:
        build: makes it from keyword-only settings.
        summary: what it is, in one line.
        paper: author, venue, year, where there is one.
        extra: the optional dependency group it needs.
        runs_code: whether it runs code that the user names; needs ``--trust`` on the command line.
        from_classifier: setting → the classifier's attribute that is its default.
    """

    build: Callable[..., Any]
    summary: str
    paper: str | None = None
    extra: str | None = None
    runs_code: bool = False
    from_classifier: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Metric:
    """A row of the table of metrics.

    Args:
        run: the function ``(probe, map, case, *, settings) → Measured``.
        summary: what it measures, in one line.
        paper: author, venue, year.
        higher_is_better: the direction; None where neither is.
        infill: the Spec of what it puts in, used when none is asked for; part of the metric's protocol.
        cost: queries with the defaults on a picture of 224 x 224.
        region: whether it must be told where the object is.
        again: whether it explains the picture again.
        extra: the optional dependency group it needs.
        pool: makes one value of what was measured on many pictures, where that is not the mean of the values.
    """

    run: Callable[..., Any]
    summary: str
    paper: str
    higher_is_better: bool | None
    infill: str
    cost: str
    region: bool = False
    again: bool = False
    extra: str | None = None
    pool: Callable[[Sequence[Measured]], float] | None = None

    @property
    def asks(self) -> bool:
        """Whether it shows the classifier pictures of its own, in which its in-fill stands."""
        return self.cost != "0" and not self.again


@dataclass(frozen=True)
class Rule:
    """A row of the table of rules about a classifier.

    Args:
        run: ``(image, strength, seed, *, settings) → image``: the change that the rule is about. With ``region`` it is given
            two more, the region and the in-fill.
        summary: what the rule says, in one line.
        claim: whether the likeliest class of the changed picture ``stays`` or ``changes``.
        strengths: that are tried when none are named.
        limits: the least and the greatest strength that there is.
        unit: of the strength; empty where there is none.
        before: ``(image, strength) → image``: what the changed picture is held against; None: the picture itself.
        region: whether it must be told where the object is.
    """

    run: Callable[..., Any]
    summary: str
    claim: Literal["stays", "changes"]
    strengths: tuple[float, ...]
    limits: tuple[float, float]
    unit: str = ""
    before: Callable[..., Any] | None = None
    region: bool = False
