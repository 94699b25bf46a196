"""What a manifest says, in words: shared by the overview and the report. What is absent is left out."""

from collections.abc import Mapping, Sequence

from seewhy.draw.scene import Panel
from seewhy.plots.scales import INTENSITY

Fields = Mapping[str, object]

_HEADINGS = {
    "image": "Picture",
    "view": "View",
    "classifier": "Classifier",
    "method": "Method",
    "infill": "In-fill",
    "seed": "Seed",
    "targets": "Targets",
    "unit": "Unit",
    "queries": "Queries",
    "seconds": "Seconds",
    "stopped_because": "Stopped because",
    "verdict": "Verdict",
    "runtime": "Runtime",
    "versions": "Versions",
    "schema_version": "Schema version",
}
_SHOWN_ELSEWHERE = {"predicted", "command", "warnings", "infill_check", "companions"}
_PLATES = {
    "input": ("Input", "the picture as the classifier sees it"),
    "adversarial": ("Counterfactual", "the picture, made to be answered otherwise"),
    "counterfactual": ("Counterfactual", "the picture, changed until it is answered otherwise"),
    "stable": ("Stable twin", "drawn alike, and made to be answered as the picture is"),
    "cycle": ("Brought back", "the counterfactual, turned back"),
    "reference": ("Reference", "the picture of the other class that the change is taken from"),
    "baseline": ("Baseline", "the picture that is compared with"),
}
"""Companion pictures that are known: title, and what they are."""
_STOPPED = {
    "queries": "The query budget ran out before the method was done",
    "seconds": "The time budget ran out before the method was done",
    "tolerance": "Stopped early: the wanted precision was reached",
}


def section(manifest: Fields, key: str) -> Fields:
    """Return a nested part of the manifest, empty when it is absent or not a mapping."""
    found = manifest.get(key)
    return found if isinstance(found, Mapping) else {}


def rows(manifest: Fields, key: str) -> list[Fields]:
    """Return a list of mappings from the manifest, without whatever else the list holds."""
    return [row for row in items(manifest, key) if isinstance(row, Mapping)]


def items(manifest: Fields, key: str) -> list[object]:
    """Return a list from the manifest, empty when it is absent or not a list."""
    found = manifest.get(key)
    return list(found) if isinstance(found, Sequence) and not isinstance(found, str) else []


def text(manifest: Fields, key: str) -> str:
    """Return a value as text, empty when it is absent."""
    found = manifest.get(key)
    return "" if found is None else _plain(found)


def probability(value: object) -> str:
    """Write a probability with three decimals, or nothing when it is not a number.

    Example:
        >>> probability(0.8713), probability(0.0001), probability(None)
        ('0.871', '<0.001', '')
    """
    if not isinstance(value, int | float):
        return ""
    return "<0.001" if 0 < value < 0.0005 else f"{value:.3f}"


def correlation(value: object) -> str:
    """Write a correlation with two decimals and a true minus, or a dash when it is not a number.

    Example:
        >>> correlation(0.616), correlation(-0.2), correlation(None)
        ('0.62', '−0.20', '–')
    """
    return f"{value:.2f}".replace("-", "−") if isinstance(value, int | float) else "–"


def footer(manifest: Fields) -> str:
    """One line: classifier · method · in-fill · queries · seconds · seed."""
    parts = [
        text(section(manifest, "classifier"), "spec"),
        text(section(manifest, "method"), "spec") or text(section(manifest, "method"), "name"),
        _named("in-fill", text(section(manifest, "infill"), "spec")),
        queries(section(manifest, "queries")),
        _seconds(manifest.get("seconds")),
        _named("seed", text(manifest, "seed")),
    ]
    return "  ·  ".join(part for part in parts if part)


def plate_title(name: str) -> str:
    """Say what a picture that belongs to the answer is called.

    Example:
        >>> plate_title("adversarial"), plate_title("last_step")
        ('Counterfactual', 'Last step')
    """
    return _PLATES[name][0] if name in _PLATES else name.replace("_", " ").capitalize()


def plate_meaning(name: str) -> str:
    """Say what a picture that belongs to the answer is; nothing for one that is not known."""
    return _PLATES[name][1] if name in _PLATES else ""


