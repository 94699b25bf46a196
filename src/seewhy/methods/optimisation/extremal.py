"""Extremal perturbation: the smooth region of a given area with the highest score (Fong, Patrick, Vedaldi, ICCV 2019)."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, blend
from seewhy.core.attribution import Attribution
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target, weight_matrix
from seewhy.infills.plain import gaussian_blur
from seewhy.methods._shared import allow, at_least, positive, seeds
from seewhy.methods.optimisation._perturbation import Learned, attribution

Game = Literal["preserve", "delete"]
Perturbation = Literal["pyramid", "infill"]

Nodes = Float[Tensor, "n a b"]
"""The learned values, one every few pixels."""

Show = Callable[[Keep, int], Images]
"""Makes the perturbed images from ``keep`` masks and the step number."""

LEVELS = 8
"""Number of images in the blur pyramid."""

STRONGEST = 20.0
"""Standard deviation of the strongest blur in the pyramid, pixels."""

_GROWTH = 1.0035
"""Factor by which the weight of the area penalty grows at each step, as in the authors' code."""

_SHARPNESS = 20
"""Inverse temperature of the smooth maximum; higher values are closer to the maximum."""

_UNCHANGED = 1e-6
"""Score changes of at most this size count as no change."""


def extremal_perturbation(
    probe: Probe,
    targets: Sequence[Target],
    *,
    game: Game = "preserve",
    areas: tuple[float, ...] = (0.025, 0.05, 0.1, 0.2),
    perturbation: Perturbation = "pyramid",
    iterations: int = 800,
    step: int = 7,
    sigma: float = 21.0,
    rate: float = 0.01,
    weight: float = 300.0,
) -> Attribution:
    """Learn for each area the smooth region of that area with the highest score (Fong, Patrick, Vedaldi, ICCV 2019).

    Maximises over regions M in [0, 1] the class's score (logit) before the soft-max, minus ``weight · 1.0035^t · mean
    (sort(M) - r)²`` at step t, where r is 1 for the last fraction ``area`` of the sorted values and 0 before. M is smooth:
    ``M(u) = smooth-max over nodes v of k(|u - v| / sigma) m(v)`` with ``k(z) = exp(-2 max(0, z - 1/2)²)`` and a node
    every ``step`` pixels. ``preserve`` shows only the region; ``delete`` shows everything else and minimises the
    score. The optimiser is stochastic gradient descent with
    momentum and dampening 0.9, followed by a clip to [0, 1] after each step; images are mirrored at every second
    step. The area is measured on the visible pixels; the authors' code also counts a margin outside the image, in
    which a region can hide.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts; each is optimised separately.
        game: ``preserve`` or ``delete``, as above.
        areas: areas as fractions of the image, each between 0 and 1, for example ``0.05+0.1``; optimised in parallel.
        perturbation: ``pyramid``: blur more where more is removed, without the in-fill; ``infill``: blend with the
            in-fill.
        iterations: number of optimisation steps, 1 or more; the budget may reduce it.
        step: pixels between two nodes, 1 or more.
        sigma: reach of a node, pixels, above 0.
        rate: learning rate.
        weight: weight of the area penalty at the first step.

    Returns:
        Maps of the sum of the regions: the number of regions that contain a pixel, 0 to ``len(areas)``; with one
        area, its region. Findings state what each region does, and which is the smallest that has half the effect of
        the full image. Traces are ``KEY: score, area A``, every ten steps, and the final ``KEY: probabilities`` and
        ``KEY: areas``. The map is 0 if no region changes the prediction.

    Raises:
        RequestError: a setting is out of range, the budget is too small for one step, or the classifier has no
            gradients.

    Cost: one query, and for each target and area ``1 + iterations`` queries with ``iterations`` backward passes.
    """
    if not areas or not all(0 < area < 1 for area in areas):
        raise RequestError(
            f"expected areas between 0 and 1, got {areas}; write areas=0.05+0.1 for 5 % and 10 % of the image"
        )
    at_least(iterations=(iterations, 1), step=(step, 1), weight=(weight, 0))
    positive(sigma=sigma, rate=rate)
    shown = len(targets) * len(areas)  # in each step, and once more at the end
    wanted, fewest = shown * (1 + iterations), 2 * shown
    steps = allow(probe, wanted, fewest=fewest, hint="fewer targets or areas", multiple=shown) // shown - 1
    smooth = Smooth.of(probe.size, step, sigma, probe.image.device)
    show = pyramid(probe.image) if perturbation == "pyramid" else _blending(probe)
    learned = {}
    for target, weights in zip(targets, weight_matrix(targets, probe.prediction).T, strict=True):
        task = _Task(probe, weights, game, areas, smooth, show, rate, weight)
        learned[target.key] = task.learn(steps)
    settings: dict[str, object] = {"game": game, "areas": areas, "perturbation": perturbation, "iterations": steps}
    settings |= {"step": step, "sigma": sigma, "rate": rate, "weight": weight}
    maps = attribution(learned, "regions", settings, reduced=steps < iterations)
    unused = "the in-fill was not used: removed parts were blurred instead"
    return replace(maps, findings=(*maps.findings, unused)) if perturbation == "pyramid" else maps


