"""One page for several in-fills, whatever their number and the picture's shape."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from jaxtyping import UInt8
from PIL import Image
from seewhy.draw.comparison import Section, comparison_png
from seewhy.draw.scene import Scene

SceneMaker = Callable[..., Scene]


def section(scene: Scene, count: int) -> Section:
    """The second panel of a scene, as if several in-fills had given it."""
    panel = replace(scene.panels[1], subtitle="")
    panels = tuple(replace(panel, title=f"{place} blur:sigma={place}0.123") for place in range(1, count + 1))
    table = [[1.0 if row == column else -0.25 for column in range(count)] for row in range(count)]
    nothing = np.zeros(scene.frame.size, bool)
    spread = np.abs(panel.values)
    return Section("espresso: 0.5", "The in-fills agree in part.", panels, spread, nothing, table, [None] * count)


def page(scene: Scene, *sections: Section) -> UInt8[np.ndarray, "height width 3"]:
    """The drawn page as an array."""
    png = comparison_png(scene.picture, scene.frame, sections, scene.manifest)
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize("count", range(2, 9))
@pytest.mark.parametrize(("height", "width"), [(60, 80), (40, 240), (240, 40)])
def test_nothing_is_cut_off(make_scene: SceneMaker, count: int, height: int, width: int) -> None:
    """Two to eight in-fills on any shape: the margins stay white, and the page keeps a sensible size."""
    scene = make_scene(height, width)
    drawn = page(scene, section(scene, count), section(scene, count))
    assert (drawn[:, :40] == 255).all()
    assert (drawn[:, -40:] == 255).all()
    assert (drawn[:40] == 255).all()
    assert (drawn[-40:] == 255).all()
    assert 1100 <= drawn.shape[1] <= 4200
    assert drawn.shape[0] <= 5200


def test_the_same_page_twice(make_scene: SceneMaker) -> None:
    """The bytes depend on what is shown and on nothing else."""
    scene = make_scene()
    assert (page(scene, section(scene, 3)) == page(scene, section(scene, 3))).all()


def test_conflicts_are_hatched(make_scene: SceneMaker) -> None:
    """Where signs differ there is ink that is not there without a conflict."""
    scene = make_scene()
    plain = section(scene, 2)
    conflict = np.zeros(scene.frame.size, bool)
    conflict[8:16, 8:16] = True
    with_one, without = page(scene, replace(plain, conflict=conflict)), page(scene, plain)
    ink = [(drawn == (28, 30, 33)).all(2).sum() for drawn in (with_one, without)]
    assert ink[0] > ink[1] + 100


def test_a_very_long_name_and_missing_numbers_are_drawn(make_scene: SceneMaker) -> None:
    """Names are shortened; a correlation that is not known is a dash."""
    scene = make_scene()
    named = section(scene, 2)
    panels = tuple(replace(panel, title=f"{panel.title} of a very long name" * 9) for panel in named.panels)
    drawn = page(scene, replace(named, panels=panels, correlations=[[1.0, None], [None, 1.0]]))
    assert (drawn[:, -40:] == 255).all()
