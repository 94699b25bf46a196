"""What a test of generators found: figures with intervals, what they mean in words, and their folder."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seewhy.core.intervals import NOTHING, Interval, bootstrap, mean, wilson
from seewhy.core.score import plain
from seewhy.draw.twins import samples_png
from seewhy.audit._image_statistics import Likeness
from seewhy.runs.explanation import as_record, check_free, write_files
from seewhy.audit.counterfactual_work import UNDISTURBED, Columns, Direction

RECORD = "counterfactuals.json"

HALF = 0.5
"""A flip rate below which there is hardly an edit; and how much more of its own pictures a generator must undo than of real ones."""

UNMOVED = 0.05
"""Pictures that change by less than this share of what classes are apart, and mostly do not flip, are said not to be edited."""

VARIETY = 0.5
"""Generated images that differ from each other by less than this share of what real ones do are said to be a prototype."""

NOISE = 0.3
"""A flip rate that is so much above the oracle's is said to be the classifier's own."""

FRAGILE = 0.7
"""Where so small a share of what came back without noise comes back with it, the way back is said to rest on a hidden signal."""

SHIFTED = 0.5
"""A share of the change beyond which it is said to be one of brightness."""

RELIABLE = 0.9
"""Shares of flipped or of stable pictures below which that is said."""

FEW = 30
"""Pictures of a direction below which nothing is said but that they are few."""

_RATES = {
    "flip": "flipped",
    "stable": "stays",
    "cycle": "returns",
    "oracle_flip": "oracle_flipped",
    "oracle_agrees": "oracle_agrees",
}
_MEANS = {
    "l1": "l1",
    "l2": "l2",
    "sparsity": "changed",
    "error_stable": "error_stable",
    "error_cycle": "error_cycle",
    "iou": "iou",
    "ncc": "ncc",
    "iou_by_chance": "chance",
}


@dataclass(frozen=True, eq=False)
class CounterfactualReport:
    """What a test of generators found.

    Args:
        manifest: all that is written to ``counterfactuals.json``.
        directions: what became of the pictures, direction by direction.
        names: class index → name.
    """

    manifest: Mapping[str, Any]
    directions: Sequence[Direction]
    names: Mapping[int, str]

    @property
    def findings(self) -> list[str]:
        """What the figures mean, sentence by sentence."""
        return list(self.manifest["findings"])

    def sheet(self) -> bytes:
        """Draw some pictures of each direction, those that flipped and those that did not; PNG."""
        return samples_png(
            {title: rows for each in self.directions for title, rows in _blocks(each, self.names).items()},
            "Counterfactuals: white is no difference",
        )

    def save(self, folder: str | Path) -> Path:
        """Write ``counterfactuals.json``, ``rows.csv``, ``examples.png`` and ``report.md``, each whole or not at all.

        Raises:
            RequestError: the folder cannot be written, or holds something that is no earlier test.
        """
        check_free(Path(folder), RECORD)
        files = {
            "rows.csv": as_csv(self.directions),
            "examples.png": self.sheet(),
            "report.md": as_page(self.manifest).encode(),
            RECORD: as_record(self.manifest),
        }
        return write_files(Path(folder), files)


def summarise(columns: Columns) -> dict[str, Any]:
    """Say what became of some pictures, all of them: nothing here is of flipped pictures alone.

    Args:
        columns: as `seewhy.audit.counterfactual_work.Direction` has them.

    Returns:
        ``n``; shares with Wilson's intervals; means with bootstrap intervals; ``shift``, the share of all change that is the same
        everywhere in a picture; None where nothing was measured.

    Example:
        >>> summarise({"flipped": np.array([1.0, 0.0]), "even": np.ones(2), "every": np.ones(2)})["flip"]["value"]
        0.5
    """
    found: dict[str, Any] = {"n": len(columns["flipped"])}
    for name, column in _RATES.items():
        found[name] = _facts(_share(columns.get(column, np.zeros(0))))
    for name, column in _MEANS.items():
        values = columns.get(column, np.zeros(0))
        found[name] = _facts(mean(values[np.isfinite(values)]))
    pair = np.stack([columns["even"], columns["every"]], 1)
    found["shift"] = _facts(bootstrap(pair, lambda means: means[..., 0] / means[..., 1]))
    return found


def _share(values: np.ndarray) -> Interval:
    """A share of those for which it is known."""
    known = values[np.isfinite(values)]
    return wilson(int(known.sum()), len(known)) if len(known) else NOTHING


def _facts(interval: Interval) -> dict[str, float | None] | None:
    """An interval as plain data; None where nothing was measured."""
    if math.isnan(interval.value):
        return None
    return {name: plain(value) for name, value in asdict(interval).items()}


def about_direction(found: Direction, names: Mapping[int, str], like: Likeness | None) -> dict[str, Any]:
    """Write down one direction.

    Args:
        found: what became of its pictures.
        names: class index → name.
        like: Fréchet distances; None where they were not measured.
    """
    made, real = found.spread
    return {
        "source": {"index": found.source, "label": names[found.source]},
        "target": {"index": found.target, "label": names[found.target]},
        **summarise(found.columns),
        "frechet": None if like is None else {**asdict(like), "ratio": plain(like.ratio)},
        "diversity": {"made": plain(made), "real": plain(real), "ratio": plain(made / real) if real > 0 else None},
        "classes_apart": plain(found.apart),
        "restored": {name: dict(shares) for name, shares in found.restored.items()},
        "undone_real": plain(found.undone_real),
    }


def findings(directions: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say what the figures of each direction mean, where they mean something; ours are the thresholds.

    Args:
        directions: as `about_direction` gives them.
    """
    said = []
    for each in directions:
        way = f"{each['source']['label']} → {each['target']['label']}"
        if each["n"] < FEW:
            said.append(f"{way}: {each['n']} pictures are too few to say much.")
        said += [f"{way}: {sentence}" for sentence in (*_collapse(each), *_noise(each), *_controls(each))]
    return said


