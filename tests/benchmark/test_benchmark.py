"""Benchmarks: constructed scores through the table, and small ones from end to end, broken off and taken up again."""

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seewhy
from games import Game, OpenGame, pixel_logits, small_cnn
from seewhy import registry
from seewhy.core.access import Access
from seewhy.core.attribution import Attribution, Map
from seewhy.core.errors import RequestError
from seewhy.core.intervals import bootstrap
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.registry import tables
from seewhy.registry.cost import Cost
from seewhy.registry.rows import Method, Metric
from seewhy.results.benchmark import ScoreRow, difference, flat, summarise


def scored(method: str, values: Sequence[float], metric: str = "m", **more: Any) -> list[ScoreRow]:
    """One row a picture."""
    return [ScoreRow(f"{n}.png", method, metric, value, "higher", **more) for n, value in enumerate(values)]


def test_means_and_paired_differences() -> None:
    """Over the pictures that both have a score for; the same bootstrap as of the gaps themselves."""
    one, two = [0.1, 0.4, math.nan, 0.8], [0.3, 0.5, 0.9, math.nan]
    rows = [*scored("one", one, forward_images=10), *scored("two", two, forward_images=4, backward_images=3)]
    first, second = summarise(rows, "one", ["two"])
    assert (first.images, second.images, second.pairs) == (3, 3, 2)
    assert first.mean.value == pytest.approx(1.3 / 3)
    assert first.difference is None
    gaps = bootstrap(np.array([[0.2], [0.1]]), lambda means: means[..., 0])
    assert second.difference is not None
    assert astuple(second.difference) == pytest.approx(astuple(gaps))
    assert (first.cost, second.cost) == (10, 10)
    assert (first.control, second.control) == (False, True)


def test_a_method_without_any_score_has_a_line_without_numbers() -> None:
    """NaN in the table, nothing in the file; rows without a metric are not scores."""
    rows = [*scored("one", [0.5]), *scored("two", [math.nan], error="broken"), ScoreRow("x.png", error="unreadable")]
    _, two = summarise(rows, "one")
    assert (two.images, two.pairs) == (0, 0)
    assert flat(two)["mean"] is flat(two)["difference_low"] is flat(two)["cost"] is None


def test_lines_stand_metric_by_metric_in_the_order_of_the_rows() -> None:
    """Also where a method failed on the first picture."""
    rows = [*scored("b", [1.0], "n"), *scored("a", [1.0], "n"), *scored("a", [1.0], "m"), *scored("b", [1.0], "m")]
    assert [(line.metric, line.method) for line in summarise(rows, "b")] == [
        ("n", "b"),
        ("n", "a"),
        ("m", "b"),
        ("m", "a"),
    ]


def test_a_difference_that_is_always_the_same_is_sure() -> None:
    """However much the scores scatter."""
    scores = np.linspace(0, 1, 50)
    gap, pairs = difference([*scored("one", list(scores)), *scored("two", list(scores + 0.25))], "m", "two", "one")
    assert pairs == 50
    assert [gap.value, gap.low, gap.high] == pytest.approx([0.25] * 3)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of 12 x 12; class 0 looks at row 2, column 3, where the first two have a box."""
    rng, inside = np.random.default_rng(0), tmp_path / "photos"
    inside.mkdir()
    for name in ("a", "b", "c"):
        pixels = rng.integers(0, 100, (12, 12, 3), dtype=np.uint8)
        pixels[2, 3] = 255
        Image.fromarray(pixels).save(inside / f"{name}.png")
    lines = "file,class_idx,boxes_norm\na.png,0,0.1 0.1 0.4 0.4\nb.png,1,0.1 0.1 0.4 0.4\nc.png,,\n"
    (inside / "labels.csv").write_text(lines, encoding="utf-8")
    return inside


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Write down which fake did what: two methods, a control, and two metrics; other rows stay away."""
    done: list[str] = []

    def method(name: str, wrong: str = "") -> Callable[..., Attribution]:
        def run(probe: Probe, targets: Sequence[Target], *, scale: float = 1.0) -> Attribution:
            done.append(name)
            if wrong:
                raise RequestError(wrong)
            probe.show(probe.image[None])
            values = (probe.image.mean(0).cpu().numpy() * scale).astype(np.float32)
            return Attribution({target.key: values for target in targets}, {}, "test", {"scale": scale}, "complete")

        return run

    def metric(name: str) -> Callable[..., MetricResult]:
        def run(probe: Probe, saliency: Map, case: MetricInput, *, power: int = 1) -> MetricResult:
            done.append(name)
            if name == "inside":
                return MetricResult(float(saliency[case.where()].mean() ** power))
            return MetricResult(float(saliency.mean() ** power + 0 * probe.prediction[case.target]))

        return run

    def entry(name: str, wrong: str = "", *, control: bool = False) -> Method:
        return Method(method(name, wrong), name, "", Access.PROBABILITIES, queries=Cost(2), control=control)

    rows = {"bright": entry("bright"), "other": entry("other"), "broken": entry("broken", "expected luck, got none")}
    rows |= {"nothing": entry("nothing", control=True), "grad": registry.METHODS["grad-cam"]}
    metrics = {
        name: Metric(metric(name), name, "", higher_is_better=True, queries=Cost(1), region=name == "inside")
        for name in ("whole", "inside")
    }
    monkeypatch.setitem(tables.TABLES, "methods", rows)
    monkeypatch.setitem(tables.TABLES, "metrics", metrics)
    return done


