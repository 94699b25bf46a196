"""Test generators of counterfactuals on many pictures: do they flip, does anyone else see it, and is it like real pictures?"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from seewhy import registry
from seewhy.classifiers.selftest import self_test
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.probe import Progress, silent
from seewhy.core.score import plain
from seewhy.images.collection import Collection, read_collection
from seewhy.audit._image_statistics import TAU, Likeness, likeness
from seewhy.nets.counterfactual_generators import load_generators
from seewhy.runs.explanation import SCHEMA_VERSION
from seewhy.runs.manifest import label
from seewhy.audit.counterfactual_report import CounterfactualReport, about_direction, findings, summarise, worst
from seewhy.audit.counterfactual_work import Bench, Codes, Columns, Direction, Generators, Judge, pairs

_FEWEST = 4  # real pictures of a class behind a Fréchet distance, at least


@dataclass(frozen=True, eq=False)
class _Inputs:
    """The pictures, and what was said of them before anything was made."""

    said: Float[np.ndarray, "n k"]
    truth: Int[np.ndarray, " n"] | None
    oracle: Int[np.ndarray, " n"] | None

    @property
    def top(self) -> Int[np.ndarray, " n"]:
        """The class of each picture in the classifier's eyes."""
        top: Int[np.ndarray, " n"] = self.said.argmax(1)
        return top


def evaluate(
    classifier: object,
    twins: Generators | str | Path,
    source: Collection | str | Path,
    *,
    oracle: object | None = None,
    codes: Codes | None = None,
    limit: int | None = None,
    tau: float = TAU,
    seed: int = 0,
    batch_size: int = 64,
    device: str | None = None,
    trust: bool = True,
    progress: Progress = silent,
) -> CounterfactualReport:
    """Run generators over many pictures and measure what becomes of them, flipped or not.

    Pictures go by what the classifier says of them, whatever their labels. Localisation is of the pictures whose region is known,
    that is, those that have something to be found.

    Args:
        classifier: the one that the generators were trained for, as for `seewhy.explain`.
        twins: the generators, or the folder that ``seewhy train counterfactual`` wrote.
        source: pictures that were not trained on; see `seewhy.images.collection.read_collection`.
        oracle: another classifier of the same classes, trained apart, to say whether the change is one that it sees too.
        codes: an embedding that has not seen the classifier, such as `seewhy.train.embedding.train_embedding(…).codes`, for
            Fréchet distances; None: none are measured.
        limit: only so many pictures, drawn with ``seed``.
        tau: change of a pixel beyond which it counts as changed.
        seed: of the choice and of the noise.
        batch_size: pictures shown at once.
        device: where torch computes; None: where the classifier is.
        trust: allow Specs that run code from a file.
        progress: called with (pictures done, pictures in all).

    Returns:
        Figures for each direction and overall, with 95 % intervals, and what they mean in words.

    Raises:
        RequestError: ``tau`` is out of range, the generators are of another classifier or of another size of picture, the oracle
            does not know the classes, or no picture is predicted to be of a class that the generators know.

    Cost in queries: four a picture (two of the oracle), and up to fourteen for each of the first 200 of a direction.
    """
    started = time.monotonic()
    if not 0 <= tau < 1:
        raise RequestError(f"expected tau from 0 to less than 1, a change of intensity, got {tau}")
    asked = registry.classifier(classifier, trust=trust, device=device)
    made = _generators(twins, asked)
    pictures = source if isinstance(source, Collection) else read_collection(source, view=asked.view)
    if pictures.size != made.size:
        raise RequestError(
            f"expected pictures of {made.size[0]} × {made.size[1]} pixels, as the generators were trained on, got "
            f"{pictures.size[0]} × {pictures.size[1]}; give others"
        )
    pictures = _choose(pictures, limit, seed)
    judge, second = Judge(asked, batch_size), _oracle(oracle, asked, made, batch_size, trust=trust, device=device)
    tested = self_test(asked, pictures.images(slice(0, 1))[0])
    inputs = _look(pictures, judge, second)
    ways = pairs(made.classes, inputs.said)
    total = sum(map(len, ways.values()))
    if not total:
        raise RequestError(
            f"expected pictures that the classifier puts in {', '.join(label(each, asked) for each in made.classes)}, got none; "
            "give pictures of those classes"
        )
    bench = Bench(made, judge, second, codes, pictures, inputs.top, tau, seed, _counting(progress, total))
    found = [bench.test(*way, places) for way, places in ways.items()]
    first = next(iter(ways))
    facts = {
        **_about(asked, made, pictures, twins),
        "left_out": len(pictures) - total,
        "tau": tau,
        "seed": seed,
        "oracle": _about_oracle(second, inputs, ways),
        "seconds_per_explanation": plain(bench.seconds(first, ways[first])),
        "warnings": list(tested.warnings),
    }
    facts["queries"] = judge.queries + (second.queries if second else 0)
    facts["seconds"] = round(time.monotonic() - started, 3)
    return _report(facts, found, inputs, bench, asked)


def _generators(twins: Generators | str | Path, classifier: Classifier) -> Generators:
    """Load them if they are in a folder."""
    if not isinstance(twins, str | Path):
        return twins
    loaded, _ = load_generators(Path(twins), fingerprint=classifier.fingerprint)
    return loaded.to(classifier.device)


