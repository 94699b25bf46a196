"""The manifest in words, and nothing that it does not say."""

from dataclasses import replace

import numpy as np
import pytest
from seewhy.draw import words
from seewhy.draw.scene import Panel

CLASS = Panel("class:1", "cup", "", np.zeros((1, 1), np.float32), None, diverging=True, unit="nats")


def test_the_footer_names_everything_that_is_known() -> None:
    """Classifier, method, in-fill, queries, seconds and seed, in this order; seed 0 is a seed."""
    manifest = {
        "classifier": {"spec": "net"},
        "method": {"spec": "pmi"},
        "infill": {"spec": "mean"},
        "queries": {"forward_images": 1, "backward_images": 20},
        "seconds": 123.4,
        "seed": 0,
    }
    assert words.footer(manifest) == "net  ·  pmi  ·  in-fill mean  ·  1 query + 20 gradients  ·  123 s  ·  seed 0"
    assert words.footer({}) == ""


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.500"), (0, "0.000"), (1e-5, "<0.001"), (None, ""), ("x", "")])
def test_probabilities(value: object, text: str) -> None:
    """Three decimals, never a zero that is not one."""
    assert words.probability(value) == text


def test_a_run_that_was_cut_short_says_so() -> None:
    """Warnings are loud; notes and an early stop are quiet; a complete run says nothing."""
    manifest = {"warnings": ["dark"], "image": {"notes": ["turned"]}, "stopped_because": "queries"}
    warnings, notes = words.notices(manifest)
    assert warnings == ["dark"]
    assert notes == ["turned", "The query budget ran out before the method was done."]
    assert words.notices({"stopped_because": "complete"}) == ([], [])


def test_the_recipe_flattens_what_is_nested_and_keeps_what_is_unknown() -> None:
    """Known headings first; settings with dots; targets a line each; new keys under their own name."""
    manifest = {
        "novel": 1.5,
        "method": {"settings": {"window": 8, "tied": True}},
        "targets": [{"key": "class:1", "label": "cup"}],
        "seed": None,
        "command": "x",
    }
    assert words.recipe(manifest) == [
        ("Method", [("settings.window", "8"), ("settings.tied", "yes")]),
        ("Targets", [("class:1", "cup")]),
        ("novel", [("", "1.5")]),
    ]


def test_contrasts_and_other_units_are_explained() -> None:
    """The text follows what is shown: contrast, information, a plain score."""
    contrast = replace(CLASS, key="contrast:1/2")
    score = replace(CLASS, unit="probability", diverging=False)
    assert any("one class rather than another" in line for line in words.reading([contrast]))
    assert not any("one class rather than another" in line for line in words.reading([CLASS]))
    assert "unit: probability" in words.reading([score])[0]
    assert words.caption([replace(CLASS, unit="logit")]) == "Red raises the class's score, blue lowers it."
    assert words.caption([score]) == "The darker the colour, the more the spot matters."
