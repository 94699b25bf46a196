"""The sentences that the overview, the report and the terminal share."""

from collections.abc import Sequence

from seewhy.core.attribution import SHARE
from seewhy.core.budget import Queries
from seewhy.results.diagnostics import AgreementLevel, Chance
from seewhy.results.record import Record
from seewhy.results.report_data import INTENSITY, ImagePanel, MapPanel

_IMAGES = {
    "input": ("Input", "the image as the classifier sees it"),
    "adversarial": ("Counterfactual", "a generated version that should change the prediction"),
    "counterfactual": ("Counterfactual", "the image, edited until the prediction changes"),
    "stable": ("Stable image", "a generated version that should keep the prediction"),
    "cycle": ("Reconstruction", "the counterfactual, translated back"),
    "reference": ("Reference", "an image of the other class, the source of the edit"),
    "baseline": ("Baseline", "the image that the input is compared with"),
}
"""Title and meaning of the generated images that methods are known to return."""

_STOPPED = {
    "queries": "Stopped early: the query budget was used up before the method finished.",
    "seconds": "Stopped early: the time budget was used up before the method finished.",
    "tolerance": "Stopped early: the requested tolerance was reached.",
}

_AGREEMENT: dict[AgreementLevel, str] = {
    "agree": "robust",
    "in part": "partly robust",
    "depends": "depends on the in-fill",
    "noisy": "inconclusive (noise)",
    "flat": "constant map",
}


def probability(value: float | None) -> str:
    """Write a probability with three decimals, such as 0.871 or <0.001; empty for None."""
    if value is None:
        return ""
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def correlation(value: float | None) -> str:
    """Write a correlation with two decimals and a true minus sign; a dash for None."""
    return "–" if value is None else f"{value:.2f}".replace("-", "−")


def percent(share: float) -> str:
    """Write a share of 1 as a percentage, rounded to a whole number."""
    return f"{100 * share:.0f} %"


def queries(cost: Queries) -> str:
    """Write the number of classifier queries, and of gradients if there were any: ``21 queries + 20 gradients``."""
    parts = [_count(cost.forward_images, "query", "queries")]
    if cost.backward_images:
        parts.append(_count(cost.backward_images, "gradient", "gradients"))
    return " + ".join(parts)


def seconds(value: float) -> str:
    """Write a duration with three significant digits, or in whole seconds where it is long."""
    return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"


def interval(chance: Chance) -> str:
    """Write the range of the probabilities with random regions."""
    return f"{probability(chance.low)} to {probability(chance.high)}"


def agreement(level: AgreementLevel) -> str:
    """Return the short conclusion of the in-fill check for one map."""
    return _AGREEMENT[level]


def image_title(name: str) -> str:
    """Return the title of a generated image; a name that is not known is shown as it is, with spaces."""
    return _IMAGES[name][0] if name in _IMAGES else name.replace("_", " ").capitalize()


def image_meaning(name: str) -> str:
    """Return a short description of a generated image; empty for an unknown name."""
    return _IMAGES[name][1] if name in _IMAGES else ""


def answer(panel: ImagePanel) -> str:
    """Return the predicted class of an image and its probability.

    The text starts with *now* where the class differs from that of the input image, and with *still* where it does not.
    """
    return _prediction(panel.answer.label, panel.answer.probability, panel.flipped)


def generated(record: Record) -> list[str]:
    """Return one line per generated image: its title and the classifier's prediction."""
    lines = []
    for image in record.generated.images:
        top = image.predicted
        flipped = top.index != record.predicted[0].index
        lines.append(f"{image_title(image.name)}: {_prediction(top.label, top.probability, flipped)}")
    return lines


def headline(record: Record) -> str:
    """Return the question that the report answers."""
    return f"Why did the classifier predict “{record.predicted[0].label}”?"


def footer(record: Record) -> str:
    """Return one line with classifier, method, in-fill, queries, seconds and seed."""
    parts = (
        record.classifier.spec or record.classifier.name,
        record.method.spec,
        f"in-fill {record.infill}",
        queries(record.queries),
        seconds(record.seconds),
        f"seed {record.seed}",
    )
    return "  ·  ".join(parts)


def notices(record: Record) -> tuple[list[str], list[str]]:
    """Return the warnings, and the less urgent notes: how the image was opened, the findings, an early stop."""
    notes = [f"Image: {note}" for note in record.image.notes]
    stopped = _STOPPED.get(record.stopped_because)
    return list(record.warnings), [*notes, *record.diagnostics.findings, *([stopped] if stopped else [])]


def caption(maps: Sequence[MapPanel]) -> str:
    """Return the shortest explanation of how to read the maps, for the overview."""
    several = ["Each map has its own scale: compare numbers, not colours."] if len(maps) > 1 else []
    return " ".join([*_caption_signed(maps), *_caption_unsigned(maps), *several])


