"""One page that answers at a glance, whatever the image's shape."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from reading_figures import cut_off, image_axes, image_pixels, overlapping, words
from records import SIZE, counterfactual_record, maps, record, report_data
from seewhy.plots.figures import png, style
from seewhy.plots.overlay import ghost
from seewhy.plots.overview import contact_sheet, map_on_axes, overview_figure, overview_png
from seewhy.plots.scales import scale_of
from seewhy.results.report_data import MapPanel

SHAPES = [(60, 80), (120, 60), (40, 240), (30, 600), (600, 30), (28, 28)]


def test_the_same_data_gives_the_same_bytes() -> None:
    """No date, no random order: an overview can be compared byte by byte, whatever the user's own style."""
    first = overview_png(report_data())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("matplotlib").rcParams, "font.size", 23.0)
        assert overview_png(report_data()) == first
    assert first.startswith(b"\x89PNG")


def test_the_page_says_what_was_asked_and_how_it_was_answered() -> None:
    """The question, the predictions, a title and a scale for each map, how to read them, how they were made."""
    said = words(overview_figure(report_data()))
    for part in (
        "Why did the classifier predict “espresso”?",
        "photo.jpg · espresso 0.700 · cup 0.200",
        "espresso, not cup",
        "Information",
        "opposes",
        "supports",
        "+0.69 nats = twice as likely",
        "tiny-net · pmi:window=8 · in-fill mean · 1,234 queries · 4.25 s · seed 3",
    ):
        assert part in said


def test_each_map_has_axes_and_a_scale_of_its_own() -> None:
    """The photo and four maps; the ends of each scale are printed below its map."""
    figure = overview_figure(report_data())
    assert len(image_axes(figure)) == 5
    bars = [axes for axes in figure.axes if axes not in image_axes(figure)]
    ends = [[label.get_text() for label in axes.get_xticklabels()] for axes in bars]
    assert [(each[0], each[-1]) for each in ends] == [("0", "1"), ("−2", "+2"), ("−0.5", "+0.5"), ("−2", "+2")]


@pytest.mark.parametrize(("height", "width"), SHAPES)
def test_texts_keep_clear_of_each_other_and_of_the_edge(height: int, width: int) -> None:
    """Landscape, portrait, panorama: nothing is cut off, and nothing lies over anything else."""
    figure = overview_figure(report_data(height, width))
    assert cut_off(figure) == []
    assert overlapping(figure) == []


@pytest.mark.parametrize("count", [1, 3, 4, 7])
def test_tiles_stand_in_rows(count: int) -> None:
    """However many maps: tiles have one size, share their tops and lefts, and do not touch."""
    figure = overview_figure(report_data(panels=[replace(maps()[1], key=f"class:{place}") for place in range(count)]))
    boxes = [axes.get_window_extent() for axes in image_axes(figure)]
    assert len(boxes) == count + 1
    assert len({(round(box.width), round(box.height)) for box in boxes}) == 1
    rows, columns = {round(box.y1) for box in boxes}, {round(box.x0) for box in boxes}
    assert len(rows) * len(columns) < 2 * len(boxes)
    assert not any(one.overlaps(other) for one in boxes for other in boxes if one is not other)


def test_long_and_hostile_names_are_text_like_any_other() -> None:
    """Dollar signs, line breaks, characters that the typeface lacks, and names that are far too long."""
    panel = replace(maps()[1], title="$x^{$ \n" + "a very long name " * 20, subtitle="\\frac 漢字 " * 30)
    figure = overview_figure(report_data(panels=[panel]))
    with style():
        assert cut_off(figure) == []
    assert png(figure)
    assert "$x^{$ a very" in figure_titles(figure)


def figure_titles(figure: Figure) -> str:
    """Return the texts of a figure without laying it out."""
    return " ".join(text.get_text() for text in figure.texts)


def test_the_strongest_pixel_has_the_strongest_colour() -> None:
    """Red where the map supports the class, blue where it opposes it, grey where there is nothing."""
    values = np.zeros((SIZE, SIZE), np.float32)
    values[4:8, 4:8], values[16:20, 16:20] = 1.0, -1.0
    panel = MapPanel("class:7", "espresso", "", values, None, diverging=True, unit="nats")
    data = report_data(SIZE, SIZE, panels=[panel])
    tile = image_pixels(overview_figure(replace(data, frame=replace(data.frame, box=(0.0, 0.0, 24.0, 24.0)))), 1)
    step = len(tile) / SIZE
    red, blue, nothing = (tile[round(step * place), round(step * place)].astype(int) for place in (6, 18, 12))
    assert red[0] > red[2] + 60
    assert blue[2] > blue[0] + 60
    assert np.ptp(nothing) == 0


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_empty_maps_are_the_greyed_photo(fill: float) -> None:
    """All zero or all unknown: a page with scales that end at 1, and no colour."""
    values = np.full((SIZE, SIZE), fill, np.float32)
    data = report_data(panels=[replace(maps()[1], values=values, stderr=None)])
    figure = overview_figure(data)
    assert "scale ±1 nats" in words(figure)
    assert np.ptp(image_pixels(figure, 1)[10:-10, 10:-10], axis=2).max() == 0
    assert np.ptp(ghost(data.photo), axis=2).max() == 0


def test_generated_images_stand_before_the_maps() -> None:
    """The stable image first, then the counterfactual, each with the classifier's answer."""
    data = report_data(of=counterfactual_record())
    said = words(overview_figure(data))
    assert said.index("still espresso, p = 0.650") < said.index("now cup, p = 0.900") < said.index("Information")
    assert len(image_axes(overview_figure(data))) == 7


def test_some_maps_can_be_chosen() -> None:
    """In the order in which they are named."""
    figure = overview_figure(report_data(), ["class:8", "information"])
    said = figure_titles(figure)
    assert len(image_axes(figure)) == 3
    assert said.index("cup") < said.index("Information")


def test_a_contact_sheet_needs_no_record() -> None:
    """Title, subtitle and footer are those that are given; a smaller copy of the photo will do."""
    data = report_data()
    sheet = contact_sheet(data.photo[::2, ::2], data.frame, maps()[:2], title="a.jpg", subtitle="cup", footer="seed 1")
    assert [text.get_text() for text in sheet.texts[:2]] == ["a.jpg", "cup"]
    assert sheet.texts[-1].get_text() == "seed 1"
    assert "40 × 30 pixels, input framed" in words(sheet)


def test_a_map_is_drawn_on_the_users_own_axes() -> None:
    """Their coordinates become the pixels of the photo, whatever their shape."""
    data, panel = report_data(), maps()[1]
    axes = Figure().add_subplot()
    map_on_axes(axes, data.photo, data.frame, panel, scale_of(panel))
    assert axes.get_xlim() == (0, 80)
    assert axes.get_ylim() == (60, 0)
    left, bottom = axes.patches[0].get_xy()  # type: ignore[attr-defined]
    assert (left, bottom) == data.frame.box[:2]


def test_what_the_classifier_saw_is_framed() -> None:
    """A line around the view; none where it saw the whole image."""
    framed = overview_figure(report_data())
    assert all(axes.patches for axes in image_axes(framed))
    data = report_data(SIZE, SIZE, of=record(SIZE, SIZE))
    whole = replace(data, frame=replace(data.frame, box=(0.0, 0.0, float(SIZE), float(SIZE))))
    assert not any(axes.patches for axes in image_axes(overview_figure(whole)))
