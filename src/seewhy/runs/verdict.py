"""How far to trust the maps of a run, measured: their expected correlation with those of a very long run, and what it means."""

import math
import re
from collections.abc import Sequence
from typing import Any

from seewhy.core.maps import Maps
from seewhy.draw.words import correlation

ENOUGH = 0.7
"""Below this expected correlation more than half of what a map shows may be error."""

_NAMED = re.compile(r"class:\d+|contrast:\d+/\d+")
"""A target's key in a method's finding; the reader knows it by its label."""

SMALL = 0.05
"""Nats: a spot that makes a class less than 5 % more or less likely."""


def verdict(
    maps: Maps, targets: Sequence[dict[str, Any]], tried: dict[str, Any] | None, classes: int
) -> dict[str, Any]:
    """Judge the maps of a run by their own standard errors, and tell what came of their trial.

    Args:
        maps: of the run.
        targets: ``key`` and ``label`` of each, as in the manifest.
        tried: from `seewhy.runs.trial.trial`, or None where there was no trial.
        classes: how many the classifier has.

    Returns:
        The manifest's ``verdict``: ``trial``, ``expected_correlation`` of each map with that of a very long run (null
        without standard errors), whether each is ``enough`` (at least `ENOUGH`), and ``findings``, sentences for the reader.
    """
    labels = {target["key"]: target["label"] for target in targets}
    found = {key: maps.reliability(key) for key in labels}
    expected = {key: None if share is None else math.sqrt(share) for key, share in found.items()}
    return {
        "trial": tried,
        "expected_correlation": expected,
        "enough": {key: None if value is None else value >= ENOUGH for key, value in expected.items()},
        "windows": [
            {"size": scale.size, "windows": scale.windows, "strongest": dict(scale.strongest)} for scale in maps.scales
        ],
        "findings": [
            *([tried["sentence"]] if tried else []),
            *doubts(targets, classes),
            *(_NAMED.sub(lambda found: labels.get(found[0], found[0]), finding) for finding in maps.findings),
            *_trust(expected, labels),
            *_sizes(maps, targets),
        ],
    }


def doubts(targets: Sequence[dict[str, Any]], classes: int) -> list[str]:
    """Say where the classifier gives no class that is explained more than a guess would.

    Args:
        targets: as in the manifest.
        classes: how many the classifier has.

    Example:
        >>> doubts([{"label": "cup", "probability": 0.001}], 100)
        ['The classifier gives cup a probability of 0.001, no more than a guess among 100 classes: such a map means little.']
    """
    asked = [target for target in targets if "probability" in target]
    best = max(asked, key=lambda target: target["probability"], default=None)
    if best is None or best["probability"] > 1 / classes:
        return []
    guess = f"no more than a guess among {classes:,} classes: such a map means little."
    return [f"The classifier gives {best['label']} a probability of {best['probability']:.2g}, {guess}"]


def _trust(expected: dict[str, float | None], labels: dict[str, str]) -> list[str]:
    """Say how sure the maps are, and which are not sure enough."""
    known = {key: value for key, value in expected.items() if value is not None}
    good = {labels[key]: value for key, value in known.items() if value >= ENOUGH}
    poor = [f"{labels[key]} ({correlation(value)})" for key, value in known.items() if value < ENOUGH]
    said = []
    if good:
        least = min(good, key=lambda label: good[label])
        more = "" if len(good) == 1 else f" or more (least: {least})"
        said.append(f"Expected correlation with the map of a very long run: {correlation(good[least])}{more}.")
    if poor:
        said.append(
            f"Not enough evidence at this budget: {', '.join(poor)}. More than half of such a map may be error: ask more queries."
        )
    return said


def _sizes(maps: Maps, targets: Sequence[dict[str, Any]]) -> list[str]:
    """Say whether any window matters to the likeliest class that was asked about, and of which size."""
    classes = [target for target in targets if target["key"].startswith("class:")]
    if maps.unit != "nats" or not maps.scales or not classes:
        return []
    top = max(classes, key=lambda target: target["probability"])
    strongest = {scale.size: abs(scale.strongest[top["key"]][0]) for scale in maps.scales}
    size = max(strongest, key=lambda each: strongest[each])
    if strongest[size] < SMALL:
        larger = "+".join(str(size * factor) for factor in (1, 2, 4))
        tried, change = " or ".join(map(str, strongest)), math.expm1(strongest[size])
        spread = f"Its evidence may be spread out: larger windows can show it (pmi:size={larger}), as can its log odds (target woe:{top['index']})."
        return [
            f"No single window of {tried} pixels changes the probability of {top['label']} by more than {change:.1%}. {spread}"
        ]
    if len(strongest) == 1:
        return []
    each = ", ".join(f"{value:.2g} with {side} pixels" for side, value in strongest.items())
    return [f"Windows of {size} pixels matter most to {top['label']}: at most {each} (nats)."]
