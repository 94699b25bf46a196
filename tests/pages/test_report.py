"""One file, opened from disk, that a reader can check the maps with."""

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

import records
from markup import Page, unpack
from seewhy.core.view import Frame
from seewhy.pages import report
from seewhy.pages.report import report_html
from seewhy.plots.overview import overview_png
from seewhy.plots.scales import scale_of
from seewhy.results.diagnostics import AgreementLevel, InfillAgreement, SkippedInfill
from seewhy.results.record import ClassProbability, Record
from seewhy.results.report_data import ReportData, SampleTable

DataMaker = Callable[..., ReportData]
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'<!--{{ 7*7 }}"


def _script_data(html: str) -> dict[str, Any]:
    """Return what the page's script is given."""
    found = re.search(r'<script type="application/json" id="seewhy-data">(.*?)</script>', html, re.DOTALL)
    assert found
    data: dict[str, Any] = json.loads(found[1])
    return data


def _hostile(record: Record) -> Record:
    """Replace every text of a record that a user, a method or a classifier may choose."""
    assert record.diagnostics.faithfulness is not None
    check = replace(
        records.INFILL_CHECK,
        skipped=(SkippedInfill(HOSTILE, HOSTILE),),
        targets=(InfillAgreement(HOSTILE, 0.5, 0.9, "agree", (0.5,)),),
    )
    return replace(
        record,
        image=replace(record.image, name=HOSTILE, notes=(HOSTILE,), source=HOSTILE),
        predicted=(ClassProbability(7, HOSTILE, 0.5), ClassProbability(8, "cup", 0.1)),
        method=replace(record.method, spec=HOSTILE, settings={HOSTILE: HOSTILE}, paper=HOSTILE),
        targets=(replace(record.targets[0], label=HOSTILE), *record.targets[1:]),
        diagnostics=replace(
            record.diagnostics,
            faithfulness=replace(record.diagnostics.faithfulness, label=HOSTILE),
            infill_check=check,
            findings=(HOSTILE, HOSTILE),
        ),
        traces={HOSTILE: (1.0,)},
        warnings=(HOSTILE,),
        versions={HOSTILE: HOSTILE},
    )


def test_the_report_refers_to_nothing_outside_itself(make_data: DataMaker, counterfactual: Record) -> None:
    """No host, no file: every source is a data URI, and the page forbids anything else."""
    for html in (report_html(make_data()), report_html(records.report_data(of=counterfactual))):
        assert not re.search(r"https?:|url\(|@import|//[a-z]+\.", html)
        for _, attributes in Page(html).elements:
            for name in ("src", "href", "srcset", "action", "data"):
                assert (attributes.get(name) or "data:").startswith("data:")
        assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'" in html


