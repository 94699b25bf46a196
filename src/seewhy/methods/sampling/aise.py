"""AISE: optimised Gaussian windows (Adaptive Input Sampling for Explanation, OpenVINO XAI 1.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution, Map, as_map
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive
from seewhy.core.target import Target, weight_matrix
from seewhy.methods._shared import allow, stop_reason
from seewhy.methods.sampling._segments import window

Preset = Literal["speed", "balance", "quality"]

PRESETS: dict[Preset, tuple[int, tuple[float, ...]]] = {
    "speed": (20, (0.1, 0.175, 0.25)),
    "balance": (50, (0.1, 0.175, 0.25)),
    "quality": (50, (0.075, 0.11875, 0.1625, 0.20625, 0.25)),
}
"""Per preset: windows tried per width, and the widths (standard deviations as fractions of the image's sides)."""

_FEWEST = 5
"""Minimum windows per search: DIRECT first evaluates the centre and its four neighbours."""


def aise(probe: Probe, targets: Sequence[Target], *, preset: Preset = "balance") -> Attribution:
    """Search for Gaussian windows that score high when shown alone and low when removed.

    The score of a window G centred at c is ``f(x G) - f(x (1 - G))``, with the in-fill in place of what is removed.
    For each width, DIRECT (Jones, Perttunen, Stuckman, Journal of Optimization Theory and Applications, 1993)
    searches for the best centre: it divides the image into ever smaller rectangles, the most promising first. The map
    of a width is the sum of all tried windows, each multiplied by its score, divided by the sum's maximum if that is
    positive. The final map is the mean over the widths.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together.
        targets: classes and contrasts; each has its own search.
        preset: ``speed`` (20 windows for each of 3 widths), ``balance`` (50 for each of 3) or ``quality`` (50 for
            each of 5), as in OpenVINO XAI.

    Returns:
        Relative maps with values of at most 1. Values are negative where windows score lower alone than removed. If
        that holds for all windows, a finding warns that the map is unreliable: the least sampled area then ranks
        highest. There are no standard errors, because each window depends on the earlier answers.

    Raises:
        RequestError: the budget is too small for 5 windows of each width.

    Cost: ``1 + 2 x windows x widths`` queries per target: 121, 301 or 501.
    """
    windows, widths = PRESETS[preset]
    searches = 2 * len(targets) * len(widths)
    allowed = allow(probe, searches * windows, fewest=searches * _FEWEST, hint="fewer targets", multiple=searches)
    limit = allowed // searches
    values: dict[str, Map] = {}
    findings = []
    early = None
    for number, (target, column) in enumerate(zip(targets, weight_matrix(targets, probe.prediction).T, strict=True)):
        total = torch.zeros(probe.size, dtype=torch.float64, device=column.device)
        for place, width in enumerate(widths):
            search = _Search(probe, column, width, limit, number * len(widths) + place, torch.zeros_like(total))
            early = search.run() or early
            total += search.total / top if (top := search.total.max()) > 0 else search.total
        if total.max() <= 0 > total.min():
            findings.append(
                f"No tested window scores higher shown alone than removed for {target.key}: do not interpret its map."
            )
        values[target.key] = as_map(total / len(widths))
    stopped = stop_reason(early, limit, windows)
    return Attribution(values, {}, "window score, relative", {"preset": preset}, stopped, findings=tuple(findings))


class _LimitError(Exception):
    """Raised to end a search at its limit; DIRECT itself would continue to the end of its iteration."""


@dataclass(eq=False)
class _Search:
    """A search for the best centre of windows of one width, for one target."""

    probe: Probe
    weights: Float[Tensor, " k"]
    width: float
    limit: int
    number: int
    total: Float[Tensor, "h w"]
    tried: int = 0

    def run(self) -> str | None:
        """Search until the limit is reached; return ``"seconds"`` if the time budget ran out first, else None."""
        from scipy.optimize import direct  # noqa: PLC0415 - takes a second to import

        try:
            direct(self._negative_score, [(0, 1), (0, 1)], eps=0.1, maxfun=2 * self.limit, locally_biased=False)
        except _LimitError:
            return "seconds" if self.tried < self.limit else None
        return None

    def _negative_score(self, centre: Float[np.ndarray, "2"]) -> float:
        """Query one window, shown alone and removed, and return its negative score for the minimiser."""
        if self.tried == self.limit or (self.tried >= _FEWEST and self.probe.why_stop()):
            raise _LimitError
        inside = window((float(centre[0]), float(centre[1])), self.width, self.probe.size).to(self.weights.device)
        which = torch.tensor([2 * self.tried, 2 * self.tried + 1], device=inside.device)
        answers = self.probe(torch.stack([inside, 1 - inside]), derive(self.probe.seed, which, which * 0 + self.number))
        score = float((answers[0] - answers[1]) @ self.weights)
        self.total += score * inside
        self.tried += 1
        return -score
