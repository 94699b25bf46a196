"""AISE: Gaussian windows whose centres are searched for (Adaptive Input Sampling for Explanation, OpenVINO XAI 1.1)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.core.maps import Map, Maps
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.core.target import Target, weight_matrix

Preset = Literal["speed", "balance", "quality"]

PRESETS: dict[Preset, tuple[int, tuple[float, ...]]] = {
    "speed": (20, (0.1, 0.175, 0.25)),
    "balance": (50, (0.1, 0.175, 0.25)),
    "quality": (50, (0.075, 0.11875, 0.1625, 0.20625, 0.25)),
}
"""Windows a width, and their widths: standard deviations as shares of the picture's sides."""

_FEWEST = 5
"""Windows from which the search has looked at more than the middle: DIRECT begins with it and its four neighbours."""


def aise(probe: Probe, targets: Sequence[Target], *, preset: Preset = "balance") -> Maps:
    """Search for the Gaussian windows whose inside says the class and whose outside does not.

    A window G with its centre at c is worth ``f(x G) - f(x (1 - G))``, the in-fill standing for the rest. For each width the
    centre is searched for with DIRECT (Jones, Perttunen, Stuckman, Journal of Optimization Theory and Applications, 1993),
    which cuts the picture into ever smaller rectangles where it promises most. The map of a width is the sum of all windows
    that were tried, each times its worth, over that sum's maximum where it is positive; the map is the mean over the widths.

    Args:
        probe: the bound question.
        targets: classes and contrasts; each is searched for on its own.
        preset: ``speed`` (20 windows of 3 widths), ``balance`` (50 of 3) or ``quality`` (50 of 5), as in OpenVINO XAI.

    Returns:
        Maps of at most 1; negative where windows are worth less inside than outside; where all are, a finding says so, as what
        was tried least then looks best. No standard errors: what was tried depends
        on what was found before.

    Raises:
        RequestError: scipy is not installed, or the budget is too small for 5 windows of each width.

    Cost: ``1 + 2 x windows x widths`` queries a target: 121, 301 or 501.
    """
    minimise, (windows, widths) = _direct(), PRESETS[preset]
    searches = 2 * len(targets) * len(widths)
    reach = probe.affordable(1 + searches * windows, smallest=1 + searches * _FEWEST, hint="fewer targets")
    each = (reach - 1) // searches
    probe.plan(1 + searches * each)
    values: dict[str, Map] = {}
    findings = []
    stopped = "queries" if each < windows else "complete"
    for number, (target, column) in enumerate(zip(targets, weight_matrix(targets, probe.prediction).T, strict=True)):
        found = torch.zeros(probe.size, dtype=torch.float64, device=column.device)
        for place, width in enumerate(widths):
            search = _Search(probe, column, width, each, number * len(widths) + place)
            stopped = search.run(minimise) or stopped
            found += search.total / top if (top := search.total.max()) > 0 else search.total
        if found.max() <= 0 > found.min():
            findings.append(f"No window tried is worth more inside than outside for {target.key}: do not read its map.")
        values[target.key] = (found / len(widths)).float().cpu().numpy()
    return Maps(values, {}, "worth of a window, relative", {"preset": preset}, stopped, findings=tuple(findings))


def window(centre: tuple[float, float], width: float, size: tuple[int, int]) -> Float[Tensor, "h w"]:
    """Draw a Gaussian window whose highest pixel is 1.

    Args:
        centre: down and across, as shares of the sides.
        width: standard deviation, as a share of the sides.
        size: of the picture, pixels.

    Example:
        >>> window((0.5, 0.5), 0.1, (3, 3)).argmax().item()
        4
    """
    down, across = (
        torch.exp(-(((torch.linspace(0, 1, side) - middle) / width) ** 2) / 2)
        for side, middle in zip(size, centre, strict=True)
    )
    return torch.outer(down / down.max(), across / across.max())


class _EnoughError(Exception):
    """Ends a search that may ask no more; DIRECT itself goes on to the end of its round."""


@dataclass(eq=False)
class _Search:
    """One search for the best centre of windows of one width."""

    probe: Probe
    weights: Float[Tensor, " k"]
    width: float
    limit: int
    number: int
    total: Float[Tensor, "h w"] = field(init=False)
    asked: int = 0

    def __post_init__(self) -> None:
        self.total = torch.zeros(self.probe.size, dtype=torch.float64, device=self.weights.device)

    def run(self, minimise: Callable[..., object]) -> str | None:
        """Search until the limit; say why if time was up before."""
        try:
            minimise(self._worth, [(0, 1), (0, 1)], eps=0.1, maxfun=2 * self.limit, locally_biased=False)
        except _EnoughError:
            return "seconds" if self.asked < self.limit else None
        return None

    def _worth(self, centre: Float[np.ndarray, "2"]) -> float:
        """Ask about one window, inside and outside, and say how little it is worth."""
        if self.asked == self.limit or (self.asked >= _FEWEST and self.probe.why_stop()):
            raise _EnoughError
        inside = window((float(centre[0]), float(centre[1])), self.width, self.probe.size).to(self.weights.device)
        which = torch.tensor([2 * self.asked, 2 * self.asked + 1], device=inside.device)
        answers = self.probe(torch.stack([inside, 1 - inside]), derive(self.probe.seed, which, which * 0 + self.number))
        worth = float((answers[0] - answers[1]) @ self.weights)
        self.total += worth * inside
        self.asked += 1
        return -worth


def _direct() -> Any:  # noqa: ANN401 - scipy has no types
    """The optimiser."""
    try:
        from scipy.optimize import direct  # noqa: PLC0415 - an extra
    except ImportError:
        raise RequestError(
            "expected the package scipy for aise, got none installed; run: pip install 'seewhy[search]'"
        ) from None
    return direct
