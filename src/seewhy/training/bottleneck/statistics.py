"""Measure a layer's feature statistics over photos, for the information bottleneck of `seewhy.methods.layers.iba`."""

from collections.abc import Sequence
from pathlib import Path

from seewhy import registry
from seewhy.core.access import Access
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.methods.layers._feature_maps import find
from seewhy.methods.layers.iba import IBA_STRIDE
from seewhy.methods.layers.iba_readout import gather
from seewhy.nets.bottleneck import Counting, Statistics, save_statistics
from seewhy.results.folder import check_writable
from seewhy.runtime.machine import installed
from seewhy.training.loop import Progress, no_progress


@plain_torch()
def measure(
    classifier: Classifier,
    photos: Sequence[Path],
    out: Path,
    *,
    layer: str | None = None,
    progress: Progress = no_progress,
) -> tuple[str, Statistics]:
    """Measure the mean and standard deviation of each feature of a layer over photos, and write them to a folder.

    The layer is the one that ``iba`` chooses, unless it is named. Nothing is written before all photos are processed. The
    cost is one query per photo, plus one.
    """
    check_writable(out)
    probe = bind_first(classifier, photos)
    place = find(probe, layer, stride=IBA_STRIDE, once=True)
    statistics = measure_layers(probe, [place.layer], photos, progress)[0]
    facts = {
        "what": "mean and standard deviation of each feature of a layer over photos",
        "layer": place.layer,
        "classifier": classifier.name,
        "fingerprint": classifier.fingerprint,
        "seewhy": installed("seewhy"),
    }
    save_statistics(out, statistics, facts)
    return place.layer, statistics


def bind_first(classifier: Classifier, photos: Sequence[Path]) -> Probe:
    """Bind a classifier and the first photo; the in-fill is a placeholder that is never used.

    Raises:
        RequestError: the layers are not accessible or have no fixed shape, or there is no photo.
    """
    if classifier.access < Access.INTERNALS:
        raise RequestError(f"expected a classifier with accessible layers, got {classifier.name}; give a torch module")
    if classifier.view.size is None:
        raise RequestError(f"expected a classifier with a fixed input size, got {classifier.name}; give size=")
    if not photos:
        raise RequestError("expected at least one photo, got none; give a folder that contains photos")
    return Probe(classifier, registry.infill("gray", classifier)[1], view_photo(classifier, photos[0]))


def view_photo(classifier: Classifier, photo: Path) -> Image:
    """Read a photo in the classifier's view."""
    return apply_view(open_image(photo), classifier.view)[0].to(classifier.device)


def measure_layers(probe: Probe, layers: Sequence[str], photos: Sequence[Path], progress: Progress) -> list[Statistics]:
    """Measure the statistics of each layer over photos, and of the scores last."""
    counting = [Counting() for _ in (*layers, "scores")]
    for number, path in enumerate(photos, 1):
        sources = gather(probe, layers, view_photo(probe.classifier, path)[None])
        for count, source in zip(counting, sources, strict=True):
            count.add(source[0])
        progress(number, len(photos), "photos", "")
    return [count.result() for count in counting]
