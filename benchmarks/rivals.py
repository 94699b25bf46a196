"""Other libraries' explanations of one photo, used as documented, for `throughput.py` and `compare_methods.py`.

Captum 0.9 (Kokhlikyan et al., arXiv 2009.07896, 2020), SHAP 0.51 (Lundberg and Lee, NeurIPS 2017), LIME 0.2 (Ribeiro,
Singh and Guestrin, KDD 2016), XAITK-Saliency 0.15 (Hu et al., Applied AI Letters, 2021): ``pip install
'seewhy[rivals]'``. Each uses the model's probabilities, and explains the most probable class (Captum) or the three most
probable ones (the others; `seewhy` also explains three).
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
"""Images with levels 0 to 255."""

Values = Float[np.ndarray, "h w"]

CLASSES = 3


@dataclass(frozen=True, eq=False)
class Job:
    """One explanation.

    Args:
        model: function from images to probabilities.
        image: image in the classifier's view, ``(3, h, w)`` in [0, 1].
        classes: the most probable classes, best first.
        queries: approximate number of queries to use.
        batch: images per batch.
    """

    model: Answer
    image: Image
    classes: tuple[int, ...]
    queries: int
    batch: int

    @property
    def window(self) -> tuple[int, int]:
        """Side and stride of a window, in pixels: a seventh of the image, with about as many windows as queries."""
        height, width = self.image.shape[1:]
        size = max(1, min(height, width) // 7)
        return size, max(1, min(size, round(math.sqrt((height - size) * (width - size) / self.queries))))

    @property
    def pixels(self) -> UInt8[np.ndarray, "h w 3"]:
        """The image as an 8-bit array, the format that most libraries expect."""
        levels: UInt8[np.ndarray, "h w 3"] = (self.image * 255).round().byte().permute(1, 2, 0).cpu().numpy()
        return levels

    def ask(self, pictures: Pictures) -> Float[np.ndarray, "n k"]:
        """Return the probabilities of a batch of arrays."""
        images = torch.from_numpy(np.ascontiguousarray(pictures)).to(self.image.device)
        answers = self.model(images.permute(0, 3, 1, 2).float() / 255).cpu().numpy()
        return np.asarray(answers)


def captum_occlusion(job: Job) -> Values:
    """Run Captum's sliding-window occlusion."""
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
    """Run Captum's ablation of non-overlapping squares."""
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
    """Run SHAP's partition explainer over a blurred copy of the image."""
    shap, pixels = importlib.import_module("shap"), job.pixels.astype(np.float32)
    explainer = shap.Explainer(job.ask, shap.maskers.Image("blur(128,128)", pixels.shape), algorithm="partition")
    best = shap.Explanation.argsort.flip[:CLASSES]
    found = explainer(pixels[None], max_evals=job.queries, batch_size=job.batch, outputs=best, no_progress=True)
    values: Values = np.asarray(found.values)[0, :, :, :, 0].sum(2)
    return values


def lime_image(job: Job) -> Values:
    """Run LIME on random superpixels; their segmentation is included."""
    explainer = importlib.import_module("lime.lime_image").LimeImageExplainer(random_state=0)
    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar cannot be turned off
        found = explainer.explain_instance(
            job.pixels, job.ask, top_labels=CLASSES, hide_color=0, num_samples=job.queries, batch_size=job.batch
        )
    weights = dict(found.local_exp[job.classes[0]])
    values: Values = np.vectorize(weights.get, otypes=[np.float64])(found.segments)
    return values


def xaitk_rise(job: Job) -> Values:
    """Run XAITK's RISE."""
    stacks = importlib.import_module("xaitk_saliency.impls.gen_image_classifier_blackbox_sal.rise")
    return np.asarray(stacks.RISEStack(n=job.queries, s=8, p1=0.5, seed=0)(job.pixels, _black_box(job))[0])


def xaitk_sliding_window(job: Job) -> Values:
    """Run XAITK's sliding window."""
    size, stride = job.window
    stacks = importlib.import_module("xaitk_saliency.impls.gen_image_classifier_blackbox_sal.slidingwindow")
    return np.asarray(stacks.SlidingWindowStack((size, size), (stride, stride))(job.pixels, _black_box(job))[0])


def _black_box(job: Job) -> Any:  # noqa: ANN401 - a class of a package that may be missing
    """Build the classifier object that XAITK requires; it receives images one by one and batches them."""

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
    """A method of another library.

    Args:
        name: name in the tables.
        package: package that it needs.
        run: function that explains, returning the map of the first class.
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
