"""The picture beside those that belong to the answer."""

from collections.abc import Callable
from html.parser import HTMLParser

import numpy as np
import pytest
from seewhy.draw import words
from seewhy.draw.before_after import before_after
from seewhy.draw.overview import overview_image
from seewhy.draw.page import as_pixels
from seewhy.draw.report import report_html
from seewhy.draw.scene import Plate, Scene

from seewhy.core.view import Frame
from seewhy.plots.overlay import lay_in

SceneMaker = Callable[..., Scene]


def plates(*names: str) -> tuple[Plate, ...]:
    """The picture as the classifier sees it, and others: even gray, brighter and brighter."""
    return tuple(
        Plate(name, np.full((24, 24, 3), 40 * place, np.uint8), f"it is {name}", (("espresso", 0.5), ("cup", 0.25)))
        for place, name in enumerate(("input", *names))
    )


class _Elements(HTMLParser):
    """Lists the elements of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.found.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """Those of a kind."""
        return [attributes for name, attributes in self.found if name == tag]


def test_nothing_to_compare_is_no_card(make_scene: SceneMaker) -> None:
    """No empty heading, and no script for it to fail in."""
    assert before_after(()) == ""
    assert "Before and after" not in report_html(make_scene())


def test_each_picture_stands_in_the_page_itself() -> None:
    """A figure and a row each, so that it can be read without scripts; the script finds them by name."""
    page = _Elements(before_after(plates("adversarial", "stable")))
    names = ["input", "adversarial", "stable"]
    assert [figure["data-plate"] for figure in page.of("figure")] == names
    assert [row["data-plate"] for row in page.of("tr") if "data-plate" in row] == names
    assert [image["alt"] for image in page.of("img") if "src" in image] == ["Input", "Counterfactual", "Stable twin"]
    slider, *_ = (each for each in page.of("input") if each["type"] == "range")
    assert slider["aria-label"]


def test_the_first_is_compared_and_others_can_be_chosen() -> None:
    """Radio buttons where there are several, none for one."""
    radios = [each for each in _Elements(before_after(plates("reference", "x"))).of("input") if each["type"] == "radio"]
    assert [(each["value"], "checked" in each) for each in radios] == [("reference", True), ("x", False)]
    assert "radio" not in before_after(plates("reference"))


def test_hostile_names_are_text() -> None:
    """A method's names and a classifier's labels are escaped wherever they stand."""
    hostile = '"><script>alert(1)</script>'
    (first, second) = plates(hostile)
    html = before_after((first, second))
    assert not _Elements(html).of("script")
    assert [figure["data-plate"] for figure in _Elements(html).of("figure")] == ["input", hostile]


@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_overview_has_a_tile_for_each(make_scene: SceneMaker, count: int) -> None:
    """More pictures, another page; the stable twin stands before the others."""
    others = ("adversarial", "stable", "cycle", "more")[:count]
    page = overview_image(make_scene(plates=plates(*others)))
    assert page.tobytes() != overview_image(make_scene()).tobytes()
    assert 0.5 < page.width / page.height < 4


def test_a_companion_lies_where_the_classifier_looked() -> None:
    """Inside the frame its pixels, outside the faded picture."""
    picture = np.zeros((40, 80, 3), np.uint8)
    laid = lay_in(picture, Frame((20.0, 0.0, 60.0, 40.0), (4, 4), (40, 80)), np.full((4, 4, 3), 200, np.uint8))
    assert (laid[10:30, 30:50] == 200).all()
    assert (laid[:, :15] == laid[0, 0]).all()
    assert 100 < laid[0, 0, 0] < 255


def test_pixels_are_rounded_to_the_nearest_level() -> None:
    """Colours first become colours last."""
    image = np.zeros((3, 1, 2))
    image[0, 0, 1], image[2, 0, 0] = 1.0, 0.499
    assert as_pixels(image).tolist() == [[[0, 0, 127], [255, 0, 0]]]


def test_answers_in_words() -> None:
    """Still or now, by the class and not by its name; the manifest may lack it all."""
    said = {"index": 3, "label": "crane", "probability": 0.4}
    assert words.answered(said, 3) == "still crane, p = 0.400"
    assert words.answered(said, 4) == "now crane, p = 0.400"
    assert words.answered(said, None) == "crane, p = 0.400"
    assert words.generated({}) == []
    pictures = [{"name": "stable", "predicted": said}]
    manifest = {"predicted": [{"index": 3}], "generated": {"pictures": pictures}}
    assert words.generated(manifest) == ["Stable twin: still crane, p = 0.400"]