def _choose(pictures: Collection, limit: int | None, seed: int) -> Collection:
    """Draw some pictures; a folder that is sorted by class is not cut off after the first."""
    if limit is None or limit >= len(pictures):
        return pictures
    return pictures.take(np.sort(np.random.default_rng(seed).permutation(len(pictures))[:limit]))


def _oracle(
    source: object | None, classifier: Classifier, twins: Generators, batch: int, *, trust: bool, device: str | None
) -> Judge | None:
    """Open the second classifier, and find the classes in it: by name where both have names, else by number."""
    if source is None:
        return None
    oracle = registry.classifier(source, trust=trust, device=device)
    if oracle.labels is None or classifier.labels is None:
        return Judge(oracle, batch)
    named = [classifier.labels[index] for index in twins.classes]
    missing = [name for name in named if name not in oracle.labels]
    if missing:
        raise RequestError(
            f"expected an oracle that knows {', '.join(named)}, got {oracle.name} without {', '.join(missing)}; give another"
        )
    return Judge(oracle, batch, dict(zip(map(oracle.labels.index, named), twins.classes, strict=True)))


def _look(pictures: Collection, judge: Judge, oracle: Judge | None) -> _Inputs:
    """Ask about the pictures as they are."""
    starts = range(0, len(pictures), judge.batch)
    batches = [slice(start, start + judge.batch) for start in starts]
    said = np.concatenate([judge.probabilities(pictures.images(some)) for some in batches])
    other = None if oracle is None else np.concatenate([oracle.classes(pictures.images(some)) for some in batches])
    truth = None
    if pictures.labels is not None:
        names = judge.classifier.labels
        numbers = [names.index(name) if name in names else -1 for name in pictures.classes] if names else None
        truth = pictures.labels if numbers is None else np.array(numbers)[pictures.labels]
    return _Inputs(said, truth, other)


def _counting(progress: Progress, total: int) -> Callable[[int], None]:
    """Tell of pictures in all rather than of those of a batch."""
    done = 0

    def more(count: int) -> None:
        nonlocal done
        done += count
        progress(done, total)

    return more


def _about(classifier: Classifier, twins: Generators, pictures: Collection, given: object) -> dict[str, Any]:
    """Write down what was tested on what."""
    return {
        "schema_version": SCHEMA_VERSION,
        "source": pictures.source,
        "pictures": len(pictures),
        "classifier": {
            "spec": classifier.name,
            "fingerprint": classifier.fingerprint,
            "view": classifier.view.describe(),
        },
        "generators": {
            "folder": str(given) if isinstance(given, str | Path) else None,
            "arm": twins.arm,
            "classes": [{"index": each, "label": label(each, classifier)} for each in twins.classes],
            "size": list(twins.size),
        },
    }


def _about_oracle(
    oracle: Judge | None, inputs: _Inputs, ways: Mapping[tuple[int, int], Int[np.ndarray, " m"]]
) -> dict[str, Any] | None:
    """Say how good the oracle is on the pictures themselves, without which its answers cannot be read."""
    if oracle is None or inputs.oracle is None:
        return None
    places = np.concatenate(list(ways.values()))
    said = inputs.oracle[places]
    right = None if inputs.truth is None else float((said == inputs.truth[places]).mean())
    return {
        "spec": oracle.classifier.name,
        "fingerprint": oracle.classifier.fingerprint,
        "accuracy": right,
        "agreement": float((said == inputs.top[places]).mean()),
    }


def _report(
    facts: dict[str, Any], found: list[Direction], inputs: _Inputs, bench: Bench, classifier: Classifier
) -> CounterfactualReport:
    """Sum up."""
    names = {each: label(each, classifier) for each in bench.twins.classes}
    directions = [
        {**about_direction(each, names, _like(each, inputs, bench)), **_by_truth(each.columns, each, inputs)}
        for each in found
    ]
    every = {name: np.concatenate([each.columns[name] for each in found]) for name in found[0].columns}
    overall = {**summarise(every), "worst": worst(directions)}
    said = {"directions": directions, "overall": overall, "findings": findings(directions)}
    return CounterfactualReport({**facts, **said}, found, names)


def _by_truth(columns: Columns, found: Direction, inputs: _Inputs) -> dict[str, Any]:
    """The same figures for pictures that the classifier is right about, and for those that it is wrong about."""
    if inputs.truth is None:
        return {"correct": None, "incorrect": None}
    right = inputs.truth[found.places] == found.source
    return {
        name: summarise({key: column[which] for key, column in columns.items()})
        for name, which in (("correct", right), ("incorrect", ~right))
    }


def _like(found: Direction, inputs: _Inputs, bench: Bench) -> Likeness | None:
    """Hold the codes of made pictures against those of real ones, by what the classifier says of those."""
    if bench.codes is None or found.codes is None:
        return None
    real = [np.flatnonzero(inputs.top == each) for each in (found.source, found.target)]
    if min(len(found.codes), *map(len, real)) < _FEWEST:
        return None
    source, target = (
        np.concatenate([bench.codes(bench.images(some)) for some in np.array_split(places, -(-len(places) // 256))])
        for places in real
    )
    return likeness(found.codes, source, target)