def _collapse(each: Mapping[str, Any]) -> list[str]:
    """Is there an edit, and is it of each picture?"""
    said, flip, change = [], each["flip"]["value"], each["l1"]["value"]
    apart, variety = each["classes_apart"], each["diversity"]["ratio"]
    if flip < HALF and apart and change < UNMOVED * apart:
        said.append(
            f"identity collapse: the generator hardly edits (mean change {change:.3f}, {change / apart:.0%} of what the classes "
            f"are apart) and {flip:.0%} flip."
        )
    elif flip < RELIABLE:
        said.append(f"{flip:.0%} flip: of the others the map shows a change that changes nothing for the classifier.")
    if each["stable"] and each["stable"]["value"] < RELIABLE:
        said.append(
            f"{each['stable']['value']:.0%} of the stable pictures keep their class: take the input in their place "
            "(counterfactual:definition=input)."
        )
    if variety is not None and variety < VARIETY:
        said.append(
            f"prototype collapse: the made pictures differ from each other {variety:.0%} as much as real ones do, so the change "
            "shows more than this picture needs."
        )
    shift = each["shift"]
    if shift and shift["value"] > SHIFTED:
        said.append(f"{shift['value']:.0%} of the change is one of overall brightness, not of any place.")
    return said


def _noise(each: Mapping[str, Any]) -> list[str]:
    """Does anyone but the classifier see it?"""
    flip, oracle, agrees = (each[name] for name in ("flip", "oracle_flip", "oracle_agrees"))
    if oracle is None:
        return []
    if flip["value"] - oracle["value"] > NOISE:
        said = f"the classifier takes {flip['value']:.0%} for the other class, the oracle {oracle['value']:.0%}"
        return [
            f"{said} (it agrees on {agrees['value']:.0%} of the inputs): much of the change only this classifier sees."
        ]
    return []


def _controls(each: Mapping[str, Any]) -> list[str]:
    """What do undoing and bringing back rest on?"""
    if each["flip"]["value"] < HALF:  # what was never turned needs no way back
        return []
    said, restored = [], each["restored"]
    clean = restored.get(UNDISTURBED, {})
    own, real = clean.get("undo"), each["undone_real"]
    if own is not None and real is not None and own - real > HALF:
        said.append(
            f"the generator undoes {own:.0%} of its own pictures and {real:.0%} of real ones of that class: the stable picture "
            "says that the edit can be taken back, and is no second opinion."
        )
    for route, words in (("back", "brought back"), ("undo", "undone")):
        lost = [name for name, shares in restored.items() if shares.get(route, 1) < FRAGILE * clean.get(route, 0)]
        if lost:
            worst = min(lost, key=lambda name: restored[name][route])
            said.append(
                f"{clean[route]:.0%} of the pictures are {words}, but {restored[worst][route]:.0%} after {worst}: the way back "
                f"rests on a signal that is hardly visible (lost with {', '.join(lost)})."
            )
    return said