def answered(said: Fields, first: object) -> str:
    """Say how the classifier answers a picture.

    Args:
        said: the class that it gives it.
        first: index of the class that it gave the picture that is explained; None for that picture.

    Example:
        >>> answered({"index": 8, "label": "8", "probability": 0.97}, 3)
        'now 8, p = 0.970'
    """
    start = "" if first is None else "still " if said.get("index") == first else "now "
    return f"{start}{text(said, 'label')}, p = {probability(said.get('probability'))}"


def companions(manifest: Fields) -> list[str]:
    """Say how the classifier answers each picture that belongs to the answer, one a line."""
    predicted = rows(manifest, "predicted")
    first = predicted[0].get("index") if predicted else None
    pictures = rows(section(manifest, "companions"), "pictures")
    return [f"{plate_title(text(each, 'name'))}: {answered(section(each, 'predicted'), first)}" for each in pictures]


def headline(manifest: Fields) -> str:
    """The question that the picture answers."""
    predicted = rows(manifest, "predicted")
    label = text(predicted[0], "label") if predicted else ""
    return f"What made the classifier say “{label}”?" if label else "What did the classifier look at?"


def notices(manifest: Fields) -> tuple[list[str], list[str]]:
    """Return the warnings and the quieter notes, for the top of the page."""
    warnings = [_plain(item) for item in items(manifest, "warnings")]
    notes = [_plain(item) for item in items(section(manifest, "image"), "notes")]
    notes += [_plain(item) for item in items(section(manifest, "verdict"), "findings")]
    stopped = _STOPPED.get(text(manifest, "stopped_because"))
    return warnings, notes + ([f"{stopped}."] if stopped else [])


def caption(panels: Sequence[Panel]) -> str:
    """The shortest useful answer to "how do I read this?", for the overview."""
    parts = []
    if any(panel.diverging and panel.unit == "nats" for panel in panels):
        parts.append(
            "Red speaks for the class, blue against it; +0.69 nats = twice as likely with the patch as without."
        )
    elif any(panel.diverging and panel.unit == INTENSITY for panel in panels):
        parts.append("Red becomes darker in the counterfactual, blue brighter.")
    elif any(panel.diverging for panel in panels):
        parts.append("Red raises the class's score, blue lowers it.")
    if any(panel.key == "information" for panel in panels):
        parts.append("Information: how much the whole prediction rests on a spot; darker is more.")
    elif any(panel.unit == INTENSITY and not panel.diverging for panel in panels):
        parts.append("Without a sign: the darker the colour, the more the spot changes.")
    elif not any(panel.diverging for panel in panels):
        parts.append("The darker the colour, the more the spot matters.")
    if len(panels) > 1:
        parts.append("Each map has its own scale: compare numbers, not colours.")
    return " ".join(parts)


def reading(panels: Sequence[Panel]) -> list[str]:
    """Explain the maps in plain language, one paragraph an idea.

    Args:
        panels: the maps that are shown; the text depends on their unit, sign and errors.
    """
    diverging = [panel for panel in panels if panel.diverging]
    other = [panel for panel in panels if not panel.diverging and panel.key != "information"]
    return [
        *(_read_diverging(diverging[0]) if diverging else []),
        *(_READ_CONTRAST if any(map(_is_evidence_contrast, panels)) else []),
        *(_READ_INFORMATION if any(panel.key == "information" for panel in panels) else []),
        *([_read_strength(other[0])] if other else []),
        *(_READ_ERRORS if any(panel.stderr is not None for panel in panels) else _READ_NO_ERRORS),
        _READ_COLOUR,
    ]


