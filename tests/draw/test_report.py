"""One file, opened from disk, that a reader can check the map with."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from seewhy.draw.embed import unpack
from seewhy.draw.report import report_html
from seewhy.draw.scene import Exhibits, Scene

from seewhy.core.view import Frame
from seewhy.plots.scales import scales_of

SceneMaker = Callable[..., Scene]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'<!--"


class _Page(HTMLParser):
    """Lists the elements of a page, with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))

    def count(self, tag: str) -> int:
        """How many elements of a kind there are."""
        return sum(name == tag for name, _ in self.elements)


def _data(html: str) -> dict[str, Any]:
    """What the page's script is given."""
    found = re.search(r'<script type="application/json" id="seewhy-data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def test_the_report_refers_to_nothing_outside_itself(make_scene: SceneMaker) -> None:
    """No host, no file: every source is a data URI, and the page forbids anything else."""
    html = report_html(make_scene())
    assert not re.search(r"https?:|url\(|@import|//[a-z]+\.", html)
    for _, attributes in _Page(html).elements:
        for name in ("src", "href", "srcset", "action", "data"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in html


def test_names_are_text_and_never_markup(make_scene: SceneMaker) -> None:
    """A hostile class, file, method or warning adds no element to the page and is shown as it is written."""
    plain = make_scene()
    panel = replace(plain.panels[1], title=HOSTILE, subtitle=HOSTILE, key=f"class:{HOSTILE}", unit=HOSTILE)
    assert plain.exhibits is not None
    manifest = {
        **plain.manifest,
        "image": {"name": HOSTILE, "notes": [HOSTILE]},
        "predicted": [{"label": HOSTILE, "probability": 0.5}, {"label": "cup", "probability": 0.1}],
        "method": {"spec": HOSTILE, HOSTILE: HOSTILE},
        "command": HOSTILE,
        "warnings": [HOSTILE],
        HOSTILE: HOSTILE,
    }
    exhibits = replace(plain.exhibits, labels=(HOSTILE, "cup"))
    panels = (plain.panels[0], panel, *plain.panels[2:])
    html = report_html(make_scene(panels=panels, manifest=manifest, exhibits=exhibits))
    page = _Page(html)
    assert page.count("script") == 2
    assert page.count("img") == _Page(report_html(plain)).count("img")
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert _data(html)["panels"][1]["title"] == HOSTILE


def test_the_maps_travel_as_numbers(make_scene: SceneMaker) -> None:
    """Values and errors come back within a thousandth, with the colours of the overview."""
    scene = make_scene()
    data = _data(report_html(scene))
    for sent, panel in zip(data["panels"], scene.panels, strict=True):
        back = unpack(sent["values"], scene.frame.size)
        assert np.abs(back - panel.values).max() <= 1e-3 * np.abs(panel.values).max()
        assert (sent["stderr"] is None) == (panel.stderr is None)
        scale = scales_of(scene.panels)[panel.key]
        colours = unpack({"dtype": "float16", "data": data["scales"][sent["scale"]]["colours"]}, (256, 2))
        assert colours.astype("<f2").tobytes() == scale.colours.view("<f2").astype(np.float32).astype("<f2").tobytes()
        assert (data["scales"][sent["scale"]]["low"], data["scales"][sent["scale"]]["high"]) == (scale.low, scale.high)


def test_everything_known_is_said(make_scene: SceneMaker) -> None:
    """Warning, note, prediction, recipe, command and the way to read the map are in the static page."""
    html = report_html(make_scene())
    for text in (
        "the photo is dark",
        "turned upright",
        "What made the classifier say “espresso”?",
        "tiny-net",
        "1,234 queries",
        "seewhy explain photo.jpg --seed 3",
        "twice as likely with this patch as without it",
        "two standard errors",
        "scale ±",
    ):
        assert text in html


@pytest.mark.parametrize(
    "manifest", [{}, {"image": None, "predicted": "?", "queries": [1], "seconds": "?", "method": 3}]
)
def test_an_empty_or_odd_manifest_is_enough(make_scene: SceneMaker, manifest: dict[str, object]) -> None:
    """What is absent or of another kind is left out, and the page stands."""
    assert "What did the classifier look at?" in report_html(make_scene(manifest=manifest))


def test_without_windows_or_errors_their_parts_are_left_out(make_scene: SceneMaker) -> None:
    """No exhibits, no card for them; no errors, and the page says that there are none."""
    scene = make_scene(exhibits=None)
    panels = tuple(replace(panel, stderr=None) for panel in scene.panels)
    html = report_html(make_scene(exhibits=None, panels=panels))
    assert 'id="sprite"' not in html
    assert _data(html)["exhibits"] is None
    assert "no error bars" in html


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_empty_maps_make_a_page(make_scene: SceneMaker, fill: float) -> None:
    """All zero or all unknown: valid JSON, sensible limits, no warning."""
    values = np.full((24, 24), fill, np.float32)
    panels = tuple(replace(panel, values=values) for panel in make_scene().panels)
    data = _data(report_html(make_scene(panels=panels)))
    assert all(scale["high"] > scale["low"] for scale in data["scales"])


def test_the_way_to_read_follows_the_unit(make_scene: SceneMaker) -> None:
    """Nats are explained as likelihoods; another unit is not."""
    panel = replace(make_scene().panels[1], unit="logit")
    html = report_html(make_scene(panels=(panel,)))
    assert "twice as likely" not in html.split("<noscript>")[1]
    assert "in logit" in html


def test_every_map_has_a_labelled_radio_button(make_scene: SceneMaker) -> None:
    """The switcher is native: arrow keys and screen readers work; the first map is chosen."""
    radios = [a for tag, a in _Page(report_html(make_scene())).elements if tag == "input" and a.get("type") == "radio"]
    assert [radio["value"] for radio in radios] == ["information", "class:7", "class:8", "contrast:7/8"]
    assert ["checked" in radio for radio in radios] == [True, False, False, False]


def test_the_report_is_deterministic(make_scene: SceneMaker) -> None:
    """The same scene gives the same page."""
    assert report_html(make_scene()) == report_html(make_scene())


def test_a_usual_report_is_small(make_scene: SceneMaker) -> None:
    """224 × 224, four maps with errors, 784 windows with four samples of a photo's detail: under three megabytes."""
    rng = np.random.default_rng(0)
    small = make_scene()
    values = rng.normal(size=(224, 224)).astype(np.float32)
    panels = tuple(replace(panel, values=values, stderr=np.abs(values)) for panel in small.panels)
    positions = np.array([(8 * row, 8 * column) for row in range(28) for column in range(28)])
    # Noise of four bits: about as much as a sharp photo holds.
    patches = rng.integers(100, 116, (784, 4, 8, 8, 3), dtype=np.uint8)
    said, base = rng.uniform(size=(784, 4, 3)), np.array([0.5, 0.2, 0.1])
    exhibits = Exhibits(8, positions, patches, patches[:, 0], said, ("a", "b", "c"), base)
    picture = np.asarray(np.repeat(np.arange(224, dtype=np.uint8)[:, None, None], 224, 1).repeat(3, 2))
    frame = Frame((0.0, 0.0, 224.0, 224.0), (224, 224), (224, 224))
    assert len(report_html(Scene(picture, frame, panels, small.manifest, exhibits))) < 3_000_000
