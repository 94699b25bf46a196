"""Audit counterfactual generators on many images: do they flip the prediction, does another classifier agree, are they realistic?"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from seewhy import registry
from seewhy.audit._image_statistics import frechet_distances
from seewhy.audit.counterfactual_report import CounterfactualReport, findings, summarise, summarise_direction, worst
from seewhy.audit.counterfactual_work import (
    BatchedClassifier,
    Codes,
    Direction,
    EvaluatedGenerators,
    Generators,
    group_by_direction,
)
from seewhy.classifiers.validation import validate_classifier
from seewhy.core.classifier import Classifier
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
    FrechetDistances,
    GeneratorsInfo,
    OracleInfo,
    OverallResult,
)

TAU = 0.05
"""Default threshold: a pixel is changed if its intensity in [0, 1] differs by more than this."""

_FEWEST = 4
"""Fréchet distances need at least this many real images of each class."""


@dataclass(frozen=True, eq=False)
class _Inputs:
    """Labels and predictions of the unmodified images; -1 is a label that the classifier does not have."""

    probabilities: Float[np.ndarray, "n k"]
    labels: Int[np.ndarray, " n"] | None
    oracle: Int[np.ndarray, " n"] | None

    @property
    def predicted(self) -> Int[np.ndarray, " n"]:
        """The class that the classifier predicts for each image."""
        predicted: Int[np.ndarray, " n"] = self.probabilities.argmax(1)
        return predicted


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

    Cost in queries: four per image (two of them of the oracle), and up to fourteen for each of the first 200 images of a
    direction.
    """
    started = time.monotonic()
    if not 0 <= tau < 1:
        raise RequestError(
            f"expected tau from 0 to less than 1, a change of intensity, got {tau}; {TAU} is the default"
        )
    opened = registry.classifier(classifier, trust=trust, device=device)
    loaded = _load(generators, opened)
    collection = source if isinstance(source, Collection) else read_collection(source, view=opened.view)
    collection = _choose(collection, loaded, limit, seed)
    asked = BatchedClassifier(opened, batch_size)
    second = None if oracle is None else _open_oracle(oracle, opened, loaded, batch_size, trust=trust, device=device)
    tested = validate_classifier(opened, collection.images(slice(0, 1))[0])
    inputs = _predict(collection, asked, second)
    groups = group_by_direction(loaded.classes, inputs.probabilities)
    total = sum(map(len, groups.values()))
    if not total:
        names = ", ".join(label(each, opened) for each in loaded.classes)
        raise RequestError(f"expected images predicted as {names}, got none; use images of those classes")
    work = EvaluatedGenerators(loaded, asked, second, codes, collection, inputs.predicted, tau, seed, progress, total)
    found = [work.measure(*way, places) for way, places in groups.items()]
    first = next(iter(groups))
    audit = _Audit(
        started=started,
        folder=str(generators) if isinstance(generators, str | Path) else None,
        work=work,
        inputs=inputs,
        directions=found,
        seconds_per_explanation=work.seconds(first, groups[first]),
        warnings=tested.warnings,
    )
    return audit.report()


def _load(generators: Generators | str | Path, classifier: Classifier) -> Generators:
    """Load the generators if they are in a folder."""
    if not isinstance(generators, str | Path):
        return generators
    loaded, _ = load_generators(Path(generators), fingerprint=classifier.fingerprint)
    return loaded.to(classifier.device)


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


def _predict(collection: Collection, classifier: BatchedClassifier, oracle: BatchedClassifier | None) -> _Inputs:
    """Query both classifiers about the unmodified images."""
    starts = range(0, len(collection), classifier.batch)
    batches = [slice(start, start + classifier.batch) for start in starts]
    found = np.concatenate([classifier.probabilities(collection.images(some)) for some in batches])
    other = None if oracle is None else np.concatenate([oracle.classes(collection.images(some)) for some in batches])
    labels = None
    if collection.labels is not None:
        names = classifier.classifier.labels
        numbers = [names.index(name) if name in names else -1 for name in collection.classes] if names else None
        labels = collection.labels if numbers is None else np.array(numbers)[collection.labels]
    return _Inputs(found, labels, other)


@dataclass(frozen=True, eq=False)
class _Audit:
    """A finished audit, to be summarised; `started` is a time of the monotonic clock."""

    started: float
    folder: str | None
    work: EvaluatedGenerators
    inputs: _Inputs
    directions: list[Direction]
    seconds_per_explanation: float
    warnings: tuple[str, ...]

    @property
    def names(self) -> Mapping[int, str]:
        """Index → name of each class that the generators know."""
        return {each: label(each, self.work.classifier.classifier) for each in self.work.generators.classes}

    def report(self) -> CounterfactualReport:
        """Summarise all directions."""
        names, work, asked, labels = self.names, self.work, self.work.classifier, self.inputs.labels
        results = tuple(
            summarise_direction(
                each, names, self._frechet(each), None if labels is None else labels[each.places] == each.source
            )
            for each in self.directions
        )
        columns = self.directions[0].columns
        every = {name: np.concatenate([each.columns[name] for each in self.directions]) for name in columns}
        record = CounterfactualRecord(
            source=work.collection.source,
            images=len(work.collection),
            left_out=len(work.collection) - sum(len(each.places) for each in self.directions),
            tau=work.tau,
            seed=work.seed,
            classifier=classifier_info(asked.classifier, asked.count),
            view=asked.classifier.view.describe(),
            generators=GeneratorsInfo(
                self.folder,
                work.generators.arm,
                tuple(ClassName(index, name) for index, name in names.items()),
                work.generators.size,
            ),
            oracle=self._oracle(),
            directions=results,
            overall=OverallResult(summarise(every), worst(results)),
            findings=findings(results),
            warnings=self.warnings,
            seconds_per_explanation=plain(self.seconds_per_explanation),
            queries=asked.queries + (work.oracle.queries if work.oracle else 0),
            seconds=round(time.monotonic() - self.started, 3),
        )
        return CounterfactualReport(record, self.directions, names)

    def _oracle(self) -> OracleInfo | None:
        """Describe the oracle and its accuracy on the input images, without which its predictions mean little."""
        oracle, predicted, labels = self.work.oracle, self.inputs.oracle, self.inputs.labels
        if oracle is None or predicted is None:
            return None
        places = np.concatenate([each.places for each in self.directions])
        return OracleInfo(
            classifier=classifier_info(oracle.classifier, oracle.count),
            accuracy=None if labels is None else float((predicted[places] == labels[places]).mean()),
            agreement=float((predicted[places] == self.inputs.predicted[places]).mean()),
        )

    def _frechet(self, found: Direction) -> FrechetDistances | None:
        """Compare the adversarial images with real images, grouped by predicted class; None where they are too few."""
        codes = self.work.codes
        if codes is None or found.codes is None:
            return None
        real = [np.flatnonzero(self.inputs.predicted == each) for each in (found.source, found.target)]
        if min(len(found.codes), *map(len, real)) < _FEWEST:
            return None
        source, target = (
            np.concatenate([codes(self.work.images(some)) for some in np.array_split(places, -(-len(places) // 256))])
            for places in real
        )
        return frechet_distances(found.codes, source, target)
