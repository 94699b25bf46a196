"""The record in words, and nothing that it does not hold."""

from dataclasses import replace

import numpy as np
import pytest

import records
from seewhy.core.budget import Queries
from seewhy.results import wording
from seewhy.results.record import ClassifierInfo, ClassProbability, InfillInfo
from seewhy.results.report_data import ImagePanel, MapPanel

CLASS = MapPanel("class:1", "cup", "", np.zeros((1, 1), np.float32), None, diverging=True, unit="nats")


def test_the_footer_names_everything() -> None:
    """Classifier, method, in-fill, queries, seconds and seed, in this order; seed 0 is a seed."""
    record = replace(
        records.record(),
        classifier=ClassifierInfo("net", "net.onnx", "f", 10, "PROBABILITIES"),
        queries=Queries(forward_images=1, backward_images=20),
        seconds=123.4,
        seed=0,
    )
    text = "net.onnx  ·  pmi:window=8  ·  in-fill mean  ·  1 query + 20 gradients  ·  123 s  ·  seed 0"
    assert wording.footer(record) == text
    objects = replace(
        record, classifier=replace(record.classifier, spec=None), infill=InfillInfo("My", None, None, True)
    )
    assert wording.footer(objects).startswith("net  ·  pmi:window=8  ·  in-fill My  ·  ")


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.500"), (0.0, "0.000"), (1e-5, "<0.001"), (None, "")])
def test_probabilities(value: float | None, text: str) -> None:
    """Three decimals, never a zero that is not one."""
    assert wording.probability(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.616, "0.62"), (-0.2, "−0.20"), (None, "–")])
def test_correlations(value: float | None, text: str) -> None:
    """Two decimals and a true minus sign."""
    assert wording.correlation(value) == text


def test_queries_and_gradients() -> None:
    """One query is not several; gradients are named where there are any."""
    assert wording.queries(Queries(forward_images=1)) == "1 query"
    assert wording.queries(Queries(forward_images=1234, backward_images=1)) == "1,234 queries + 1 gradient"


def test_a_run_that_was_cut_short_says_so() -> None:
    """Warnings are loud; notes, findings and an early stop are quiet; a complete run says nothing."""
    plain = records.record()
    silent = replace(plain, warnings=(), image=replace(plain.image, notes=()))
    assert wording.notices(silent) == ([], [])
    found = replace(plain.diagnostics, findings=("The map is noisy.",))
    warnings, notes = wording.notices(replace(plain, stopped_because="queries", diagnostics=found))
    assert warnings == ["the photo is dark"]
    assert notes == [
        "Image: turned upright",
        "The map is noisy.",
        "Stopped early: the query budget was used up before the method finished.",
    ]


def test_the_headline_asks_about_the_predicted_class() -> None:
    """By its name."""
    assert wording.headline(records.record()) == "Why did the classifier predict “espresso”?"


def test_contrasts_and_other_units_are_explained() -> None:
    """The text follows what is shown: contrast, information, a plain score."""
    contrast = replace(CLASS, key="contrast:1/2")
    score = replace(CLASS, unit="probability", diverging=False)
    assert any("prefers one class to another" in line for line in wording.reading([contrast]))
    assert not any("prefers one class to another" in line for line in wording.reading([CLASS]))
    assert "unit: probability" in wording.reading([score])[0]
    assert wording.caption([replace(CLASS, unit="logit")]) == "Red raises the class score, blue lowers it."
    assert wording.caption([score]) == "The darker the colour, the more important the region."
    information = replace(score, key="information", unit="nats")
    assert wording.caption([CLASS, information]).count(". ") == 2
    assert "twice as likely" in wording.caption([CLASS, information])
    assert "whole prediction depends" in wording.caption([CLASS, information])


def test_changes_are_explained_as_changes() -> None:
    """A map in units of intensity shows what becomes darker or brighter, with or without a sign."""
    signed = replace(CLASS, unit="intensity")
    assert wording.caption([signed]) == "Red becomes darker in the counterfactual, blue brighter."
    assert (
        wording.caption([replace(signed, diverging=False)]) == "Unsigned: the darker the colour, the larger the change."
    )
    assert "from white to black" in wording.reading([signed])[0]
    assert not any("prefers one class" in line for line in wording.reading([replace(signed, key="contrast:1/2")]))


def test_errors_are_explained_where_there_are_any() -> None:
    """The sentence about standard errors, or the one about their absence."""
    with_errors = replace(CLASS, stderr=np.zeros((1, 1), np.float32))
    assert any("one standard error" in line for line in wording.reading([CLASS, with_errors]))
    assert any("no standard errors" in line for line in wording.reading([CLASS]))


def test_answers_in_words() -> None:
    """Still or now, by the class and not by its name."""
    crane = ClassProbability(3, "crane", 0.4)
    panel = ImagePanel("stable", np.zeros((1, 1, 3), np.uint8), crane, False, ())
    assert wording.answer(panel) == "still crane, p = 0.400"
    assert wording.answer(replace(panel, flipped=True)) == "now crane, p = 0.400"
    assert wording.answer(replace(panel, flipped=None)) == "crane, p = 0.400"


def test_generated_images_in_words() -> None:
    """One line per image; none where the method makes no images."""
    assert wording.generated(records.record()) == []
    record = records.counterfactual_record()
    lines = ["Counterfactual: now cup, p = 0.900", "Stable image: still espresso, p = 0.650"]
    assert wording.generated(record) == lines


def test_images_have_titles_and_meanings() -> None:
    """Known names are explained, unknown ones are shown."""
    assert wording.image_title("input") == "Input"
    assert wording.image_title("last_step") == "Last step"
    assert wording.image_meaning("last_step") == ""
    assert all(
        wording.image_meaning(name) for name in ("input", "adversarial", "stable", "cycle", "reference", "baseline")
    )


def test_numbers_in_words() -> None:
    """Few digits, true minus signs, no zero that is none, and words for one and many."""
    assert [wording.probability(p) for p in (0.8713, 0.0001, 0.0, None)] == ["0.871", "<0.001", "0.000", ""]
    assert [wording.correlation(r) for r in (0.616, -0.2, None)] == ["0.62", "−0.20", "–"]
    assert [wording.seconds(s) for s in (4.25, 1234.5)] == ["4.25 s", "1,234 s"]
    assert wording.queries(Queries(forward_images=21, backward_images=1)) == "21 queries + 1 gradient"
    assert wording.percent(0.1) == "10 %"
