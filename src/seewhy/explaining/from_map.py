"""Make an explanation of anybody's map, to score, check and draw it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped

from seewhy.core.attribution import Attribution
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.explaining.explain import explain_viewed, warn_of
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.prepared import open_viewed, prepare_classifier
from seewhy.explaining.request import prepare
from seewhy.explaining.targets import TargetLike
from seewhy.images.open import ImageLike
from seewhy.registry import ClassifierLike


@plain_torch()
def from_map(
    saliency: Shaped[np.ndarray, "..."],
    image: ImageLike,
    classifier: ClassifierLike,
    target: TargetLike,
    *,
    unit: str = "",
    name: str = "from_map",
    check: bool = True,
) -> Explanation:
    """Make an explanation of a map that another library computed, such as an attribution of captum or SHAP.

    Args:
        saliency: ``(h, w)`` in the classifier's view, larger where the target is supported more; channels must be summed before.
        image: the image that the map explains, as for `seewhy.explain`.
        classifier: as for `seewhy.explain`.
        target: what the map explains: a class or a contrast.
        unit: unit of the map, for its scale.
        name: name of the method, in results.
        check: compare the map with random regions; see `seewhy.explaining.diagnostics.faithfulness`.

    Returns:
        An explanation with this map, for `seewhy.score`, `seewhy.region`, ``.plot()`` and ``.save()``.

    Raises:
        RequestError: the map does not have the size of the classifier's view, or has values that are not finite.

    Cost in queries: 1, seven for the self-test, and 45 for ``check``.

    Example:
        >>> halves = lambda images: [[p[:8].mean() / 255, 1 - p[:8].mean() / 255] for p in images]
        >>> photo = np.arange(768, dtype=np.int64).reshape(16, 16, 3).astype(np.uint8)
        >>> from_map(np.eye(16), photo, halves, 0, name="diagonal", check=False)
        Explanation(image: class 1 0.584; diagonal, 1 map, 1 query)
    """
    values = np.asarray(saliency, dtype=np.float32)

    def method(probe: Probe, targets: Sequence[Target]) -> Attribution:
        probe.prediction  # noqa: B018 - every explanation begins with this query
        return Attribution({targets[0].key: values}, {}, unit, {}, "complete")

    method.__name__ = name
    request = prepare(classifier, method=method, targets=target, runtime="eager", check=check)
    viewed = open_viewed(request.classifier, image)
    size = viewed.image.shape[1:]
    if values.shape != size or not np.isfinite(values).all():
        raise RequestError(
            f"expected a map of {tuple(size)} finite numbers, as the classifier sees the image, got {values.shape}; "
            "resize it, or sum over its channels"
        )
    explanation = explain_viewed(request, viewed, prepared=prepare_classifier(request, viewed.image))
    warn_of(explanation.record.warnings, viewed)
    return explanation
