"""Adaptive window queries: start coarse, and refine only where the map is uncertain.

In each round the map is predicted from the observed windows (`seewhy.methods.windows._kriging`), and the cells of a lattice
that lower the error most per query are refined. Regions without effect stay coarse. A run that stops early has queried
the same windows, with the same seeds, as a longer run up to that point.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from seewhy.core.attribution import Attribution, WindowEffect, worst_error
from seewhy.core.budget import Budget
from seewhy.core.features import Positions, Windows
from seewhy.core.probe import Probe
from seewhy.core.seeds import mix
from seewhy.core.target import Target
from seewhy.methods._shared import allow, name_maps, stop_reason
from seewhy.methods.windows._kriging import Fit, Seen, krige, lattice_error
from seewhy.methods.windows._windows import Answers, Log, Score, ask, how_to_afford, watched

Level = Int[Tensor, "a b"]

LEVELS = 4
"""Most strides of a lattice: a window's side, a half, a quarter and an eighth of it."""

_UNUSED = LEVELS  # the level of positions between the windows of the finest stride

PER_WINDOW = 4
"""Queries for each window of the coarsest lattice, if nothing else limits the run."""

_GROWTH = 0.25  # windows in a round, as a fraction of those before it: few rounds, each with nearly all information
_FEWEST = 16  # fewest windows in a round


def refine(
    probe: Probe,
    targets: Sequence[Target],
    score: Score,
    *,
    sizes: Sequence[int],
    samples: int,
    unit: str,
    settings: dict[str, object],
) -> Attribution:
    """Query windows adaptively, and predict every pixel.

    The value of a pixel is a prediction of the mean over all windows that cover it, from the windows that were
    queried. With several sizes it is the mean over the sizes, weighted equally. Standard errors include the variation
    of the in-fills and the windows that were not queried.
    """
    searches = [_Search.start(size, probe.size) for size in sizes]
    wanted, allowed = _queries(probe, searches, samples)
    log = Log(sizes[0], watched(targets, probe.prediction), len(searches[0].waiting))
    run = _Run(probe, score, samples, allowed // samples, searches, log)
    why = run.ask(interruptible=False)  # every pixel has to be covered
    fits = [search.fit() for search in searches]
    while not (why := why or probe.why_stop(partial(_worst_error, fits))) and run.remaining:
        for search, fit in zip(searches, fits, strict=True):
            search.choose(fit)
        why = run.ask(interruptible=True)
        fits = [search.fit() for search in searches]
    values, errors = (name_maps(targets, torch.from_numpy(part)) for part in _joined(fits))
    keys = [target.key for target in targets]
    return Attribution(
        values,
        errors,
        unit,
        settings,
        stop_reason(why, allowed, wanted),
        log.sampled(),
        predicted=True,
        window_effects=tuple(_effect(search, fit, keys) for search, fit in zip(searches, fits, strict=True)),
    )


def _queries(probe: Probe, searches: "Sequence[_Search]", samples: int) -> tuple[int, int]:
    """Return the number of queries wanted, and the number that the budget allows."""
    start = sum(len(search.waiting) for search in searches)
    every = samples * sum(search.lattice.places for search in searches)
    wanted = min(start * max(samples, PER_WINDOW), every) if probe.budget == Budget() else every
    return wanted, allow(probe, wanted, fewest=samples * start, hint=how_to_afford(samples))


@dataclass(frozen=True)
class Lattice:
    """Windows at strides ``size``, ``size/2``, ``size/4`` and ``size/8``, in cells of ``size`` × ``size`` positions.

    Strides below an eighth of a window are useless: a pixel's mean is then known except for the variation of the
    in-fills.
    """

    size: int
    image_size: tuple[int, int]

    def __post_init__(self) -> None:
        Windows(self.size, self.size).covering(*self.image_size)  # raises if the image is smaller than a window

    @property
    def places(self) -> int:
        """Number of windows at the finest stride."""
        return math.prod(int((self._axis(axis)[1] < _UNUSED).sum()) for axis in (0, 1))

    @property
    def strides(self) -> tuple[int, ...]:
        """The stride between windows at each level of refinement."""
        return tuple(self.size >> level for level in range(min(LEVELS - 1, int(math.log2(self.size))) + 1))

    def _axis(self, axis: int) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]]:
        """Return the cell and the level of each position along an axis; see `seewhy.core.features.Windows.axis`."""
        places, levels = map(torch.tensor, Windows(self.size, 1).axis(self.image_size[axis]))
        return places // self.size, levels.clamp(max=_UNUSED)

    def start(self) -> Positions:
        """Return the fewest windows that cover every pixel, in a shuffled order."""
        rows, columns = ((self._axis(axis)[1] == 0).nonzero()[:, 0] for axis in (0, 1))
        grid = torch.cartesian_prod(rows, columns)
        return grid[mix(torch.arange(len(grid))).argsort()]

    def level(self) -> Level:
        """Return the coarsest level for every cell."""
        return torch.zeros(*(int(self._axis(axis)[0][-1]) + 1 for axis in (0, 1)), dtype=torch.int64)

    def _finer(self, level: Level) -> tuple[Positions, Int[Tensor, " m"]]:
        """Return the windows that each cell would gain from one more level, and the cell of each."""
        (cells_y, levels_y), (cells_x, levels_x) = self._axis(0), self._axis(1)
        needed = torch.maximum(levels_y[:, None], levels_x)
        new = ((needed == level[cells_y][:, cells_x] + 1) & (needed < _UNUSED)).nonzero()
        return new, cells_y[new[:, 0]] * level.shape[1] + cells_x[new[:, 1]]

    def refine(self, level: Level, gain: Float[Tensor, "a b"], count: int) -> tuple[Positions, Level]:
        """Refine by one level the cells with the highest gain per window, until they add ``count`` windows or more.

        Returns the new windows, highest gain first (none if every cell is at the finest stride), and the new levels.
        """
        while True:
            windows, cell = self._finer(level)
            cost = torch.bincount(cell, minlength=level.numel())
            empty = (cost.view_as(level) == 0) & (level < len(self.strides) - 1)
            if not bool(empty.any()):
                break
            level = level + empty  # a small cell at the border may have no window at its next stride
        worth = (gain.flatten() / cost.clamp(min=1)).masked_fill(cost == 0, -torch.inf)
        order = worth.argsort(descending=True, stable=True)
        before = cost[order].cumsum(0) - cost[order]
        chosen = order[(before < count) & (cost[order] > 0)]
        rank = torch.full((level.numel(),), level.numel())
        rank[chosen] = torch.arange(len(chosen))
        turn = rank[cell].argsort(stable=True)[: int(cost[chosen].sum())]
        deeper = level.clone().view(-1)
        deeper[chosen] += 1
        return windows[turn], deeper.view_as(level)


