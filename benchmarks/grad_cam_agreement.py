"""Does our Grad-CAM agree with the package grad-cam on the same layer of the same network?

Usage: python benchmarks/grad_cam_agreement.py PHOTO... [--json]

The script needs the package grad-cam (pip install grad-cam), which rescales its maps from minimum to maximum; our maps
are rescaled the same way here. Both methods see the classifier's own input, preprocessed by the classifier, and explain
its predicted class.
"""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import torch
from common import Row, classifier_option, environment, json_option, publish
from jaxtyping import Float
from torch import Tensor, nn

import seewhy
from seewhy import registry
from seewhy.core.attribution import Map
from seewhy.core.layers import layer as find_layer
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence
from seewhy.images.open import open_image
from seewhy.images.view import apply_view
from seewhy.methods.layers.grad_cam import grad_cam, grad_cam_plus_plus


class _Whole(nn.Module):
    """The classifier from images in [0, 1] to scores, as the single module that the package expects."""

    def __init__(self, classifier: Any) -> None:  # noqa: ANN401 - any classifier that exposes its module
        super().__init__()
        self.inside, self.classifier = classifier.module, classifier

    def forward(self, images: Float[Tensor, "n 3 h w"]) -> Float[Tensor, "n k"]:
        """Return the scores before the soft-max."""
        scores: Tensor = self.classifier.scores(images)
        return scores


def _package() -> ModuleType:
    """Import the reference package."""
    try:
        return importlib.import_module("pytorch_grad_cam")
    except ModuleNotFoundError as error:
        raise click.ClickException(f"expected the package grad-cam, got {error}; run: pip install grad-cam") from error


def stretched(values: Map) -> Map:
    """Rescale to [0, 1]."""
    unit: Map = (values - values.min()) / max(float(np.ptp(values)), 1e-12)
    return unit


def _compare(classifier: Any, path: Path, layer: str) -> list[Row]:  # noqa: ANN401 - ditto
    """Compare both methods with the package on one photo."""
    image, _ = apply_view(open_image(path), classifier.view)
    probe = Probe(classifier, registry.infill("gray", classifier)[1], image)
    top = int(probe.prediction.argmax())
    package, rows = _package(), []
    for ours, theirs in ((grad_cam, package.GradCAM), (grad_cam_plus_plus, package.GradCAMPlusPlus)):
        maps = ours(probe, [ClassEvidence(top)], layer=layer)
        place = find_layer(classifier.module, str(maps.settings["layer"]))
        with torch.enable_grad(), theirs(model=_Whole(classifier), target_layers=[place]) as cam:
            other = cam(input_tensor=probe.image[None].clone().requires_grad_(), targets=None)[0]
        apart = float(np.abs(stretched(maps.values[f"class:{top}"]) - stretched(other)).max())
        rows.append(
            {
                "photo": path.name,
                "method": ours.__name__,
                "layer": maps.settings["layer"],
                "largest_difference": apart,
            }
        )
    return rows


@click.command()
@click.argument("photos", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--layer",
    default="_conv_head",
    show_default=True,
    help="Layer that runs once per image; for others the package uses a different run.",
)
@classifier_option("efficientnet-lite0")
@json_option
def main(photos: tuple[Path, ...], layer: str, classifier: str, *, as_json: bool) -> None:
    """Compare our Grad-CAM maps with the package's, per photo."""
    asked = seewhy.classifier(classifier)
    rows = [row for path in photos for row in _compare(asked, path, layer)]
    worst = max(row["largest_difference"] for row in rows)
    protocol = "predicted class, same layer, both maps rescaled to [0, 1], largest difference over pixels"
    facts = {"benchmark": "grad_cam_agreement", "protocol": protocol, **environment(), "classifier": asked.name}
    publish({**facts, "agreement": rows, "worst": worst}, as_json=as_json)


if __name__ == "__main__":
    main()
