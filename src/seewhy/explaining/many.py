"""Explain many images with one classifier, which is tested and tuned once."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped
from torch import Tensor

from seewhy import registry
from seewhy.core.budget import Budget
from seewhy.core.infill import Infill
from seewhy.explaining.explain import explain_viewed
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.prepared import PreparedClassifier, prepare_classifier
from seewhy.explaining.request import MethodLike, prepare
from seewhy.explaining.targets import TargetLike
from seewhy.explaining.viewed import open_viewed
from seewhy.images.open import ImageLike
from seewhy.images.sources import list_images
from seewhy.registry import ClassifierLike

Batch = Shaped[np.ndarray, "n h w c"] | Float[Tensor, "n c h w"]
"""Images of one size in one array or tensor."""


def explain_many(
    classifier: ClassifierLike,
    images: str | Path | Batch | Iterable[ImageLike],
    *,
    method: MethodLike = registry.DEFAULT_METHOD,
    targets: TargetLike | Sequence[TargetLike] | None = None,
    infill: str | Infill | None = None,
    budget: int | Budget | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    max_megapixels: float = 200.0,
    check: bool = True,
) -> Iterator[Explanation]:
    """Explain image after image; the classifier is tested and its runtime is chosen on the first one.

    Nothing is kept: each explanation is yielded as soon as it is finished, so a hundred thousand images take the memory of one.

    Args:
        classifier: as for `seewhy.explain`.
        images: a folder, a file, a batch ``(n, h, w, 3)`` or ``(n, 3, h, w)``, or anything that yields images as `seewhy.explain`
            takes them.
        method: as for `seewhy.explain`, and so are the other arguments.
        targets: as for `seewhy.explain`.
        infill: as for `seewhy.explain`.
        budget: budget of each image.
        seed: seed of each image.
        batch_size: as for `seewhy.explain`.
        runtime: as for `seewhy.explain`.
        max_megapixels: as for `seewhy.explain`.
        check: as for `seewhy.explain`.

    Yields:
        One explanation per image, in order.

    Raises:
        RequestError: anything is wrong with the request, at once; or an image cannot be read, when its turn comes.
        ClassifierError: the classifier contradicts its own description.

    Cost in queries: for each image as for `seewhy.explain`; the self-test is asked once.

    Example:
        >>> halves = lambda images: [[p[:8].mean() / 255, 1 - p[:8].mean() / 255] for p in images]
        >>> batch = np.arange(1536, dtype=np.int64).reshape(2, 16, 16, 3).astype(np.uint8)
        >>> [found.record.image.name for found in explain_many(halves, batch, method="occlusion:size=8", check=False)]
        ['image 0', 'image 1']
    """
    request = prepare(
        classifier,
        method=method,
        targets=targets,
        infill=infill,
        budget=budget,
        seed=seed,
        batch_size=batch_size,
        runtime=runtime,
        check=check,
    )

    def explanations() -> Iterator[Explanation]:
        prepared: PreparedClassifier | None = None
        for image, name in _named(images):
            viewed = open_viewed(request.classifier, image, max_megapixels=max_megapixels, name=name)
            prepared = prepared or prepare_classifier(request, viewed.image)
            yield explain_viewed(request, viewed, prepared=prepared)

    return explanations()


def _named(images: str | Path | Batch | Iterable[ImageLike]) -> Iterator[tuple[ImageLike, str | None]]:
    """Yield each image, with a name where it has none of its own."""
    if isinstance(images, str | Path):
        yield from ((path, None) for path in list_images([images]))
        return
    for number, image in enumerate(images):
        yield image, None if isinstance(image, str | Path) else f"image {number}"
