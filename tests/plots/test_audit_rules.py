"""Curves and counter-examples of rules."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from reading_figures import cut_off, image_axes, kept, pixels, words
from records import photo
from seewhy.plots import audit_rules
from seewhy.results.audit_rules import CounterExample, ErrorRate, RuleResult, StrengthResult
from seewhy.results.report_data import Photo

UNTESTED = ErrorRate(0, 0, None, None, None, None)


def result(strength: float, error: float | None) -> StrengthResult:
    """How often a rule failed on twenty images."""
    rate = UNTESTED if error is None else ErrorRate(20, round(20 * error), error, error / 2, (1 + error) / 2, 0.1)
    return StrengthResult(strength, rate, 0, ())


ROTATION = RuleResult("rotation", "", "stays", "degrees", (result(5.0, 0.1), result(15.0, 0.4), result(45.0, None)))
FLIP = RuleResult("flip", "", "stays", "", (result(1.0, 0.2),))
NEVER = RuleResult("blur", "", "changes", "pixels", (result(4.0, None),))


def example(before: Photo, name: str = "a.jpg") -> CounterExample:
    """An image that a rotation by 15 degrees turns from an espresso into a cup."""
    return CounterExample(name, 15.0, before, 255 - before, ("espresso", 0.7), ("cup", 0.55), 1.0)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, before they become bytes."""
    return kept(monkeypatch, audit_rules)


def test_each_rule_has_its_curve(figures: list[Figure]) -> None:
    """A point per tested strength, at the error; what was never tested says so."""
    audit_rules.curves_png([ROTATION, FLIP, NEVER])
    panels = figures[0].axes
    assert [axes.get_title(loc="left") for axes in panels] == ["rotation", "flip", "blur"]
    assert panels[0].lines[0].get_ydata().tolist() == [0.1, 0.4]  # type: ignore[union-attr]
    assert [label.get_text() for label in panels[0].get_xticklabels()] == ["5", "15"]
    assert panels[0].get_xlabel() == "strength, degrees"
    assert "not tested" in words(figures[0])


def test_curves_are_the_same_every_time() -> None:
    """No date in the file."""
    assert audit_rules.curves_png([ROTATION]) == audit_rules.curves_png([ROTATION])


def test_examples_show_before_and_after(figures: list[Figure]) -> None:
    """Both predictions above, file and strength below them; a rule without counter-examples says so."""
    before = photo(20, 30)
    audit_rules.examples_png({"rotation": [example(before), example(photo(40, 20), "b.jpg")], "flip": []})
    said = words(figures[0])
    for part in ("rotation", "espresso 0.70 → cup 0.55", "a.jpg · strength 15", "b.jpg", "No tested image contradicts"):
        assert part in said
    assert cut_off(figures[0]) == []
    shown = [np.asarray(axes.images[0].get_array()) for axes in image_axes(figures[0])]
    assert len(shown) == 2
    assert (shown[0][:, :30] == before).all()
    assert (shown[0][:, -30:] == 255 - before).all()


def test_examples_are_the_same_every_time() -> None:
    """The bytes depend on the examples alone; no examples at all are a page, too."""
    some = {"rotation": [example(photo(20, 30))]}
    assert audit_rules.examples_png(some) == audit_rules.examples_png(some)
    assert (pixels(audit_rules.examples_png({"flip": []})) < 200).any()
