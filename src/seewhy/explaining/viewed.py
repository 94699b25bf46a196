"""An image as a classifier sees it."""

from dataclasses import dataclass
from pathlib import Path

from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.view import Frame
from seewhy.images.open import ImageLike, Picture, open_picture
from seewhy.images.view import apply_view


@dataclass(frozen=True, eq=False)
class Viewed:
    """An image as a classifier sees it, and where it came from.

    Args:
        picture: as the user has it.
        image: ``(3, h, w)`` float32 in [0, 1], in the classifier's view.
        frame: the part of the image that the view shows.
        source: its path as the user wrote it; None for an image that did not come from a file.
    """

    picture: Picture
    image: Image
    frame: Frame
    source: str | None


def open_viewed(
    classifier: Classifier, image: ImageLike, *, max_megapixels: float = 200.0, name: str | None = None
) -> Viewed:
    """Open an image and bring it into a classifier's view.

    Args:
        classifier: whose view is taken.
        image: as for `seewhy.explain`.
        max_megapixels: larger images are refused before they are decoded.
        name: name of the image in results; None for its file name.

    Raises:
        RequestError: the image cannot be read.
    """
    picture = open_picture(image, max_megapixels=max_megapixels, name=name)
    shown, frame = apply_view(picture, classifier.view)
    return Viewed(picture, shown, frame, str(image) if isinstance(image, str | Path) else None)
