"""Images that a method makes are asked about, kept, drawn and handed to metrics."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seewhy
from games import Game, picture
from seewhy import registry
from seewhy.cli.tables import explanation_table
from seewhy.core.access import Access
from seewhy.core.attribution import Attribution, Map
from seewhy.core.budget import Budget
from seewhy.core.metric import MetricInput, MetricResult
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.explaining.samples import checked_images
from seewhy.registry.rows import Method, Metric
from seewhy.results.record import GeneratedImages

LABELS = ["dark", "red", "bright"]


def tones(images: torch.Tensor) -> torch.Tensor:
    """Class 0 if dark, class 2 if bright, and class 1 if red."""
    light, red = images.mean((1, 2, 3)), images[:, 0].mean((1, 2)) - images[:, 1:].mean((1, 2, 3))
    return torch.stack([4 - 8 * light, 20 * red - 4, 8 * light - 4], 1)


def network() -> seewhy.Classifier:
    """By tone, with names."""

    class Tones(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return tones(images)

    return seewhy.classifier(Tones().eval(), labels=LABELS)


def lightened(probe: Probe, targets: Sequence[Target], *, by: float = 0.5) -> Attribution:
    """A brighter picture as the counterfactual, a red one beside it."""
    other = torch.lerp(probe.image, torch.ones_like(probe.image), by).cpu().numpy()
    red = np.zeros_like(other)
    red[0] = 1
    change = np.abs(other - probe.image.cpu().numpy()).mean(0)
    maps = {target.key: change for target in targets}
    return Attribution(maps, {}, "intensity", {"by": by}, "complete", generated={"counterfactual": other, "a_red": red})


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch) -> None:
    """The method above in the table."""
    row = Method(lightened, "", "", Access.LABEL, contrast=True, predicted_only=True)
    monkeypatch.setitem(registry.METHODS, "lightened", row)


def pixels() -> np.ndarray:
    """A dark random picture."""
    return np.asarray((picture(20, 18) * 100).round().permute(1, 2, 0).to(torch.uint8))


def explained(**settings: object) -> seewhy.Explanation:
    """A small explanation with generated."""
    return seewhy.explain(network(), pixels(), method="lightened:by=0.8", check=False, **settings)  # type: ignore[arg-type]


def test_the_classifier_is_asked_about_each_beyond_the_budget() -> None:
    """Class, probabilities of everything that matters, and the queries apart from the method's own."""
    answer = explained(budget=Budget(queries=1))
    found = answer.record.generated
    assert [(each.name, each.predicted.label) for each in found.images] == [
        ("counterfactual", "bright"),
        ("a_red", "red"),
    ]
    assert (found.queries, answer.queries.forward_images) == (2, 1)
    order = [each.index for each in found.input]
    assert sorted(order) == [0, 1, 2]  # the answer, the runner-up of the contrast, and what the generated get
    shown = torch.from_numpy(np.stack([answer.samples.image, *answer.generated.values()]))
    truth = torch.softmax(tones(shown).double(), 1)[:, order]
    for row, probabilities in zip(truth, [found.input, *(each.probabilities for each in found.images)], strict=True):
        np.testing.assert_allclose([each.probability for each in probabilities], row, atol=1e-5)


def test_a_method_without_companions_asks_nothing_more() -> None:
    """The key is there, and empty."""
    answer = seewhy.explain(network(), pixels(), method="occlusion:size=9", infill="gray", check=False)
    assert answer.record.generated == GeneratedImages()
    assert answer.generated == {}
    assert "Generated images" not in answer.report()


def test_saved_and_loaded_they_are_the_same(tmp_path: Path) -> None:
    """In the method's order, to the last bit; as pictures beside, to the nearest of 256 levels."""
    before = explained()
    after = seewhy.load(before.save(tmp_path / "out"), seewhy.Explanation)
    assert list(after.generated) == list(before.generated) == ["counterfactual", "a_red"]
    for name, made in before.generated.items():
        assert np.array_equal(made, after.generated[name])
        shown = np.asarray(Image.open(tmp_path / "out" / f"generated_{name}.png")).transpose(2, 0, 1) / 255
        np.testing.assert_allclose(shown, made, atol=0.5 / 255 + 1e-6)
    assert before.report() == after.report()
    assert before.overview() == after.overview()


def test_they_are_drawn_and_told() -> None:
    """The report's card, more tiles on the overview, and a line each on the terminal."""
    answer = explained()
    html = answer.report()
    for text in ("Generated images", 'value="counterfactual" checked', 'value="a_red"', "now bright, p = "):
        assert text in html
    few = seewhy.explain(network(), pixels(), method="occlusion:size=9", infill="gray", check=False)
    assert Image.open(io.BytesIO(answer.overview())).size != Image.open(io.BytesIO(few.overview())).size
    caption = str(explanation_table(answer.record).caption)
    assert "Counterfactual: now bright, p = 0." in caption
    assert "A red: now red, p = 1.000" in caption


def test_the_size_of_a_change_has_no_sign_and_its_direction_has() -> None:
    """The class map begins at zero; the contrast is told as darkened and brightened."""
    html = explained(targets=["dark", ("contrast", "dark", "bright")]).report()
    assert "scale 0 to " in html
    assert "<span>brightened</span><span>darkened</span>" in html
    assert "supports" not in html.split("<script")[0]


def test_a_metric_is_handed_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By `seewhy.score` and by a benchmark, there also when it takes up what an earlier one made."""

    def first_mean(probe: Probe, saliency: Map, case: MetricInput) -> MetricResult:
        del probe, saliency
        found = case.generated.get("counterfactual")
        return MetricResult(0.0 if found is None else float(found.mean()))

    row = Metric(first_mean, "", "", higher_is_better=None)
    monkeypatch.setitem(registry.METRICS, "first-mean", row)
    answer = explained()
    mean = float(answer.generated["counterfactual"].mean())
    assert seewhy.score(network(), answer, "first-mean")[0].value == mean
    (tmp_path / "in").mkdir()
    Image.fromarray(pixels()).save(tmp_path / "in" / "a.png")
    asked = {"methods": ["lightened:by=0.8"], "out": tmp_path / "out", "images": 0}
    seewhy.compare(Game(tones), tmp_path / "in", metrics=["deletion:steps=2"], **asked)  # type: ignore[arg-type]
    found, *controls = seewhy.compare(Game(tones), tmp_path / "in", metrics=["first-mean"], **asked).rows  # type: ignore[arg-type]
    assert found.value == pytest.approx(mean, abs=1e-6)
    assert {control.value for control in controls} == {0.0}


@pytest.mark.parametrize(
    ("name", "image", "message"),
    [
        ("../up", np.zeros((3, 4, 5)), "named an image"),
        ("input", np.zeros((3, 4, 5)), "named an image"),
        ("small", np.zeros((3, 4, 4)), r"shape \(3, 4, 4\)"),
        ("loud", np.full((3, 4, 5), 1.01), "in \\[0, 1\\]"),
        ("odd", np.full((3, 4, 5), np.nan), "in \\[0, 1\\]"),
    ],
)
def test_a_method_is_held_to_its_word(name: str, image: np.ndarray, message: str) -> None:
    """Wrong sizes, values and names that lead out of the folder are the method's fault, not the user's."""
    with pytest.raises(AssertionError, match=message):
        checked_images({name: image}, (4, 5))