def reading(maps: Sequence[MapPanel]) -> list[str]:
    """Explain the maps in plain language, one idea per paragraph."""
    diverging = [panel for panel in maps if panel.diverging]
    strength = [panel for panel in maps if not panel.diverging and panel.key != "information"]
    contrasts = [panel for panel in maps if panel.key.startswith("contrast:") and panel.unit != INTENSITY]
    return [
        *(_read_diverging(diverging[0]) if diverging else []),
        *([_READ_CONTRAST] if contrasts else []),
        *([_READ_INFORMATION] if any(panel.key == "information" for panel in maps) else []),
        *([_read_strength(strength[0])] if strength else []),
        _READ_ERRORS if any(panel.stderr is not None for panel in maps) else _READ_NO_ERRORS,
        _READ_COLOUR,
    ]


_READ_CONTRAST = (
    "A contrast explains why the classifier prefers one class to another: it is the evidence for the first class minus the "
    "evidence for the second."
)
_READ_INFORMATION = (
    "The information map does not depend on a class. It shows how much the whole prediction changes when a patch is hidden, "
    "in nats. Its expected value is never negative; values slightly below zero are sampling noise and stay uncoloured."
)
_READ_ERRORS = (
    "The number after ± is one standard error. It includes the variation between in-fills and, where only some of the windows "
    "were queried, the uncertainty about the others. A value within two standard errors of zero cannot be told from zero."
)
_READ_NO_ERRORS = "This method has no standard errors, so do not over-interpret small differences."
_READ_COLOUR = (
    "Each map has its own scale with round limits, so compare numbers rather than colours between maps. Where the image is "
    "uncoloured, the value is close to zero (on an unsigned scale: close to the low end), or the classifier did not see that "
    "part of the image."
)


def _caption_signed(maps: Sequence[MapPanel]) -> list[str]:
    """Explain red and blue; empty where no map has a sign."""
    units = {panel.unit for panel in maps if panel.diverging}
    if "nats" in units:
        return ["Red supports the class, blue opposes it; +0.69 nats = twice as likely with the patch as without."]
    if INTENSITY in units:
        return ["Red becomes darker in the counterfactual, blue brighter."]
    return ["Red raises the class score, blue lowers it."] if units else []


def _caption_unsigned(maps: Sequence[MapPanel]) -> list[str]:
    """Explain the colours of maps without a sign; empty where the signed ones are all there is to explain."""
    missing = ["Share of the evidence: the darker, the more was still missing when the region was shown."]
    share = missing if any(panel.unit == SHARE for panel in maps) else []
    if any(panel.key == "information" for panel in maps):
        return [*share, "Information: how much the whole prediction depends on a region; darker is more."]
    if share:
        return share
    if any(panel.unit == INTENSITY and not panel.diverging for panel in maps):
        return ["Unsigned: the darker the colour, the larger the change."]
    return [] if any(panel.diverging for panel in maps) else ["The darker the colour, the more important the region."]


def _read_strength(panel: MapPanel) -> str:
    """Explain the values of a map without a sign."""
    if panel.unit == INTENSITY:
        return "The darker the colour, the more the pixel changes in the counterfactual (1 = from black to white)."
    if panel.unit == SHARE:
        return (
            "Regions were shown one after the other, the most important first. The darker the colour, the more of the evidence was "
            "still missing when the region was shown: 1 at first, near 0 once the regions before it suffice."
        )
    return f"The darker the colour, the more important the region (unit: {panel.unit or 'none'})."


def _read_diverging(panel: MapPanel) -> list[str]:
    """Explain the sign and the size of the values of a signed map."""
    if panel.unit == INTENSITY:
        return ["Red becomes darker in the counterfactual, blue brighter (1 = from white to black)."]
    if panel.unit != "nats":
        unit = f", in {panel.unit}" if panel.unit else ""
        return [f"Red regions raise the score of the class, blue regions lower it{unit}."]
    return [
        (
            "Each patch of the image was replaced by plausible in-fills, and the classifier was queried with the results. "
            "A positive value (red) means that the patch supports the class, a negative value (blue) that it opposes it."
        ),
        (
            "Values are in nats: +0.69 means that the class is twice as likely with this patch as without it, −0.69 half as "
            "likely, +2.30 ten times as likely. The value of a pixel is the mean over the patches that cover it."
        ),
    ]


def _prediction(label: str, chance: float, flipped: bool | None) -> str:
    """Write a predicted class; `flipped` says whether it differs from that of the input, None for the input itself."""
    start = "" if flipped is None else "now " if flipped else "still "
    return f"{start}{label}, p = {probability(chance)}"


def _count(number: int, one: str, many: str) -> str:
    """Write a number and what it counts."""
    return f"{number:,} {one if number == 1 else many}"