@dataclass
class _Search:
    """The state of the search with windows of one size: the level of each cell, and the windows to query next.

    Positions, values and the variances of the values are kept batch by batch. The variances are missing if single
    samples of a random in-fill cannot estimate them.
    """

    windows: Windows
    lattice: Lattice
    level: Level
    waiting: Positions
    positions: list[Positions] = field(default_factory=list)
    values: list[Float[Tensor, "m t"]] = field(default_factory=list)
    noise: list[Float[Tensor, "m t"]] = field(default_factory=list)

    @classmethod
    def start(cls, size: int, image_size: tuple[int, int]) -> "_Search":
        """Start with the windows that cover the image."""
        lattice = Lattice(size, image_size)
        return cls(Windows(size, size), lattice, lattice.level(), lattice.start())

    @property
    def asked(self) -> int:
        """Number of windows queried so far."""
        return sum(len(part) for part in self.positions)

    def add(self, positions: Positions, answers: Answers, score: Score, *, stochastic: bool) -> None:
        """Add the outputs for some windows."""
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
        return krige(seen, self.windows.size, self.lattice.image_size)

    def choose(self, fit: Fit) -> None:
        """Choose the next windows: those that lower the error most, with all targets weighted equally."""
        # one digit is enough, and makes the cached result reusable in later rounds
        ratio = float(f"{fit.noise_ratio:.0e}")
        errors = [lattice_error(level, ratio) for level in range(len(self.lattice.strides))]
        gain = -torch.tensor(errors, dtype=torch.float64).diff(append=torch.tensor(errors[-1:]))
        # no window begins in a border narrower than a cell
        scale = fit.scale[:, : self.level.shape[0], : self.level.shape[1]]
        share = (scale / scale.sum((1, 2), keepdim=True)).nan_to_num(0.0).mean(0)
        count = max(_FEWEST, int(_GROWTH * self.asked))
        self.waiting, self.level = self.lattice.refine(self.level, share * gain[self.level], count)


@dataclass(frozen=True)
class _Run:
    """A run in progress: one search for each window size, and the number of windows that can be queried in all."""

    probe: Probe
    score: Score
    samples: int
    capacity: int
    searches: Sequence[_Search]
    log: Log

    @property
    def remaining(self) -> int:
        """Number of windows that can still be queried."""
        return self.capacity - sum(search.asked for search in self.searches)

    def ask(self, *, interruptible: bool) -> str | None:
        """Query the waiting windows, size after size; return why it stopped if the time budget ran out first."""
        for search in self.searches:
            waiting, step = search.waiting[: self.remaining], max(1, self.probe.rows // self.samples)
            for part in torch.split(waiting, step) if len(waiting) else ():
                seeds, answers = ask(self.probe, search.windows, self.samples, part)
                search.add(part, answers, self.score, stochastic=self.probe.infill.stochastic)
                if search is self.searches[0]:
                    self.log.add(part, seeds, answers)
                if interruptible and (why := self.probe.why_stop()):
                    return why
        return None


def _joined(fits: Sequence[Fit]) -> tuple[Float[np.ndarray, "t h w"], Float[np.ndarray, "t h w"]]:
    """Return the mean of the maps of all sizes and its error; their in-fills are independent, so variances add up."""
    values, variances = (torch.stack([getattr(fit, name) for fit in fits]) for name in ("values", "variance"))
    return values.mean(0).numpy(), (variances.mean(0) / len(fits)).sqrt().numpy()


def _worst_error(fits: Sequence[Fit]) -> float:
    """Return the largest relative error of the maps."""
    return worst_error(*_joined(fits))


def _effect(search: _Search, fit: Fit, keys: Sequence[str]) -> WindowEffect:
    """Return the strongest effect of windows of one size, for each target."""
    strongest = {}
    for key, values, variance in zip(keys, fit.values, fit.variance, strict=True):
        spot = values.abs().argmax()
        strongest[key] = (float(values.flatten()[spot]), float(variance.flatten()[spot].sqrt()))
    return WindowEffect(search.windows.size, search.asked, strongest)
