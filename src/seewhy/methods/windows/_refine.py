"""Adaptive window queries: start coarse, and refine only where the map is uncertain.

In each round the map is predicted from the observed windows (`seewhy.methods.windows._kriging`), and the cells of the lattice
(`seewhy.methods.windows._lattice`) that lower the error most per query are refined. Regions without effect stay coarse. A run
that stops early has queried the same windows, with the same seeds, as a longer run up to that point.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution, WindowEffect, worst_error
from seewhy.core.budget import Budget
from seewhy.core.features import Positions, Windows
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.methods._shared import allow, name_maps, stop_reason
from seewhy.methods.windows._kriging import Fit, Seen, krige, lattice_error
from seewhy.methods.windows._lattice import Lattice, Level
from seewhy.methods.windows._windows import Answers, Log, Score, ask, how_to_afford, watched

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

    Raises:
        RequestError: the image is smaller than a window, or the budget does not cover it once.
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
