"""What `throughput.py` and `compare_methods.py` compete with: other libraries' explanations of one photo, used as documented.

Captum 0.9 (Kokhlikyan et al., arXiv 2009.07896, 2020), SHAP 0.51 (Lundberg and Lee, NeurIPS 2017), LIME 0.2 (Ribeiro, Singh and
Guestrin, KDD 2016), XAITK-Saliency 0.15 (Hu et al., Applied AI Letters, 2021): ``pip install 'seewhy[rivals]'``. Each gets the
model's probabilities, and explains the likeliest class (Captum) or the three likeliest (the others; three is what `seewhy` explains).
"""

import contextlib
import importlib
import importlib.util
import io
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from seewhy.core.arrays import Image
from seewhy.runtime.engines import Answer

Pictures = Float[np.ndarray, "n h w 3"] | UInt8[np.ndarray, "n h w 3"]
"""Levels 0 to 255."""

Values = Float[np.ndarray, "h w"]

CLASSES = 3


@dataclass(frozen=True, eq=False)
class Job:
    """One explanation.

    Args:
        model: pictures → probabilities.
        image: in the classifier's view, ``(3, h, w)`` in [0, 1].
        classes: the likeliest ones, best first.
        queries: about how many to ask.
        batch: pictures at once.
    """

    model: Answer
    image: Image
    classes: tuple[int, ...]
    queries: int
    batch: int

    @property
    def window(self) -> tuple[int, int]:
        """Side and stride of a window, pixels: a seventh of the picture, and so that there are about as many as queries."""
        height, width = self.image.shape[1:]
        size = max(1, min(height, width) // 7)
        return size, max(1, min(size, round(math.sqrt((height - size) * (width - size) / self.queries))))

    @property
    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """The picture as most of them want it."""
        levels: UInt8[np.ndarray, "h w 3"] = (self.image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        return levels

    def ask(self, pictures: Pictures) -> Float[np.ndarray, "n k"]:
        """Answer a batch of arrays."""
        images = torch.from_numpy(np.ascontiguousarray(pictures)).to(self.image.device)
        said = self.model(images.permute(0, 3, 1, 2).float() / 255).cpu().numpy()
        return np.asarray(said)


def captum_occlusion(job: Job) -> Values:
    """Slide a window."""
    size, stride = job.window
    found = (
        importlib.import_module("captum.attr")
        .Occlusion(job.model)
        .attribute(
            job.image[None],
            target=job.classes[0],
            sliding_window_shapes=(3, size, size),
            strides=(3, stride, stride),
            perturbations_per_eval=job.batch,
        )
    )
    return np.asarray(found[0].sum(0).cpu())


def captum_ablation(job: Job) -> Values:
    """Remove squares that do not overlap."""
    height, width = job.image.shape[1:]
    cells = max(1, min(height, width, math.isqrt(job.queries)))
    rows, columns = (torch.arange(side, device=job.image.device) * cells // side for side in (height, width))
    squares = (rows[:, None] * cells + columns)[None, None]
    found = (
        importlib.import_module("captum.attr")
        .FeatureAblation(job.model)
        .attribute(job.image[None], target=job.classes[0], feature_mask=squares, perturbations_per_eval=job.batch)
    )
    return np.asarray(found[0].sum(0).cpu())


def shap_partition(job: Job) -> Values:
    """Split the picture again and again, over a blurred copy."""
    shap, pixels = importlib.import_module("shap"), job.pixels.astype(np.float32)
    explainer = shap.Explainer(job.ask, shap.maskers.Image("blur(128,128)", pixels.shape), algorithm="partition")
    best = shap.Explanation.argsort.flip[:CLASSES]
    found = explainer(pixels[None], max_evals=job.queries, batch_size=job.batch, outputs=best, silent=True)
    values: Values = np.asarray(found.values)[0, :, :, :, 0].sum(2)
    return values


def lime_image(job: Job) -> Values:
    """Fit a line to random super-pixels; their segmentation is a part of it."""
    explainer = importlib.import_module("lime.lime_image").LimeImageExplainer(random_state=0)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar has no switch
        found = explainer.explain_instance(
            job.pixels, job.ask, top_labels=CLASSES, hide_color=0, num_samples=job.queries, batch_size=job.batch
        )
    weights = dict(found.local_exp[job.classes[0]])
    values: Values = np.vectorize(weights.get, otypes=[np.float64])(found.segments)
    return values


def xaitk_rise(job: Job) -> Values:
    """Average over random grids."""
    stacks = importlib.import_module("xaitk_saliency.impls.gen_image_classifier_blackbox_sal.rise")
    return np.asarray(stacks.RISEStack(n=job.queries, s=8, p1=0.5, seed=0)(job.pixels, _black_box(job))[0])


def xaitk_sliding_window(job: Job) -> Values:
    """Slide a window."""
    size, stride = job.window
    stacks = importlib.import_module("xaitk_saliency.impls.gen_image_classifier_blackbox_sal.slidingwindow")
    return np.asarray(stacks.SlidingWindowStack((size, size), (stride, stride))(job.pixels, _black_box(job))[0])


def _black_box(job: Job) -> Any:  # noqa: ANN401 - a class of a package that may be missing
    """Make what XAITK asks: pictures one by one, which its interface allows to batch."""

    def classify(_: object, pictures: Iterable[UInt8[np.ndarray, "h w 3"]]) -> Iterator[dict[int, float]]:
        stream = iter(pictures)
        while batch := list(islice(stream, job.batch)):
            for row in job.ask(np.stack(batch))[:, job.classes]:
                yield dict(zip(job.classes, row.tolist(), strict=True))

    methods = {
        "get_labels": lambda _: list(job.classes),
        "classify_images": classify,
        "get_config": lambda _: {},
    }
    return type("BlackBox", (importlib.import_module("smqtk_classifier").ClassifyImage,), methods)()


@dataclass(frozen=True)
class Rival:
    """A library's method.

    Args:
        name: in the tables.
        package: that it needs.
        run: explains; gives the map of the first class.
    """

    name: str
    package: str
    run: Callable[[Job], Values]

    @property
    def missing(self) -> bool:
        """Whether the package is not installed."""
        return importlib.util.find_spec(self.package) is None


RIVALS = (
    Rival("captum Occlusion", "captum", captum_occlusion),
    Rival("captum FeatureAblation", "captum", captum_ablation),
    Rival("SHAP Partition", "shap", shap_partition),
    Rival("LIME", "lime", lime_image),
    Rival("XAITK RISE", "xaitk_saliency", xaitk_rise),
    Rival("XAITK SlidingWindow", "xaitk_saliency", xaitk_sliding_window),
)
