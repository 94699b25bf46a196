"""Outlines: the border of a region, drawn where it lies, in the overview and in the report."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image
from seewhy.draw.outline import COLOURS, borders, draw_outlines
from seewhy.draw.overview import overview_png
from seewhy.draw.scene import Scene

from seewhy.core.view import View


def test_borders_enclose_the_region() -> None:
    """Their pieces are as long in all as there are pixel sides between inside and outside."""
    where = np.random.default_rng(0).random((9, 7)) < 0.5
    padded = np.pad(where, 1)
    sides = (padded[1:] != padded[:-1]).sum() + (padded[:, 1:] != padded[:, :-1]).sum()
    assert sum(bottom - top + right - left for top, left, bottom, right in borders(where)) == sides
    assert borders(np.zeros((3, 3), dtype=bool)) == []


def test_a_line_runs_where_the_region_ends() -> None:
    """Its colour is on the border, the inside is as before, and nothing is drawn without a region."""
    photo = np.full((80, 80, 3), 128, np.uint8)
    frame = View((8, 8)).frame(80, 80)
    where = np.zeros((8, 8), dtype=bool)
    where[3:7, 3:7] = True
    drawn = draw_outlines(photo, frame, {"needed": where})
    assert tuple(drawn[50, 30]) == COLOURS[0]
    assert tuple(drawn[50, 50]) == (128, 128, 128)
    assert draw_outlines(photo, frame, {}) is photo
    assert np.array_equal(draw_outlines(photo, frame, {"none": where & ~where}), photo)


def test_pages_show_outlines(make_scene: Callable[..., Scene]) -> None:
    """The overview differs by the lines alone."""
    plain = make_scene()
    where = np.zeros(plain.frame.size, dtype=bool)
    where[6:12, 6:18] = True
    panels = (replace(plain.panels[0], outlines={"sufficient": where}), *plain.panels[1:])
    outlined = replace(plain, panels=panels)
    assert overview_png(plain) != overview_png(outlined)
    with Image.open(__import__("io").BytesIO(overview_png(outlined))) as image:
        assert image.size[0] > 0