@dataclass(frozen=True)
class Smooth:
    """A smoothing operator: each pixel takes the distance-weighted smooth maximum of the surrounding nodes.

    Nodes are centred in blocks of ``step`` by ``step`` pixels; ``kernel`` holds the weight of each of the ``k`` nodes
    around a block for each pixel of the block.
    """

    size: tuple[int, int]
    step: int
    kernel: Float[Tensor, "k s s"]

    @classmethod
    def of(cls, size: tuple[int, int], step: int, sigma: float, device: torch.device) -> "Smooth":
        """Compute the weights ``exp(-2 max(0, distance / sigma - 1/2)²)`` of the nodes within ``sigma + step``."""
        reach = 1 + math.ceil(sigma / step)
        pixels = torch.arange(step, device=device) - (step - 1) / 2
        nodes = step * torch.arange(-reach, reach + 1, device=device)
        squares = (pixels - nodes[:, None]).square()
        distance = (squares[:, None, :, None] + squares[None, :, None, :]).sqrt().flatten(0, 1)
        return cls(size, step, torch.exp(-2 * (distance / sigma - 0.5).clamp(min=0).square()))

    @property
    def nodes(self) -> tuple[int, int]:
        """Number of rows and columns of nodes."""
        return math.ceil(self.size[0] / self.step), math.ceil(self.size[1] / self.step)

    def __call__(self, nodes: Nodes) -> Keep:
        """Return regions ``(n, h, w)`` with values from 0 to 1; nodes beyond the border count as 0."""
        side, (rows, columns) = math.isqrt(len(self.kernel)), self.nodes
        around = functional.pad(nodes, (side // 2,) * 4)
        above, below = nodes.new_zeros(()), nodes.new_zeros(())
        for number, weights in enumerate(self.kernel):  # looping over nodes keeps the arrays in the processor's cache
            top, left = divmod(number, side)
            near = around[:, top : top + rows, None, left : left + columns, None] * weights[:, None]
            exponential = (_SHARPNESS * near).exp()
            above, below = above + near * exponential, below + exponential
        smooth = (above / below).flatten(3, 4).flatten(1, 2)
        return smooth[:, : self.size[0], : self.size[1]]


def pyramid(image: Image) -> Show:
    """Blur each pixel more where more is removed, between eight images from sigma 20 to the unmodified image."""
    strengths = (STRONGEST * (1 - level / (LEVELS - 1)) for level in range(LEVELS - 1))
    levels = torch.stack([*(gaussian_blur(image, strength) for strength in strengths), image])

    def show(keep: Keep, number: int) -> Images:
        del number
        place = keep[:, None] * (LEVELS - 1)
        below = place.detach().long().clamp(max=LEVELS - 2)  # so that the gradient is not 0 at keep = 1
        index = below.expand(-1, len(image), -1, -1)
        return torch.lerp(levels.gather(0, index), levels.gather(0, index + 1), place - below)

    return show


def _blending(probe: Probe) -> Show:
    """Blend with the in-fill; a random in-fill is drawn anew for each step."""
    fill: Images | None = None

    def show(keep: Keep, number: int) -> Images:
        nonlocal fill
        if fill is None or probe.infill.stochastic:
            fill = probe.fill(seeds(probe, number))
        return blend(probe.image, keep, fill)

    return show


@dataclass(frozen=True)
class _Task:
    """The optimisation for one target."""

    probe: Probe
    weights: Float[Tensor, " k"]
    game: Game
    areas: tuple[float, ...]
    smooth: Smooth
    show: Show
    rate: float
    weight: float

    def learn(self, steps: int) -> Learned:
        """Optimise the regions of all areas in parallel, and evaluate each; 0 if no output ever changed."""
        nodes = self.probe.image.new_ones(len(self.areas), *self.smooth.nodes).requires_grad_()
        optimiser = torch.optim.SGD([nodes], lr=self.rate, momentum=0.9, dampening=0.9)
        scores, why = [], None
        for number in range(steps):
            rows = torch.split(torch.arange(len(self.areas)), self.probe.batch_size)
            slopes, reached = zip(*(self._slope(nodes[some], some.tolist(), number) for some in rows), strict=True)
            nodes.grad = torch.cat(slopes)
            optimiser.step()
            nodes.data.clamp_(0, 1)
            scores.append(torch.cat(reached))
            if why := self.probe.why_stop():
                break
        return self._evaluated(self.smooth(nodes.detach()), torch.stack(scores), why)

    def _slope(self, nodes: Nodes, some: list[int], number: int) -> tuple[Nodes, Float[Tensor, " n"]]:
        """Return the gradient of the loss for some of the areas, and their scores."""
        own = nodes.detach().requires_grad_()
        regions = self.smooth(own)
        images = self._images(regions, number)
        answers = self.probe.scores(images.flip(3) if number % 2 == 0 else images)
        scores = answers @ self.weights.to(answers) * (1 if self.game == "preserve" else -1)
        penalty = self.weight * _GROWTH**number * area_penalty(regions, [self.areas[index] for index in some])
        (slope,) = self.probe.gradient((penalty - scores).sum(), [own], len(images))
        return slope, scores.detach()

    def _images(self, regions: Keep, number: int) -> Images:
        """Return the perturbed images of some regions."""
        return self.show(regions if self.game == "preserve" else 1 - regions, number)

    def _evaluated(self, regions: Keep, scores: Float[Tensor, "s n"], why: str | None) -> Learned:
        """Show the learned regions once more, and record what happened."""
        probabilities = torch.cat(
            [self.probe.show(self._images(row, 0)) @ self.weights for row in torch.split(regions, 1)]
        )
        full = self.probe.prediction @ self.weights
        traces = {f"score, area {area:g}": row[::10].tolist() for area, row in zip(self.areas, scores.T, strict=True)}
        traces |= {"probabilities": probabilities.tolist(), "areas": regions.mean((1, 2)).tolist()}
        spreads = [float(outputs.max() - outputs.min()) for outputs in (scores, torch.cat([probabilities, full[None]]))]
        if max(spreads) <= _UNCHANGED:
            return Learned(0 * regions.sum(0), "no region changes the prediction", traces, why)
        return Learned(regions.sum(0), self._finding(probabilities.tolist(), float(full)), traces, why)

    def _finding(self, probabilities: Sequence[float], full: float) -> str:
        """State what each region does, and which is the smallest that has half the effect of the full image."""
        kept = self.game == "preserve"
        of_area = list(zip(self.areas, probabilities, strict=True))
        listed = ", ".join(f"{area:.1%}: {probability:.3g}" for area, probability in of_area)
        effective = [area for area, probability in of_area if (probability > full / 2) is kept]
        shown = "only the region" if kept else "without the region"
        effect = "keeps more than half of it" if kept else "removes at least half of it"
        smallest = f"the {min(effective):.1%} region {effect}" if effective else f"no region {effect}"
        return f"the full image has probability {full:.3g}; {shown} {listed}; {smallest}"


def area_penalty(regions: Keep, areas: Sequence[float]) -> Float[Tensor, " n"]:
    """Mean squared distance of the sorted values from a step that is 1 for the last fraction ``area`` and 0 before."""
    ordered = regions.flatten(1).sort(dim=1, stable=True).values
    ranks = torch.arange(ordered.shape[1], device=ordered.device)
    zeros = (1 - torch.tensor(areas, device=ordered.device)) * ordered.shape[1]
    return (ordered - (ranks >= zeros[:, None]).to(ordered)).square().mean(1)