def worst(directions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return of each figure that has a good side the worst direction's.

    Example:
        >>> worst([])
        {}
    """
    found = {}
    for name, better in {**dict.fromkeys(_RATES, max), "ratio": min}.items():
        values = [
            (each["frechet"] or {}).get("ratio") if name == "ratio" else (each[name] or {}).get("value")
            for each in directions
        ]
        known = [value for value in values if value is not None]
        if known:
            found[name] = min(known) if better is max else max(known)
    return found


def as_csv(directions: Sequence[Direction]) -> bytes:
    """Write a line a picture; what is not known is empty."""
    text = io.StringIO(newline="")
    table = csv.writer(text)
    names = list(directions[0].columns)
    table.writerow(["picture", "source", "target", *names])
    for each in directions:
        for row, place in enumerate(each.places.tolist()):
            values = (float(each.columns[name][row]) for name in names)
            cells = ("" if math.isnan(value) else f"{value:.6g}" for value in values)
            table.writerow([place, each.source, each.target, *cells])
    return text.getvalue().encode()


def _blocks(found: Direction, names: Mapping[int, str]) -> dict[str, dict[str, Any]]:
    """The first pictures that flipped and the first that did not."""
    way, total = f"{names[found.source]} → {names[found.target]}", len(found.places)
    blocks = {}
    for outcome, words in ((True, "flipped"), (False, "not flipped")):
        count = int((found.columns["flipped"] == outcome).sum())
        if count:
            blocks[f"{way}: {words} ({count:,} of {total:,})"] = dict(found.shown[outcome])
    return blocks


LINES = {
    "pictures": "n",
    "flip": "flip",
    "oracle flip": "oracle_flip",
    "oracle agrees on inputs": "oracle_agrees",
    "stable stays": "stable",
    "cycle returns": "cycle",
    "input to stable, L1": "error_stable",
    "input to cycle, L1": "error_cycle",
    "input to adversarial, L1": "l1",
    "the same, L2": "l2",
    "pixels changed": "sparsity",
    "change of brightness": "shift",
    "IoU with the truth": "iou",
    "IoU by chance": "iou_by_chance",
    "NCC with the truth": "ncc",
}
"""What the tables show: words → key."""


def lines(manifest: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Write the figures as a table: the head, then a row a figure and a column a direction.

    Args:
        manifest: of a test.
    """
    parts = [*manifest["directions"], manifest["overall"]]
    head = [f"{each['source']['label']} → {each['target']['label']}" for each in manifest["directions"]]
    table = [("", *head, "all")]
    for words, key in LINES.items():
        if any(each[key] is not None for each in parts):
            table.append((words, *(_cell(each[key]) for each in parts)))
    for words, key in (("Fréchet to target / real-real", "ratio"), ("the same for two halves", "floor")):
        if any(each["frechet"] for each in manifest["directions"]):
            table.append((words, *(_ratio(each["frechet"], key) for each in manifest["directions"]), ""))
    ratios = (each["diversity"]["ratio"] for each in manifest["directions"])
    table.append(("diversity, made / real", *("–" if each is None else f"{each:.2f}" for each in ratios), ""))
    return table


def _cell(figure: Any) -> str:  # noqa: ANN401 - a count, an interval or nothing
    """One figure with its interval."""
    if figure is None:
        return "–"
    if isinstance(figure, int):
        return f"{figure:,}"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _ratio(frechet: Mapping[str, float] | None, key: str) -> str:
    """A Fréchet distance in units of that between real pictures of the two classes."""
    if not frechet or not frechet["real"]:
        return "–"
    return f"{frechet['to_target' if key == 'ratio' else key] / frechet['real']:.3f}"


def as_page(manifest: Mapping[str, Any]) -> str:
    """Write the figures and what they mean as Markdown."""
    head, *rows = lines(manifest)
    about = (
        f"{manifest['pictures']} pictures of {manifest['source']}; {manifest['left_out']} of them are left out, as the classifier "
        "puts them in a class that the generators do not know. Every figure is of all pictures of its column, flipped or not; in "
        "brackets 95 % intervals."
    )
    table = ["| " + " | ".join(row) + " |" for row in (head, tuple("---" for _ in head), *rows)]
    said = [f"- {sentence}" for sentence in manifest["findings"]] or ["Nothing that is looked for was found wrong."]
    title = f"# Counterfactuals of {manifest['classifier']['spec']}"
    return "\n".join([title, "", about, "", *table, "", *said, ""])