def test_without_scripts_there_is_the_overview(make_data: DataMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real one, as an image of at most 1400 pixels."""
    monkeypatch.setattr(report, "overview_png", overview_png)
    html = report_html(make_data())
    (image,) = (each for each in Page(html.split("<noscript>")[1].split("</noscript>")[0]).of("img"))
    assert image["alt"]
    shown = Image.open(io.BytesIO(base64.b64decode((image["src"] or "").partition(",")[2])))
    with Image.open(io.BytesIO(overview_png(make_data()))) as drawn:
        assert abs(shown.width / shown.height - drawn.width / drawn.height) < 0.01
    assert 600 < max(shown.size) <= 1400


def test_names_are_text_and_never_markup(make_data: DataMaker, record: Record) -> None:
    """A hostile class, file, method, finding or warning adds no element to the page and is shown as it is written."""
    plain = make_data()
    panel = replace(plain.maps[1], title=HOSTILE, subtitle=HOSTILE, key=f"class:{HOSTILE}", unit=HOSTILE)
    assert plain.samples is not None
    samples = replace(plain.samples, labels=(HOSTILE, "cup"))
    maps = (plain.maps[0], panel, *plain.maps[2:])
    html = report_html(make_data(maps=maps, record=_hostile(record), samples=samples))
    page = Page(html)
    assert len(page.of("script")) == 2
    assert len(page.of("img")) == len(Page(report_html(plain)).of("img"))
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert _script_data(html)["maps"][1]["title"] == HOSTILE
    assert _script_data(html)["samples"]["labels"][0] == HOSTILE
    assert page.words.count(HOSTILE) >= 15
    assert any(label.get("title") == HOSTILE for label in page.of("label"))


def test_the_maps_are_embedded_as_numbers(make_data: DataMaker) -> None:
    """Values and errors come back within a thousandth, with the colours of the overview."""
    data = make_data()
    sent_data = _script_data(report_html(data))
    for sent, panel in zip(sent_data["maps"], data.maps, strict=True):
        back = unpack(sent["values"], data.frame.size)
        assert np.abs(back - panel.values).max() <= 1e-3 * np.abs(panel.values).max()
        assert (sent["stderr"] is None) == (panel.stderr is None)
        scale = scale_of(panel)
        sent_scale = sent_data["scales"][sent["scale"]]
        colours = unpack({"dtype": "float16", "data": sent_scale["colours"]}, (256, 2))
        assert colours.astype("<f2").tobytes() == scale.colours.view("<f2").astype(np.float32).astype("<f2").tobytes()
        assert (sent_scale["low"], sent_scale["high"]) == (scale.low, scale.high)


def test_outlines_are_embedded_as_lines(make_data: DataMaker) -> None:
    """A region comes with its name and size, its colour, and the lines around it."""
    region = np.zeros((24, 24), dtype=bool)
    region[2:5, 3:9] = True
    panel = replace(make_data().maps[1], outlines={"sufficient": region})
    (sent,) = _script_data(report_html(make_data(maps=(panel,))))["maps"][0]["outlines"]
    assert sent["label"].startswith("sufficient 3.1")
    assert sent["colour"].startswith("#")
    assert sorted(sent["lines"]) == sorted([[2, 3, 2, 9], [5, 3, 5, 9], [2, 3, 5, 3], [2, 9, 5, 9]])


def test_everything_known_is_shown(make_data: DataMaker) -> None:
    """Warning, note, prediction, recipe, command and how to read the maps are in the static page."""
    words = Page(report_html(make_data())).words
    for text in (
        "the photo is dark",
        "turned upright",
        "Map reliability: 0.93.",
        "Why did the classifier predict “espresso”?",
        "tiny-net",
        "1,234 queries",
        "seewhy explain photos/photo.jpg --classifier efficientnet-lite0",
        "twice as likely with this patch as without it",
        "two standard errors",
        "scale ±",
    ):
        assert text in words


def test_the_faithfulness_check_is_a_table(make_data: DataMaker, record: Record) -> None:
    """Three rows, with the range of the random regions, under the conclusion; no card where there was no check."""
    words = Page(report_html(make_data())).words
    card = words[words.index("Faithfulness check: espresso") :]
    assert card.startswith(
        "Faithfulness check: espresso The highlighted region is necessary and sufficient. probability"
    )
    assert (
        "highlighted region random regions (95\N{NO-BREAK SPACE}%) centre full image 0.700" not in card
    )  # spaces are plain
    assert "highlighted region random regions (95 %) centre full image 0.700 removed 10 % lower is better 0.125" in card
    assert "0.125 0.600 0.450 to 0.690 0.400 kept 30 % higher is better 0.500 0.200 0.003 to 0.375 0.300" in card
    assert "beats 20 of 20 random regions of the same size when removed, and 20 of 20 when kept. Cost: 45" in card
    unchecked = replace(record, diagnostics=replace(record.diagnostics, faithfulness=None))
    assert "Faithfulness check" not in report_html(make_data(record=unchecked))


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ("agree", "robust"),
        ("in part", "partly robust"),
        ("depends", "depends on the in-fill"),
        ("noisy", "inconclusive"),
        ("flat", "constant map"),
    ],
)
def test_the_infill_check_has_a_row_per_map(
    make_data: DataMaker, record: Record, level: AgreementLevel, text: str
) -> None:
    """Correlation, noise ceiling and conclusion; in-fills that were skipped are named with the reason."""
    targets = (InfillAgreement("class:7", None if level == "flat" else -0.25, 0.95, level, (None,)),)
    check = replace(records.INFILL_CHECK, targets=targets, skipped=(SkippedInfill("donor", "too large"),))
    check = replace(check, queries=1400)
    checked = replace(record, diagnostics=replace(record.diagnostics, infill_check=check))
    words = Page(report_html(make_data(record=checked))).words
    assert f"espresso {'–' if level == 'flat' else '−0.25'} 0.95 {text}" in words
    assert "Cost: 1,400 more queries." in words
    assert "Skipped donor: too large" in words
    assert "In-fill check" not in report_html(make_data())


def test_what_is_unknown_is_left_out(make_data: DataMaker, record: Record) -> None:
    """Without warnings or a command to repeat, their parts are missing and the page stands."""
    bare = replace(record, image=replace(record.image, source=None), warnings=())
    html = report_html(make_data(record=bare))
    assert "Run it again" not in html
    assert "Warning:" not in html


def test_without_windows_or_errors_their_parts_are_left_out(make_data: DataMaker) -> None:
    """No sampled queries, no card for them; no errors, and the page says that there are none."""
    data = make_data(samples=None)
    maps = tuple(replace(panel, stderr=None) for panel in data.maps)
    html = report_html(make_data(samples=None, maps=maps))
    assert 'id="sprite"' not in html
    assert _script_data(html)["samples"] is None
    assert "This method has no standard errors" in html


@pytest.mark.parametrize("fill", [0.0, np.nan])
def test_empty_maps_make_a_page(make_data: DataMaker, fill: float) -> None:
    """All zero or all unknown: valid JSON, sensible limits, no warning."""
    values = np.full((24, 24), fill, np.float32)
    maps = tuple(replace(panel, values=values) for panel in make_data().maps)
    data = _script_data(report_html(make_data(maps=maps)))
    assert all(scale["high"] > scale["low"] for scale in data["scales"])


def test_an_answer_that_is_not_a_number_makes_a_page(make_data: DataMaker) -> None:
    """JSON has no NaN: the script gets null for a probability that a method left open, and a finished explanation is saved."""
    data = make_data()
    assert data.samples is not None
    probabilities = data.samples.probabilities.copy()
    probabilities[0, 0, 0] = np.nan
    html = report_html(make_data(samples=replace(data.samples, probabilities=probabilities)))
    assert _script_data(html)["samples"]["probabilities"][0][0][0] is None


def test_the_way_to_read_follows_the_unit(make_data: DataMaker) -> None:
    """Nats are explained as likelihoods; another unit is not."""
    panel = replace(make_data().maps[1], unit="logit")
    words = Page(report_html(make_data(maps=(panel,)))).words
    assert "twice as likely" not in words
    assert "in logit" in words


def test_every_map_has_a_labelled_radio_button(make_data: DataMaker) -> None:
    """The switcher is native: arrow keys and screen readers work; the first map is chosen."""
    radios = [each for each in Page(report_html(make_data())).of("input") if each.get("type") == "radio"]
    assert [radio["value"] for radio in radios] == ["information", "class:7", "class:8", "contrast:7/8"]
    assert ["checked" in radio for radio in radios] == [True, False, False, False]


def test_every_id_that_the_script_asks_for_is_there(make_data: DataMaker) -> None:
    """The scripts and the templates agree on the names of the elements."""
    html = report_html(make_data())
    page = Page(html)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    asked = set(re.findall(r'\$\("([\w-]+)"\)', html)) | set(re.findall(r"#([\w-]+) canvas", html))
    assert len(asked) > 10
    assert asked <= set(ids)
    assert [button.get("data-copy") for button in page.of("button")] == ["command"]
    assert "command" in ids


def test_the_report_is_deterministic(make_data: DataMaker) -> None:
    """The same data gives the same page."""
    assert report_html(make_data()) == report_html(make_data())


def test_importing_the_package_does_not_load_jinja2() -> None:
    """The template engine is loaded when the first page is made, not before."""
    script = "import sys, seewhy, seewhy.pages.report; print('jinja2' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_a_usual_report_is_small(make_data: DataMaker) -> None:
    """224 × 224, four maps with errors, 784 windows with four samples of a photo's detail: under three megabytes."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(224, 224)).astype(np.float32)
    maps = tuple(replace(panel, values=values, stderr=np.abs(values)) for panel in make_data().maps)
    positions = np.array([(8 * row, 8 * column) for row in range(28) for column in range(28)])
    # Noise of four bits: about as much as a sharp photo holds.
    patches = rng.integers(100, 116, (784, 4, 8, 8, 3), dtype=np.uint8)
    answers, base = rng.uniform(size=(784, 4, 3)), np.array([0.5, 0.2, 0.1])
    samples = SampleTable(8, positions, patches, patches[:, 0], answers, ("a", "b", "c"), base)
    photo = np.asarray(np.repeat(np.arange(224, dtype=np.uint8)[:, None, None], 224, 1).repeat(3, 2))
    frame = Frame((0.0, 0.0, 224.0, 224.0), (224, 224), (224, 224))
    data = ReportData(photo, frame, maps, make_data().record, samples)
    assert len(report_html(data)) < 3_000_000