def benchmark(folder: Path, methods: Sequence[str] = ("bright",), **settings: Any) -> seewhy.BenchmarkResult:
    """Run a small benchmark beside the images."""
    asked: dict[str, Any] = {"metrics": ["whole"], "out": folder.parent / "out", "images": 0} | settings
    return seewhy.compare(Game(pixel_logits), folder, methods, **asked)


def test_every_method_and_control_is_judged_on_every_picture(folder: Path, calls: list[str]) -> None:
    """Rows, lines and files; the price is that of the explanation, its first query included."""
    found = benchmark(folder, ["bright", "other:scale=2"], metrics=["whole", "inside"], images=2)
    assert len(found.rows) == 3 * 3 * 2
    assert [line.method for line in found.summary] == ["bright", "other:scale=2", "nothing"] * 2
    assert found.summary[1].difference is not None
    assert found.summary[1].difference.value == pytest.approx(found.summary[0].mean.value)
    assert found.summary[2].control
    assert {row.forward_images for row in found.rows} == {2}
    assert [row.right for row in found.rows[::6]] == ["true", "false", ""]
    assert {row.target for row in found.rows} == {0}
    written = {path.name for path in found.folder.iterdir()}
    assert written == {"benchmark.json", "cache", "images", "quality.png", "rows.csv", "table.csv"}
    assert {path.name for path in (found.folder / "images").iterdir()} == {"a.png", "b.png"}
    with (found.folder / "rows.csv").open(encoding="utf-8") as lines:
        assert [float(line["value"] or "nan") for line in csv.DictReader(lines)] == pytest.approx(
            [row.value for row in found.rows], nan_ok=True
        )
    assert calls.count("bright") == 3


def test_a_metric_without_its_boxes_has_no_score_and_says_why(folder: Path, calls: list[str]) -> None:
    """A note and a warning, no failure; the metric is not asked."""
    found = benchmark(folder, metrics=["inside"])
    assert [math.isnan(row.value) for row in found.rows] == [False, False, False, False, True, True]
    assert "got no boxes" in found.rows[-1].note
    assert "inside has no score for 1 of 3 images" in found.warnings[-1]
    assert not found.failures
    assert calls.count("inside") == 4


def test_nothing_is_done_twice(folder: Path, calls: list[str]) -> None:
    """The same benchmark asks nothing; another metric asks no map, another method only its own."""
    first = benchmark(folder, metrics=["whole"])
    calls.clear()
    game = Game(pixel_logits)
    again = seewhy.compare(game, folder, ["bright"], metrics=["whole"], out=first.folder)
    assert (calls, game.seen) == ([], [])
    assert again.rows == first.rows
    benchmark(folder, metrics=["whole", "inside"])
    assert calls == ["inside"] * 4
    calls.clear()
    benchmark(folder, ["bright", "bright:scale=2"])
    assert calls == ["bright", "whole"] * 3
    calls.clear()
    benchmark(folder, seed=1)
    assert calls == ["bright", "whole", "nothing", "whole"] * 3


