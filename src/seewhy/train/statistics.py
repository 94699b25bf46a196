"""Measure how the features of a layer are spread over photos, for the information bottleneck of `seewhy.methods.iba`."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from seewhy import registry
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.images.open import open_picture
from seewhy.images.view import apply_view
from seewhy.methods.iba import IBA_STRIDE
from seewhy.methods.iba_readout import gather
from seewhy.methods.inside import find
from seewhy.nets.bottleneck import Counting, Statistics, save_statistics

Progress = Callable[[int, int], None]
"""Told after each photo: photos done, photos in all."""


def silent(done: int, planned: int) -> None:
    """Report nothing."""
    del done, planned


def measure(
    classifier: Classifier, photos: Sequence[Path], out: Path, *, layer: str | None = None, progress: Progress = silent
) -> tuple[str, Statistics]:
    """Show every photo to the network, and write mean and spread of each feature of a layer to a folder.

    Args:
        classifier: a network that shows its layers, with a fixed size of input.
        photos: picture files.
        out: folder for ``statistics.safetensors`` and ``card.json``; it is created when all photos were seen.
        layer: its name; None for the one that ``iba`` chooses.
        progress: told after each photo.

    Returns:
        The layer and what was measured.

    Raises:
        RequestError: the classifier hides its layers or takes pictures of any size, there is no such layer, or a photo cannot
            be read.

    Cost: one query a photo and one more.
    """
    check_measurable(classifier)
    place, counting = None, Counting()
    for number, path in enumerate(photos, 1):
        probe = bind_photo(classifier, apply_view(open_picture(path), classifier.view)[0])
        place = place or find(probe, layer, stride=IBA_STRIDE)
        features, _ = gather(probe, [place.layer], probe.image[None])  # and the scores
        counting.add(features[0])
        progress(number, len(photos))
    if place is None:
        raise RequestError("expected at least one photo, got none; name a folder that holds some")
    statistics = counting.result()
    save_statistics(out, statistics, _facts(classifier, place.layer))
    return place.layer, statistics


def check_measurable(classifier: Classifier) -> None:
    """Make sure that a layer can be looked at, and has one shape.

    Raises:
        RequestError: the classifier hides its layers or takes pictures of any size.
    """
    if classifier.access < Access.INTERNALS:
        raise RequestError(f"expected a classifier that shows its layers, got {classifier.name}; give a torch module")
    if classifier.view.size is None:
        raise RequestError(f"expected a classifier with one size of input, got {classifier.name}; give size=")


def bind_photo(classifier: Classifier, image: Image) -> Probe:
    """Bind a photo; nothing is filled in."""
    return Probe(classifier, registry.infill("gray", classifier)[1], image)


def _facts(classifier: Classifier, layer: str) -> dict[str, object]:
    """What tells whether the statistics fit a question."""
    return {
        "what": "mean, standard deviation and root mean square where not 0, of each feature of a layer over photos",
        "layer": layer,
        "classifier": classifier.name,
        "fingerprint": classifier.fingerprint,
        "seewhy": version("seewhy"),
    }