def recipe(manifest: Fields) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the manifest as a table: heading, then pairs of name and value (the name may be empty)."""
    known = [key for key in _HEADINGS if key in manifest]
    unknown = [key for key in manifest if key not in _HEADINGS and key not in _SHOWN_ELSEWHERE]
    table = [(_HEADINGS.get(key, key), _pairs(manifest[key])) for key in [*known, *unknown]]
    return [(heading, pairs) for heading, pairs in table if pairs]


_READ_CONTRAST = [
    "A contrast shows why one class rather than another: the evidence for the first minus that for the second."
]
_READ_INFORMATION = [
    (
        "Information names no class: it is how far the whole prediction moves when a patch is hidden, in nats. It is at "
        "least zero in expectation; a value slightly below zero is sampling noise and is left uncoloured."
    )
]
_READ_ERRORS = [
    (
        "± is one standard error: it holds the scatter of what was put in and, where not every window was asked about, what "
        "is not known of the others. A value smaller than about two standard errors cannot be told from zero."
    )
]
_READ_NO_ERRORS = ["This method gives no error bars: do not read much into small differences."]
_READ_COLOUR = (
    "Each map has its own scale, which ends at a round number: compare numbers, not colours. Where there is no colour the value is near the low end of the scale (near zero on a signed one), or the "
    "classifier did not see that part of the picture."
)


def _is_evidence_contrast(panel: Panel) -> bool:
    """Whether a map is one class's evidence less another's."""
    return panel.key.startswith("contrast:") and panel.unit != INTENSITY


def _read_strength(panel: Panel) -> str:
    """What the size of a value without a sign means."""
    if panel.unit == INTENSITY:
        return "The darker the colour, the more the spot changes on the way to the counterfactual (1 = from black to white)."
    return f"The darker the colour, the more the spot matters (unit: {panel.unit or 'none'})."


def _read_diverging(panel: Panel) -> list[str]:
    """What the sign and the size of a value mean."""
    if panel.unit == INTENSITY:
        return ["Red becomes darker in the counterfactual, blue brighter (1 = from white to black)."]
    if panel.unit != "nats":
        unit = f", in {panel.unit}" if panel.unit else ""
        return [f"Red raises the score of the class, blue lowers it{unit}."]
    return [
        (
            "Each patch of the picture was hidden behind plausible in-fills, and the classifier was asked again. Positive "
            "(red) means that the patch supports the class, negative (blue) that it opposes it."
        ),
        (
            "Values are in nats: +0.69 means that the class is twice as likely with this patch as without it, −0.69 half "
            "as likely, +2.30 ten times. A pixel shows the mean over the patches that cover it."
        ),
    ]


def _named(name: str, value: str) -> str:
    """The value after its name, or nothing."""
    return f"{name} {value}" if value else ""


def queries(asked: Fields) -> str:
    """Say how much the classifier was asked.

    Example:
        >>> queries({"forward_images": 21, "backward_images": 20})
        '21 queries + 20 gradients'
    """
    forward, backward = asked.get("forward_images"), asked.get("backward_images")
    parts = [f"{forward:,} {'query' if forward == 1 else 'queries'}"] if isinstance(forward, int) else []
    if isinstance(backward, int) and backward:
        parts.append(f"{backward:,} gradients")
    return " + ".join(parts)


def _seconds(value: object) -> str:
    """Seconds with as many digits as matter."""
    if not isinstance(value, int | float):
        return ""
    return f"{value:.3g} s" if value < 100 else f"{value:,.0f} s"


def _pairs(value: object) -> list[tuple[str, str]]:
    """A manifest value as pairs of name and text: nested mappings flattened with dots, lists of mappings row by row."""
    if isinstance(value, Mapping):
        nested = [(str(name), _pairs(part)) for name, part in value.items()]
        return [(f"{name}.{inner}" if inner else name, shown) for name, part in nested for inner, shown in part]
    if isinstance(value, Sequence) and value and all(isinstance(part, Mapping) and part for part in value):
        first = [[_cell(name, cell) for name, cell in part.items()] for part in value]
        return [(cells[0], ", ".join(cell for cell in cells[1:] if cell)) for cells in first]
    return [("", _plain(value))] if _plain(value) else []


def _cell(name: str, value: object) -> str:
    """A value in a row of a table without headings: a number says what it is."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{name.replace('_', ' ')} {_plain(value)}" if number else _plain(value)


def _plain(value: object) -> str:
    """Any manifest value on one line."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(part)}" for name, part in value.items() if part is not None)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return (" · " if any(isinstance(part, Mapping) for part in value) else ", ").join(map(_plain, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