def test_an_interrupted_benchmark_resumes(
    folder: Path, calls: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ctrl-C at the second picture loses that map alone, and the end is the same as without."""
    whole = benchmark(folder, out=tmp_path / "whole")
    calls.clear()
    row = registry.lookup("methods", "bright").row
    plain: Callable[..., Attribution] = row.run

    def interrupted(probe: Probe, targets: Sequence[Target], *, scale: float = 1.0) -> Attribution:
        if calls.count("bright") == 1:
            raise KeyboardInterrupt
        return plain(probe, targets, scale=scale)

    with monkeypatch.context() as patch:
        rows = {**registry.table("methods"), "bright": replace(row, run=interrupted)}
        patch.setitem(tables.TABLES, "methods", rows)
        with pytest.raises(KeyboardInterrupt):
            benchmark(folder)
    assert calls == ["bright", "whole", "nothing", "whole"]
    found = benchmark(folder)
    assert calls == ["bright", "whole", "nothing", "whole"] * 3
    assert not list(found.folder.rglob("*.partial"))
    assert [row.value for row in found.rows] == [row.value for row in whole.rows]


def test_what_fails_becomes_a_row(folder: Path, calls: list[str]) -> None:
    """An unreadable picture and a method that refuses; the rest is done, and what failed is tried again."""
    (folder / "b.png").write_bytes(b"no picture")
    found = benchmark(folder, ["broken", "bright"])
    assert [(row.image, row.method) for row in found.failures] == [
        ("a.png", "broken"),
        ("b.png", ""),
        ("c.png", "broken"),
    ]
    assert "expected luck" in found.failures[0].error
    assert {row.image for row in found.rows if not row.error} == {"a.png", "c.png"}
    assert [line.pairs for line in found.summary] == [0, 0]
    calls.clear()
    benchmark(folder, ["broken", "bright"])
    assert calls == ["broken"] * 2


def test_a_picture_of_which_the_classifier_is_unsure_is_flagged(folder: Path, calls: list[str]) -> None:
    """Its likeliest class has less than one half."""
    found = seewhy.compare(
        Game(lambda images: pixel_logits(images) * 1e-3),
        folder,
        ["bright"],
        metrics=["whole"],
        out=folder / "out",
        images=0,
    )
    assert calls
    assert all(row.unsure for row in found.rows)
    assert "3 of 3 images" in found.warnings[-1]


def test_methods_with_gradients_ask_the_classifier_as_it_came(folder: Path, calls: list[str]) -> None:
    """Beside methods that ask the tuned one; their gradients are in the price."""
    found = seewhy.compare(
        OpenGame(small_cnn()),
        folder,
        ["bright", "grad:layer=2"],
        metrics=["whole"],
        limit=1,
        out=folder / "out",
        images=0,
    )
    assert calls
    assert not found.failures
    assert found.rows[1].backward_images > 0
    assert found.rows[1].cost == found.rows[1].forward_images + 2 * found.rows[1].backward_images


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"methods": []}, "expected at least one method"),
        ({"methods": ["brihgt"]}, "did you mean bright"),
        ({"methods": ["bright:size=3"]}, "has no setting 'size'"),
        ({"methods": ["grad"]}, "grad needs INTERNALS, this classifier gives PROBABILITIES"),
        ({"metrics": ["hwole"]}, "did you mean whole"),
        ({"metrics": []}, "expected at least one metric"),
        ({"runtime": "warp"}, "warp"),
    ],
)
def test_a_wrong_request_is_refused_before_any_work(
    folder: Path, calls: list[str], settings: dict[str, Any], message: str
) -> None:
    """And nothing is written."""
    with pytest.raises(RequestError, match=message):
        benchmark(folder, **settings)
    assert not calls
    assert not (folder.parent / "out").exists()


def test_two_pictures_of_one_name_are_refused(folder: Path, calls: list[str]) -> None:
    """Scores are paired by it."""
    (folder / "labels.csv").write_text("file\na.png\na.png\n", encoding="utf-8")
    with pytest.raises(RequestError, match="got a twice"):
        benchmark(folder)
    assert not calls


def test_a_folder_that_holds_something_else_is_left_alone(folder: Path, calls: list[str]) -> None:
    """So that nobody's files are mixed with ours."""
    with pytest.raises(RequestError, match=r"holds no benchmark\.json"):
        benchmark(folder, out=folder)
    assert not calls


def test_a_damaged_part_says_what_to_delete(folder: Path, calls: list[str]) -> None:
    """It is never passed over in silence."""
    found = benchmark(folder)
    part = next(path for path in (found.folder / "cache").glob("*.json"))
    part.write_text("{", encoding="utf-8")
    with pytest.raises(RequestError, match=f"{part.name}: .*; delete it"):
        benchmark(folder)
    assert calls


def test_the_record_says_all_that_was_asked(folder: Path, calls: list[str]) -> None:
    """Every setting written out."""
    found = benchmark(folder, ["bright"], metrics=["whole:power=2"])
    record = json.loads((found.folder / "benchmark.json").read_text(encoding="utf-8"))
    assert calls
    assert record["methods"]["bright"].startswith("bright:scale=1.0 · in-fill gray")
    assert record["metrics"]["whole:power=2"].startswith("whole:power=2 · in-fill gray")
    assert record["controls"] == ["nothing"]


def test_a_method_may_name_its_infill(folder: Path, calls: list[str]) -> None:
    """``bright@blur`` is a method of its own, asked with that in-fill."""
    found = benchmark(folder, ["bright@blur:sigma=2", "bright"])
    assert [line.method for line in found.summary] == ["bright@blur:sigma=2", "bright", "nothing"]
    methods = json.loads((found.folder / "benchmark.json").read_text(encoding="utf-8"))["methods"]
    assert methods["bright@blur:sigma=2"].endswith("in-fill blur:sigma=2.0")
    assert calls.count("bright") == 6
