"""Ask about few windows, look where the map is least known, and ask there: coarse to fine, and only where it matters.

Every round the map is predicted from what was seen (`seewhy.methods.kriging`), and the cells of the lattice
(`seewhy.methods.lattice`) that would lower its error most for a query are refined. Regions without effect stay coarse. A run
that ends early has asked the same windows, with the same seeds, as a longer one did until then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.budget import Budget
from seewhy.core.features import Positions, Windows
from seewhy.core.maps import Maps, Scale, worst_error
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.methods.kriging import Fit, Seen, krige, lattice_error
from seewhy.methods.lattice import Lattice, Level
from seewhy.methods.windows import Answers, Log, Score, ask, watched

_SAMPLES = 2  # in-fills drawn for a window: the fewest that show the scatter; more windows teach more than more samples

PER_WINDOW = 4
"""Queries for each window of the coarsest lattice, where nothing else limits the run."""

_GROWTH = 0.25  # windows of a round, as a part of those before it: few rounds, and each knows most of what can be known
_FEWEST = 16  # windows of a round


@dataclass
class _Search:
    """What was asked with windows of one size.

    Args:
        windows: the feature.
        lattice: its places.
        level: of each cell.
        waiting: windows that are to be asked next.
        positions: of the windows asked, batch by batch.
        values: their numbers.
        noise: the variances of these; empty where single samples of a random in-fill cannot tell.
    """

    windows: Windows
    lattice: Lattice
    level: Level
    waiting: Positions
    positions: list[Positions] = field(default_factory=list)
    values: list[Float[Tensor, "m t"]] = field(default_factory=list)
    noise: list[Float[Tensor, "m t"]] = field(default_factory=list)

    @classmethod
    def start(cls, size: int, picture: tuple[int, int]) -> "_Search":
        """Begin with the windows that cover the picture."""
        lattice = Lattice(size, picture)
        return cls(Windows(size, size), lattice, lattice.level(), lattice.start())

    @property
    def asked(self) -> int:
        """How many windows were asked about."""
        return sum(len(part) for part in self.positions)

    def add(self, positions: Positions, answers: Answers, score: Score, *, stochastic: bool) -> None:
        """Take the answers for some windows."""
        values, variances = score(answers)
        self.positions.append(positions)
        self.values.append(torch.from_numpy(values))
        if variances is not None:
            self.noise.append(torch.from_numpy(variances))
        elif not stochastic:
            self.noise.append(torch.zeros(values.shape, dtype=torch.float64))

    def fit(self) -> Fit:
        """Predict the map."""
        noise = torch.cat(self.noise) if self.noise else None
        seen = Seen(torch.cat(self.positions), torch.cat(self.values), noise)
        return krige(seen, self.windows.size, self.lattice.picture)

    def choose(self, fit: Fit) -> None:
        """Line up the windows that would lower the error most, all targets counting alike."""
        ratio = float(f"{fit.noise_ratio:.0e}")  # one digit will do, and saves working it out again every round
        errors = [lattice_error(level, ratio) for level in range(len(self.lattice.strides))]
        gain = -torch.tensor(errors, dtype=torch.float64).diff(append=torch.tensor(errors[-1:]))
        scale = fit.scale[
            :, : self.level.shape[0], : self.level.shape[1]
        ]  # no window begins in a rim of less than a cell
        share = (scale / scale.sum((1, 2), keepdim=True)).nan_to_num(0.0).mean(0)
        count = max(_FEWEST, int(_GROWTH * self.asked))
        self.waiting, self.level = self.lattice.refine(self.level, share * gain[self.level], count)


def draws(probe: Probe, sizes: Sequence[int], samples: int | None) -> int:
    """Settle how many in-fills are drawn for a window: as asked, or two; one where the budget has no room for two.

    An in-fill that is the same every time is asked once.
    """
    if not probe.infill.stochastic:
        return 1
    if samples is not None or probe.budget.queries is None:
        return samples or _SAMPLES
    start = sum(Windows(size, size).covering(*probe.size) for size in sizes)
    return _SAMPLES if probe.budget.queries >= 1 + _SAMPLES * start else 1


def refine(
    probe: Probe,
    targets: Sequence[Target],
    score: Score,
    *,
    sizes: Sequence[int],
    samples: int,
    unit: str,
    settings: dict[str, object],
) -> Maps:
    """Ask about windows, coarse to fine where it pays, and predict every pixel.

    A pixel's value is what the mean over all windows that cover it would be, predicted from those that were asked about; with
    several sizes the mean over the sizes, all counting alike. Standard errors hold the scatter of the in-fills and the
    windows that were not asked about.

    Args:
        probe: the bound question.
        targets: one map each.
        score: what the method makes of the answers.
        sizes: sides of the windows, pixels.
        samples: in-fills drawn for a window.
        unit: of the maps.
        settings: for the record.

    Raises:
        RequestError: the picture is smaller than a window, or the budget does not cover it once.
    """
    searches = [_Search.start(size, probe.size) for size in sizes]
    room, stopped = _room(probe, searches, samples)
    log = Log(sizes[0], watched(targets, probe.prediction), len(searches[0].waiting))
    run = _Run(probe, score, samples, room, searches, log)
    why = run.ask(interruptible=False)  # a map with holes is no map
    fits = run.fits()
    while not (why := why or run.why_stop(fits)) and run.left:
        for search, fit in zip(searches, fits, strict=True):
            search.choose(fit)
        why = run.ask(interruptible=True)
        fits = run.fits()
    joined, keys = _joined(fits), [target.key for target in targets]
    return Maps(
        dict(zip(keys, joined.values.float().numpy(), strict=True)),
        dict(zip(keys, joined.variance.sqrt().float().numpy(), strict=True)),
        unit,
        {**settings, "samples": samples},
        why or stopped,
        log.witnesses(),
        predicted=True,
        scales=tuple(_scale(search, fit, keys) for search, fit in zip(searches, fits, strict=True)),
    )


def _room(probe: Probe, searches: Sequence[_Search], samples: int) -> tuple[int, str]:
    """Count the windows that can be asked about, and say what it means when all were."""
    start = sum(len(search.waiting) for search in searches)
    every = samples * sum(search.lattice.places for search in searches)
    wish = 1 + (min(start * max(samples, PER_WINDOW), every) if probe.budget == Budget() else every)
    hint = "larger windows (and an in-fill that fills them)"
    hint += f" or fewer samples than {samples}" if samples > 1 else ""
    queries = probe.affordable(wish, smallest=1 + samples * start, hint=hint)
    probe.plan(queries)
    return (queries - 1) // samples, "queries" if queries < wish else "complete"


@dataclass(frozen=True)
class _Run:
    """A question under way.

    Args:
        probe: the bound question.
        score: what the method makes of the answers.
        samples: in-fills drawn for a window.
        room: windows that can be asked about.
        searches: one a size.
        log: of the first size.
    """

    probe: Probe
    score: Score
    samples: int
    room: int
    searches: Sequence[_Search]
    log: Log

    @property
    def left(self) -> int:
        """Windows that can still be asked about."""
        return self.room - sum(search.asked for search in self.searches)

    def ask(self, *, interruptible: bool) -> str | None:
        """Ask about the windows in line, size after size; say why if the time ends first."""
        for search in self.searches:
            waiting, step = search.waiting[: self.left], max(1, self.probe.rows // self.samples)
            for start in range(0, len(waiting), step):
                part = waiting[start : start + step]
                seeds, answers = ask(self.probe, search.windows, self.samples, part)
                search.add(part, answers, self.score, stochastic=self.probe.infill.stochastic)
                if search is self.searches[0]:
                    self.log.add(part, seeds, answers)
                if interruptible and (why := self.probe.why_stop()):
                    return why
        return None

    def fits(self) -> list[Fit]:
        """Predict the map of each size."""
        return [search.fit() for search in self.searches]

    def why_stop(self, fits: Sequence[Fit]) -> str | None:
        """Say whether the map is sure enough, or time is up."""
        return self.probe.why_stop(lambda: _joined(fits).worst_error())


@dataclass(frozen=True)
class _Joined:
    """The maps of all sizes together: their mean, each size counting alike."""

    values: Float[Tensor, "t h w"]
    variance: Float[Tensor, "t h w"]

    def worst_error(self) -> float:
        """See `seewhy.core.maps.worst_error`."""
        return worst_error(self.values.numpy(), self.variance.sqrt().numpy())


def _joined(fits: Sequence[Fit]) -> _Joined:
    """Average the sizes; their windows have in-fills of their own, so variances of the sum add up."""
    values, variances = (torch.stack([getattr(fit, name) for fit in fits]) for name in ("values", "variance"))
    return _Joined(values.mean(0), variances.mean(0) / len(fits))


def _scale(search: _Search, fit: Fit, keys: Sequence[str]) -> Scale:
    """Say what windows of one size do at most."""
    strongest = {}
    for key, values, variance in zip(keys, fit.values, fit.variance, strict=True):
        spot = values.abs().argmax()
        strongest[key] = (float(values.flatten()[spot]), float(variance.flatten()[spot].sqrt()))
    return Scale(search.windows.size, search.asked, strongest)
