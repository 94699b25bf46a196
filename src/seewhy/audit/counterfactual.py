"""Audit counterfactual generators on many images: do they flip the prediction, does another classifier agree, are they realistic?"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, Shaped

from seewhy import registry
from seewhy.audit.counterfactual_report import CounterfactualReport, findings, worst
from seewhy.audit.counterfactual_work import (
    BatchedClassifier,
    Codes,
    Direction,
    EvaluatedGenerators,
    Generators,
    group_by_direction,
    summarise,
)
from seewhy.classifiers.validation import validate_classifier
from seewhy.core.arrays import Images
from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.core.metric import plain
from seewhy.core.probe import Progress, no_progress
from seewhy.explaining.facts import classifier_info, label
from seewhy.images.collection import Collection, read_collection
from seewhy.nets.counterfactual_generators import load_generators
from seewhy.registry import ClassifierLike
from seewhy.results.audit_counterfactual import (
    ClassName,
    CounterfactualRecord,
    GeneratorsInfo,
    OracleInfo,
    OverallResult,
)

TAU = 0.05
"""Default threshold: a pixel is changed if its intensity in [0, 1] differs by more than this."""


@plain_torch()
def audit_counterfactual(
    classifier: ClassifierLike,
    generators: Generators | str | Path,
    source: Collection | str | Path,
    *,
    oracle: ClassifierLike | None = None,
    codes: Codes | None = None,
    limit: int | None = None,
    tau: float = TAU,
    seed: int = 0,
    batch_size: int = 64,
    device: str | None = None,
    trust: bool = True,
    progress: Progress = no_progress,
) -> CounterfactualReport:
    """Run counterfactual generators on many images and measure the result, flipped or not.

    Images are grouped by the class that the classifier predicts, whatever their labels. Localisation is measured only on
    images whose true region is known and not empty.

    Args:
        classifier: the classifier that the generators were trained for, as for `seewhy.explain`.
        generators: the generators, or the folder that ``seewhy train counterfactual`` wrote.
        source: images that were not used for training; see `seewhy.images.collection.read_collection`.
        oracle: another classifier of the same classes, trained separately, to check whether it sees the change too.
        codes: an embedding that was trained without the classifier, for Fréchet distances; None to skip them.
        limit: use at most this many images, drawn with ``seed``.
        tau: change of intensity above which a pixel counts as changed.
        seed: seed of the choice of images and of the noise.
        batch_size: images per call.
        device: where torch computes; None: where the classifier is.
        trust: allow Specs that run code from a file.
        progress: called with (images done, images in all).

    Returns:
        Figures of each direction and overall, with 95 % intervals, and findings in words.

    Raises:
        RequestError: ``tau`` is out of range, the generators belong to another classifier or another image size, the oracle
            lacks one of the classes, or no image is predicted as a class that the generators know.

    Cost in queries: up to six per image (two of them of the oracle), and up to fourteen for each of the first 200 images of a
    direction.
    """
    started = time.monotonic()
    if batch_size < 1 or (limit is not None and limit < 1):
        raise RequestError(f"expected batch_size and limit of at least 1, got {batch_size} and {limit}")
    if not 0 <= tau < 1:
        raise RequestError(
            f"expected tau from 0 to less than 1, a change of intensity, got {tau}; {TAU} is the default"
        )
    opened = registry.classifier(classifier, trust=trust, device=device)
    folder = str(generators) if isinstance(generators, str | Path) else None
    loaded = _load(generators, opened)
    collection = source if isinstance(source, Collection) else read_collection(source, view=opened.view)
    collection = _choose(collection, loaded, limit, seed)
    asked = BatchedClassifier(opened, batch_size)
    second = None if oracle is None else _open_oracle(oracle, opened, loaded, batch_size, trust=trust, device=device)
    warnings = validate_classifier(opened, collection.images(slice(0, 1))[0]).warnings
    probabilities = _over_batches(asked.probabilities, collection, batch_size)
    names = {index: label(index, opened) for index in loaded.classes}
    groups = group_by_direction(loaded.classes, probabilities)
    if not groups:
        raise RequestError(
            f"expected images predicted as {', '.join(names.values())}, got none; use images of those classes"
        )
    work = EvaluatedGenerators(
        generators=loaded,
        names=names,
        classifier=asked,
        oracle=second,
        codes=codes,
        collection=collection,
        labels=_labels(collection, opened),
        predicted=probabilities.argmax(1),
        seen=None if second is None else _over_batches(second.classes, collection, batch_size),
        tau=tau,
        seed=seed,
        progress=progress,
        total=sum(map(len, groups.values())),
    )
    directions = [work.measure(way, places) for way, places in groups.items()]
    return CounterfactualReport(_record(work, directions, folder, warnings, started), directions)


def _load(generators: Generators | str | Path, classifier: Classifier) -> Generators:
    """Load the generators if they are in a folder."""
    if not isinstance(generators, str | Path):
        return generators
    return load_generators(Path(generators), fingerprint=classifier.fingerprint)[0].to(classifier.device)


def _choose(collection: Collection, generators: Generators, limit: int | None, seed: int) -> Collection:
    """Check the size of the images, and draw some at random: a folder sorted by class is not cut off after its first class."""
    if collection.size != generators.size:
        raise RequestError(
            f"expected images of {generators.size[0]} × {generators.size[1]} pixels, as the generators were trained on, got "
            f"{collection.size[0]} × {collection.size[1]}; use images of that size"
        )
    if limit is None or limit >= len(collection):
        return collection
    return collection.take(np.sort(np.random.default_rng(seed).permutation(len(collection))[:limit]))


def _open_oracle(
    source: ClassifierLike,
    classifier: Classifier,
    generators: Generators,
    batch: int,
    *,
    trust: bool,
    device: str | None,
) -> BatchedClassifier:
    """Open the oracle and match its classes: by name where both classifiers have names, else by index."""
    oracle = registry.classifier(source, trust=trust, device=device)
    if oracle.labels is None or classifier.labels is None:
        return BatchedClassifier(oracle, batch)
    named = [classifier.labels[index] for index in generators.classes]
    missing = [name for name in named if name not in oracle.labels]
    if missing:
        raise RequestError(
            f"expected an oracle with the classes {', '.join(named)}, got {oracle.name} without {', '.join(missing)}; "
            "use another oracle"
        )
    return BatchedClassifier(oracle, batch, dict(zip(map(oracle.labels.index, named), generators.classes, strict=True)))


def _over_batches(
    query: Callable[[Images], Shaped[np.ndarray, "m ..."]], collection: Collection, batch: int
) -> Shaped[np.ndarray, "n ..."]:
    """Query a classifier about all images."""
    starts = range(0, len(collection), batch)
    return np.concatenate([query(collection.images(slice(start, start + batch))) for start in starts])


def _labels(collection: Collection, classifier: Classifier) -> Int[np.ndarray, " n"] | None:
    """Return the labels as indices of the classifier; -1 for a class that it lacks."""
    names = classifier.labels
    if collection.labels is None or not names:
        return collection.labels
    numbers = [names.index(name) if name in names else -1 for name in collection.classes]
    labels: Int[np.ndarray, " n"] = np.array(numbers)[collection.labels]
    return labels


def _record(
    work: EvaluatedGenerators,
    directions: Sequence[Direction],
    folder: str | None,
    warnings: tuple[str, ...],
    started: float,
) -> CounterfactualRecord:
    """Summarise all directions; `started` is a time of the monotonic clock."""
    asked, collection, results = work.classifier, work.collection, tuple(each.result for each in directions)
    columns = {name: np.concatenate([each.columns[name] for each in directions]) for name in directions[0].columns}
    classes = tuple(ClassName(index, name) for index, name in work.names.items())
    seconds = work.seconds(directions[0])
    return CounterfactualRecord(
        source=collection.source,
        images=len(collection),
        left_out=len(collection) - sum(len(each.places) for each in directions),
        tau=work.tau,
        seed=work.seed,
        classifier=classifier_info(asked.classifier, asked.count),
        view=asked.classifier.view.describe(),
        generators=GeneratorsInfo(folder, work.generators.arm, classes, work.generators.size),
        oracle=_oracle_info(work, np.concatenate([each.places for each in directions])),
        directions=results,
        overall=OverallResult(summarise(columns), worst(results)),
        findings=findings(results),
        warnings=warnings,
        seconds_per_explanation=plain(seconds),
        queries=asked.queries + (work.oracle.queries if work.oracle else 0),
        seconds=round(time.monotonic() - started, 3),
    )


def _oracle_info(work: EvaluatedGenerators, places: Int[np.ndarray, " m"]) -> OracleInfo | None:
    """Describe the oracle and its accuracy on the input images, without which its predictions mean little."""
    if work.oracle is None or work.seen is None:
        return None
    seen = work.seen[places]
    return OracleInfo(
        classifier=classifier_info(work.oracle.classifier, work.oracle.count),
        accuracy=None if work.labels is None else float((seen == work.labels[places]).mean()),
        agreement=float((seen == work.predicted[places]).mean()),
    )
