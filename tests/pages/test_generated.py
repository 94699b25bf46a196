"""The card of the report with the input and the generated images."""

from collections.abc import Callable
from dataclasses import replace

import records
from markup import Page
from seewhy.pages._environment import render
from seewhy.pages.report import report_html
from seewhy.results.record import ClassProbability, Record
from seewhy.results.report_data import ImagePanel, ReportData

DataMaker = Callable[..., ReportData]


def _images(*names: str) -> tuple[ImagePanel, ...]:
    """The input and some generated images, each of its own brightness."""
    probabilities = (ClassProbability(7, "espresso", 0.5), ClassProbability(8, "cup", 0.25))
    pixels = records.photo(24, 24)
    return tuple(
        ImagePanel(name, pixels // place, probabilities[0], None if place == 1 else False, probabilities)
        for place, name in enumerate(("input", *names), 1)
    )


def _card(data: ReportData) -> str:
    """Return the card alone."""
    return render("_generated.html", data=data)


def test_nothing_to_compare_is_no_card(make_data: DataMaker) -> None:
    """No empty heading, and no elements for the script to fail on."""
    for images in ((), _images()):
        html = report_html(make_data(images=images))
        assert "Generated images" not in html
        assert 'id="swap"' not in html


def test_the_report_shows_the_generated_images(counterfactual: Record) -> None:
    """Each with the class that it is given and how that compares with the input."""
    words = Page(report_html(records.report_data(of=counterfactual))).words
    assert "Generated images" in words
    assert "Counterfactual now cup, p = 0.900" in words
    assert "Stable image still espresso, p = 0.650" in words


def test_each_image_stands_in_the_page_itself(make_data: DataMaker) -> None:
    """A figure and a row each, so that it can be read without scripts; the script finds them by name."""
    page = Page(_card(make_data(images=_images("adversarial", "stable"))))
    names = ["input", "adversarial", "stable"]
    assert [figure["data-image"] for figure in page.of("figure")] == names
    assert [row["data-image"] for row in page.of("tr") if "data-image" in row] == names
    assert [image["alt"] for image in page.of("img") if "src" in image] == ["Input", "Counterfactual", "Stable image"]
    slider, *_ = (each for each in page.of("input") if each["type"] == "range")
    assert slider["aria-label"]
    assert "0.500 0.250 Counterfactual" in page.words


def test_the_first_is_compared_and_others_can_be_chosen(make_data: DataMaker) -> None:
    """Radio buttons where there are several, none for one."""
    page = Page(_card(make_data(images=_images("reference", "x"))))
    radios = [each for each in page.of("input") if each["type"] == "radio"]
    assert [(each["value"], "checked" in each) for each in radios] == [("reference", True), ("x", False)]
    assert "radio" not in _card(make_data(images=_images("reference")))


def test_small_images_have_square_pixels(make_data: DataMaker) -> None:
    """Up to 160 pixels per side; larger ones are smooth."""
    small = _images("stable")
    assert "pixelated" in _card(make_data(images=small))
    large = tuple(replace(each, pixels=records.photo(100, 161)) for each in small)
    assert "pixelated" not in _card(make_data(images=large))
    assert f"--aspect:{161 / 100:.6g}" in _card(make_data(images=large))


def test_hostile_names_are_text(make_data: DataMaker) -> None:
    """A method's names and a classifier's labels are escaped wherever they stand."""
    hostile = '"><script>alert(1)</script>'
    first, second = _images(hostile)
    label = replace(second.answer, label=hostile)
    changed = replace(second, answer=label, probabilities=(label, second.probabilities[1]))
    headed = replace(first, probabilities=changed.probabilities)
    page = Page(_card(make_data(images=(headed, changed))))
    assert not page.of("script")
    assert [figure["data-image"] for figure in page.of("figure")] == ["input", hostile]
    assert page.words.count("<script>alert(1)</script>") >= 4
