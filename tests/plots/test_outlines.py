"""Outlines: a line around a region, drawn where it lies, with its name and area."""

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from reading_figures import image_pixels, pixels, words
from records import report_data
from seewhy.core.attribution import BoolMap
from seewhy.core.view import View
from seewhy.plots.figures import DPI, place_axes
from seewhy.plots.outlines import COLOURS, draw_outlines
from seewhy.plots.overview import overview_figure
from seewhy.results.report_data import Photo

FRAME = View((8, 8)).frame(80, 80)


def grey_axes() -> Axes:
    """Axes of 160 × 160 pixels on a page of that size, with a grey photo of 80 × 80."""
    axes = place_axes(Figure(figsize=(80 / 72, 80 / 72), dpi=DPI), 0.0, 0.0, 80.0, 80.0)
    axes.spines[:].set_visible(False)
    axes.imshow(np.full((80, 80, 3), 128, np.uint8), extent=(0, 80, 80, 0))
    return axes


def drawn(region: BoolMap) -> Photo:
    """Draw one region on grey, without its legend."""
    axes = grey_axes()
    draw_outlines(axes, FRAME, {"needed": region})
    if legend := axes.get_legend():
        legend.remove()
    return pixels(axes.figure.figure)


def test_a_line_runs_where_the_region_ends() -> None:
    """Its colour is on the border; inside and outside of the region are as before."""
    region = np.zeros((8, 8), dtype=bool)
    region[3:7, 3:7] = True
    found = drawn(region)
    line = np.round(np.array(to_rgb(COLOURS[0])) * 255)
    for row, column in ((100, 60), (100, 140), (60, 100), (140, 100)):
        assert np.abs(found[row - 1 : row + 2, column - 1 : column + 2] - line).max(-1).min() < 40
    assert (found[100, 100] == 128).all()
    assert (found[20, 20] == 128).all()


def test_the_edge_of_the_view_closes_a_region() -> None:
    """A region that reaches the edge has a line there too; nothing is drawn around no region."""
    found = drawn(np.ones((8, 8), dtype=bool))
    assert (found[80, :6] != 128).any()
    assert (found[80, 20:140] == 128).all()
    assert (drawn(np.zeros((8, 8), dtype=bool)) == 128).all()


def test_the_overview_shows_outlines_with_their_areas() -> None:
    """Name and area stand on the map; the line changes the map and no other one."""
    plain = report_data()
    region = np.zeros(plain.frame.size, dtype=bool)
    region[6:12, 6:18] = True
    maps = (replace(plain.maps[0], outlines={"sufficient": region}), *plain.maps[1:])
    before, after = overview_figure(plain), overview_figure(replace(plain, maps=maps))
    assert "sufficient 12.5 %" in words(after)
    assert (image_pixels(before, 1) != image_pixels(after, 1)).any()
    assert (image_pixels(before, 2) == image_pixels(after, 2)).all()
