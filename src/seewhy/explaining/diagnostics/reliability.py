"""How far to trust the maps of a run: their expected correlation with the converged maps, and what that means."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from seewhy.core.attribution import Attribution
from seewhy.explaining.diagnostics.faithfulness import meaning
from seewhy.results.diagnostics import Diagnostics, FaithfulnessCheck, InfillCheck
from seewhy.results.record import TargetInfo
from seewhy.results.wording import correlation

ENOUGH = 0.7
"""Below this expected correlation more than half of what a map shows may be error."""

_NAMED = re.compile(r"class:\d+|contrast:\d+/\d+")
"""A target's key in a method's finding; the reader knows it by its label."""

_ROUNDING = 1e-6
"""Differences that rounding explains: relative to the largest value and, in nats and probabilities, absolute."""

SMALL = 0.05
"""Nats: a spot that makes a class less than 5 % more or less likely."""


def diagnose(
    maps: Attribution,
    targets: Sequence[TargetInfo],
    classes: int,
    *,
    faithfulness: FaithfulnessCheck | None,
    infill_check: InfillCheck | None,
    framing: Sequence[str] = (),
) -> Diagnostics:
    """Judge the maps of a run by their own standard errors, and put what was measured into words.

    ``framing`` is what `seewhy.explaining.diagnostics.framing` found.
    """
    labels = {target.key: target.label for target in targets}
    shares = {key: maps.reliability(key) for key in labels}
    expected = {key: None if share is None else math.sqrt(share) for key, share in shares.items()}
    flat = {target.key: target.label for target in targets if _is_flat(maps, target.key)}
    findings = (
        *_nothing_to_see(flat.values()),
        *([meaning(faithfulness)] if faithfulness else []),
        *_doubts(targets, classes),
        *framing,
        *(_NAMED.sub(lambda match: labels.get(match[0], match[0]), finding) for finding in maps.findings),
        *_trust({key: value for key, value in expected.items() if key not in flat}, labels),
        *_sizes(maps, targets),
    )
    return Diagnostics(expected, tuple(maps.window_effects), faithfulness, infill_check, findings)


def _is_flat(maps: Attribution, key: str) -> bool:
    """Return whether a map has one value everywhere, up to rounding."""
    values = maps.values[key]
    spread, largest = float(np.ptp(values)), float(np.abs(values).max())
    rounding = _ROUNDING if maps.unit in {"nats", "probability"} else 0.0
    return spread <= max(rounding, _ROUNDING * largest)


def _nothing_to_see(labels: Iterable[str]) -> list[str]:
    """Name the maps that do not tell one part of the image from another."""
    named = ", ".join(labels)
    return (
        [f"No part of the image matters more than another to {named}: the map is the same everywhere."] if named else []
    )


def _doubts(targets: Sequence[TargetInfo], classes: int) -> list[str]:
    """Warn where no explained class has a higher probability than a guess would give it."""
    explained = [(target.probability, target.label) for target in targets if target.probability is not None]
    if not explained or max(explained)[0] > 1 / classes:
        return []
    probability, label = max(explained)
    guess = f"no more than a guess among {classes:,} classes: its map means little."
    return [f"The classifier gives {label} a probability of {probability:.2g}, {guess}"]


def _trust(expected: Mapping[str, float | None], labels: Mapping[str, str]) -> list[str]:
    """Say how reliable the maps are, and which are not reliable enough."""
    known = {key: value for key, value in expected.items() if value is not None}
    good = {labels[key]: value for key, value in known.items() if value >= ENOUGH}
    poor = [f"{labels[key]} ({correlation(value)})" for key, value in known.items() if value < ENOUGH]
    sentences = []
    if good:
        least = min(good, key=lambda label: good[label])
        value = correlation(good[least])
        told = value if len(good) == 1 else f"at least {value} (lowest: {least})"
        sentences.append(f"Map reliability: {told}, the expected correlation with the converged map.")
    if poor:
        sentences.append(
            f"Too few queries for {', '.join(poor)}: more than half of what such a map shows may be error. Raise the budget."
        )
    return sentences


def _sizes(maps: Attribution, targets: Sequence[TargetInfo]) -> list[str]:
    """Say whether any window matters to the most probable class that was explained, and of which size."""
    classes = [target for target in targets if target.kind == "class"]
    if maps.unit != "nats" or not maps.window_effects or not classes:
        return []
    top = max(classes, key=lambda target: target.probability or 0.0)
    strongest = {scale.size: abs(scale.strongest[top.key][0]) for scale in maps.window_effects}
    size = max(strongest, key=lambda side: strongest[side])
    if strongest[size] < SMALL:
        larger = "+".join(str(size * factor) for factor in (1, 2, 4))
        tried, change = " or ".join(map(str, strongest)), math.expm1(strongest[size])
        advice = f"try larger windows (pmi:size={larger}) or its log odds (target woe:{top.index})"
        small = f"No single window of {tried} pixels changes the probability of {top.label} by more than {change:.1%}."
        return [f"{small} Its evidence may be spread out: {advice}."]
    if len(strongest) == 1:
        return []
    values = ", ".join(f"{value:.2g} with {side} pixels" for side, value in strongest.items())
    return [f"Windows of {size} pixels matter most to {top.label}: at most {values} (nats)."]
