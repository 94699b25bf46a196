"""One image that answers at a glance, whatever the picture's shape."""

import io
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from seewhy.draw.overview import overview_image, overview_png
from seewhy.draw.page import resize, shorten, typeface
from seewhy.draw.scene import Panel, Scene

from seewhy.core.errors import RequestError

SceneMaker = Callable[..., Scene]


def test_the_same_scene_gives_the_same_bytes(make_scene: SceneMaker) -> None:
    """No date, no random order: an overview can be compared byte by byte."""
    png = overview_png(make_scene())
    assert png == overview_png(make_scene())
    assert Image.open(io.BytesIO(png)).format == "PNG"


@pytest.mark.parametrize(("height", "width"), [(60, 80), (120, 60), (40, 240), (30, 600), (600, 30), (28, 28)])
def test_any_shape_fits_on_a_page(make_scene: SceneMaker, height: int, width: int) -> None:
    """Landscape, portrait, panorama: wide enough to read, not longer than a screenful or two."""
    page = overview_image(make_scene(height, width))
    assert 1100 <= page.width <= 3600
    assert 400 <= page.height <= 2600


@pytest.mark.parametrize("count", range(1, 9))
def test_one_to_eight_maps_wrap_into_rows(make_scene: SceneMaker, count: int) -> None:
    """However many maps, the page keeps about its shape and every map is coloured."""
    panel = make_scene().panels[1]
    panels = tuple(replace(panel, key=f"class:{place}") for place in range(count))
    page = overview_image(make_scene(panels=panels))
    assert 0.5 < page.width / page.height < 4


def test_hostile_and_long_names_are_drawn(make_scene: SceneMaker) -> None:
    """Dollar signs, line breaks and very long names are text like any other."""
    panel = replace(make_scene().panels[1], title="$x^{$ \n" + "a very long name " * 20, subtitle="\\frac 漢字")
    assert overview_image(make_scene(panels=(panel,))).width >= 1100


def test_names_are_shortened_with_an_ellipsis() -> None:
    """A name that fits stays; a longer one ends in an ellipsis and fits."""
    font = typeface(20)
    assert shorten("cup", font, 500) == "cup"
    cut = shorten("chocolate sauce, chocolate syrup", font, 120)
    assert cut.endswith("…")
    assert font.getlength(cut) <= 120
    assert shorten("cup", font, 1) == "…"


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_empty_maps_are_drawn_without_a_warning(make_scene: SceneMaker, fill: float) -> None:
    """All zero or all unknown: a page with bars from −1 to +1, not an error."""
    values = np.full((24, 24), fill, np.float32)
    panels = tuple(replace(panel, values=values, stderr=None) for panel in make_scene().panels)
    assert overview_png(make_scene(panels=panels))


def test_an_empty_manifest_is_enough(make_scene: SceneMaker) -> None:
    """What is not known is not shown."""
    assert overview_png(make_scene(manifest={}, exhibits=None))


def test_small_pictures_keep_square_pixels() -> None:
    """A picture of a few pixels is enlarged without inventing what lies between them."""
    picture = np.array([[[0] * 3, [255] * 3]], np.uint8)
    assert set(np.unique(resize(picture, 10, 20))) == {0, 255}


def test_a_scene_says_what_does_not_belong_together(make_scene: SceneMaker) -> None:
    """No map, a wrong picture, a wrong map: each is refused with both sizes."""
    scene = make_scene()
    with pytest.raises(RequestError, match="at least one panel"):
        make_scene(panels=())
    with pytest.raises(RequestError, match=r"expected a picture of \(60, 80\), got \(5, 5\)"):
        replace(scene, picture=np.zeros((5, 5, 3), np.uint8))
    wrong = Panel("class:1", "", "", np.zeros((3, 3), np.float32), None, diverging=True, unit="")
    with pytest.raises(RequestError, match=r"expected class:1 to be \(24, 24\), got \(3, 3\)"):
        make_scene(panels=(wrong,))
