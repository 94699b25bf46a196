"""How do feature statistics from photos change a map of IBA, compared with those of the explained image alone?

Usage: python benchmarks/iba_statistics.py PHOTOS... --statistics FOLDER [--json]

FOLDER is written by ``seewhy train iba``. Each photo (files, or folders of them) is explained twice for its predicted
class. The script prints the Pearson correlation of the two maps, and the fraction of the highest tenth of the pixels
that they share, with 95 % bootstrap intervals over photos.
"""

from pathlib import Path

import click
import numpy as np
from common import Row, classifier_option, environment, interval, json_option, publish, settle, threads_option

import seewhy
from seewhy import registry
from seewhy.core.attribution import Map
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.images.open import open_image
from seewhy.images.sources import list_images
from seewhy.images.view import apply_view
from seewhy.methods.layers.iba import iba


def explained(classifier: seewhy.Classifier, path: Path, statistics: str | None) -> Map:
    """Return the map of the predicted class."""
    image, _ = apply_view(open_image(path), classifier.view)
    probe = Probe(classifier, registry.infill("gray", classifier)[1], image)
    target = ClassEvidence(int(probe.prediction.argmax()))
    return iba(probe, [target], statistics=statistics).values[target.key]


def highest(values: Map) -> set[int]:
    """Return the indices of the highest tenth of the pixels."""
    return set(np.argsort(values, axis=None)[-(values.size // 10) :].tolist())


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--statistics", required=True, type=click.Path(exists=True, file_okay=False), help="Folder of statistics."
)
@classifier_option("efficientnet-lite0")
@threads_option
@json_option
def main(photos: tuple[Path, ...], statistics: str, classifier: str, threads: int | None, *, as_json: bool) -> None:
    """Print how similar the two maps are, per photo and on average."""
    settle(threads)
    asked, rows = seewhy.classifier(classifier), list[Row]()
    for path in list_images(photos):
        own, known = (explained(asked, path, source) for source in (None, statistics))
        common = len(highest(own) & highest(known)) / len(highest(own))
        correlation = float(np.corrcoef(own.ravel(), known.ravel())[0, 1])
        rows.append({"photo": path.name, "correlation": correlation, "common": common})
    means = [{"figure": name, **interval([row[name] for row in rows])} for name in ("correlation", "common")]
    protocol = (
        f"iba of the predicted class, with the image's own statistics and with {statistics}; Pearson; highest tenth"
    )
    facts = {"benchmark": "iba_statistics", "protocol": protocol, **environment(), "classifier": asked.name}
    publish({**facts, "photos": rows, "means": means}, as_json=as_json)


if __name__ == "__main__":
    main()
