"""From a value to a colour: scales that end at a round number and whose zero is transparent.

Each map has a scale of its own: evidence for a confident class is often a hundred times smaller than for an unlikely one,
and on a shared scale the map that matters most would be blank. Limits are taken from a fixed ladder (1, 2, 5, 10, …), so
that maps of similar strength have the same scale, within an image and across images.

A scale is a table of 256 colours, the same one for the overview and for the report. Its first entry is for "no value";
the other 255 are spread evenly from the lowest to the highest value, so that the zero of a signed scale has an entry of
its own, the middle one.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, UInt8
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator

from seewhy.core.attribution import SHARE
from seewhy.results.report_data import INTENSITY, MapPanel

GROUND = (234, 234, 232)
"""What a colour bar is painted on: the tone of a greyed photo, so that bar and map look alike."""

_NAMES = {"nats": "evidence", INTENSITY: "change", SHARE: "missing"}
_STEPS = 254
_STRONGEST = 0.9

Rgba = UInt8[np.ndarray, "*shape 4"]


@dataclass(frozen=True)
class Scale:
    """A colour scale with its limits; zero is in the middle of one that is diverging, and ``low == -high``.

    Example:
        >>> Scale("evidence", "nats", -2.0, 2.0, diverging=True).levels(np.array([-2.0, 0.0, 2.0, np.nan])).tolist()
        [1, 128, 255, 0]
    """

    name: str
    unit: str
    low: float
    high: float
    diverging: bool

    def levels(self, values: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
        """Return the entry of the colour table for each value: 0 for NaN, that of the limit for what lies beyond it."""
        share = np.clip((values - self.low) / (self.high - self.low), 0, 1)
        # Half up rather than half to even, as the report's script does.
        levels = np.where(np.isnan(share), 0, 1 + np.floor(_STEPS * share + 0.5))
        return levels.astype(np.uint8)

    def paint(self, values: Float[np.ndarray, "*shape"]) -> Rgba:
        """Return the colour of each value, red, green, blue and opacity, 0 … 255."""
        painted: Rgba = self.colours[self.levels(values)]
        return painted

    @property
    def colours(self) -> UInt8[np.ndarray, "256 4"]:
        """The colour table."""
        return _diverging() if self.diverging else _sequential()

    def bar(self, steps: int) -> UInt8[np.ndarray, "steps 3"]:
        """Return the colours of a bar from low to high, as they look on a greyed photo."""
        painted = self.paint(np.linspace(self.low, self.high, steps)).astype(np.float32)
        opacity = painted[:, 3:] / 255
        blend = painted[:, :3] * opacity + np.array(GROUND, np.float32) * (1 - opacity)
        return np.rint(blend).astype(np.uint8)

    def ticks(self, count: int = 6) -> list[tuple[float, str]]:
        """Return round values for a colour bar with about `count` intervals, each with its label.

        Example:
            >>> [text for _, text in Scale("evidence", "nats", -2.3, 2.3, diverging=True).ticks()]
            ['−2', '−1', '0', '+1', '+2']
        """
        found = MaxNLocator(count, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
        inside = [float(value) for value in found if self.low - 1e-12 <= value <= self.high + 1e-12]
        return [(value, signed(value) if self.diverging else _plain(value)) for value in inside]

    @property
    def ends(self) -> tuple[str, str] | None:
        """What the two ends of a signed scale mean; None for a scale without a sign."""
        if not self.diverging:
            return None
        return ("brightened", "darkened") if self.unit == INTENSITY else ("opposes", "supports")

    @property
    def statement(self) -> str:
        """Where the scale ends."""
        if self.diverging:
            return f"scale ±{_plain(self.high)} {self.unit}".rstrip()
        return f"scale {_plain(self.low)} to {_plain(self.high)} {self.unit}".rstrip()


def scale_of(panel: MapPanel) -> Scale:
    """Return the scale of a map, which depends on that map alone."""
    finite = panel.values[np.isfinite(panel.values)]
    information = panel.key == "information"
    low, high = _limits(finite, diverging=panel.diverging, from_zero=information or panel.unit in {INTENSITY, SHARE})
    name = "information" if information else _NAMES.get(panel.unit, "attribution")
    return Scale(name, panel.unit, low, high, panel.diverging)


def signed(value: float) -> str:
    """Write a value with its sign, a true minus, and no sign at zero.

    Example:
        >>> signed(-0.5), signed(0.0), signed(1.25)
        ('−0.5', '0', '+1.25')
    """
    rounded = float(f"{value:.3g}")
    return _plain(rounded) if rounded <= 0 else f"+{_plain(rounded)}"


def _plain(value: float) -> str:
    """Three digits and a true minus; a rounding error around zero is zero."""
    return "0" if abs(value) < 1e-12 else f"{value:.3g}".replace("-", "−")


def round_up(value: float) -> float:
    """Return the next number of the ladder …, 1, 2, 5, 10, 20, 50, …; 1 for zero.

    Example:
        >>> round_up(0.031), round_up(2.0), round_up(0.0)
        (0.05, 2.0, 1.0)
    """
    if value < 1e-30:  # below the smallest normal float32 a division by the limit would overflow
        return 1.0
    power = math.floor(math.log10(value))
    steps = (float(f"{digit}e{power}") for digit in (1, 2, 5, 10))
    return next(step for step in steps if step >= value * (1 - 1e-6))


def _limits(finite: Float32[np.ndarray, " n"], *, diverging: bool, from_zero: bool) -> tuple[float, float]:
    """Where a scale ends; a map that is zero everywhere gets 1, so that zero stays transparent."""
    if diverging:
        limit = round_up(float(np.abs(finite).max(initial=0)))
        return -limit, limit
    if from_zero or not finite.size:
        return 0.0, round_up(float(finite.max(initial=0)))
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high - low > 1e-30 else (min(low, 0.0), max(high, 0.0) or 1.0)


def _with_opacity(rgb: Float[np.ndarray, "255 3"], opacity: Float[np.ndarray, " 255"]) -> UInt8[np.ndarray, "256 4"]:
    """Join colours and opacities into a table; entry 0, no value, is transparent."""
    table = np.zeros((256, 4))
    table[1:, :3] = rgb
    table[1:, 3] = _STRONGEST * opacity
    return np.rint(table * 255).astype(np.uint8)


def _sequential() -> UInt8[np.ndarray, "256 4"]:
    """Viridis from its light end: perceptually uniform, and no hue of the signed scale."""
    share = np.linspace(0, 1, 255)
    return _with_opacity(colormaps["viridis_r"](share)[:, :3], share)


def _diverging() -> UInt8[np.ndarray, "256 4"]:
    """Red for, blue against (told apart by colour-blind readers too), nothing at zero."""
    share = np.linspace(-1, 1, 255)
    # The palest colours of the map are left out: opacity already fades them, and both together would look like fog.
    place = 0.5 + np.sign(share) * (0.17 + 0.3 * np.abs(share))
    return _with_opacity(colormaps["RdBu_r"](place)[:, :3], np.abs(share) ** 0.75)
