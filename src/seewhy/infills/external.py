"""In-painters from elsewhere, LaMa or a diffusion pipeline say, as in-fills: any Python function on 8-bit pictures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from torch import Tensor
from torch.nn import functional

from seewhy.core.arrays import Image, Images, Keep, Seeds, compose
from seewhy.core.errors import RequestError
from seewhy.runtime.code import find
from seewhy.runtime.notes import Noting

Paint = Callable[..., object]
"""``(pictures, keep)`` or ``(pictures, keep, seeds)`` → pictures; see `inpainter`."""

_WHOLLY = 1 - 1e-4  # share of a resized pixel that must come from kept ones; the rest would be 0.03 of an 8-bit level

Pictures = UInt8[np.ndarray, "n a b 3"]
Kept = Bool[np.ndarray, "n a b"]


@final
@dataclass(frozen=True, eq=False)
class Inpainter:
    """A function behind the in-fill contract; made by `inpainter` and its kin.

    Attributes:
        paint: fills the holes; see `inpainter`.
        stochastic: whether it takes seeds.
        size: the only height and width that it takes, or None for any.
        multiple: what height and width must be multiples of.
        checksum: SHA-256 of its weights, or None where they are not known.
    """

    paint: Paint
    stochastic: bool = False
    size: tuple[int, int] | None = None
    multiple: int = 1
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Have the holes filled; rows without one are not asked for.

        Args:
            image: ``(3, h, w)`` RGB in [0, 1].
            keep: ``(n, h, w)``, 1 = kept; a pixel below 1 is hidden from the function.
            seeds: ``(n,)`` int64.

        Returns:
            ``(n, 3, h, w)`` in [0, 1].

        Raises:
            RequestError: the picture has not three channels, or the function returns anything but uint8 pictures of the
                same shape.
        """
        if len(image) != 3:
            raise RequestError(
                f"expected a colour picture, got {len(image)} channels; choose another in-fill such as blur"
            )
        filled, holes = image.repeat(len(keep), 1, 1, 1), (keep < 1).flatten(1).any(1)
        if bool(holes.any()):
            pictures, kept = self._framed(image, keep[holes])
            fill = self._unframed(self._ask(pictures, kept, seeds[holes]), image)
            filled[holes] = compose(image, keep[holes], fill)
        return filled

    def _framed(self, image: Image, keep: Keep) -> tuple[Pictures, Kept]:
        """Blacken what is removed, and bring the rest to a size that the function takes."""
        kept = (keep == 1).float()[:, None]
        pictures = image * kept
        if self.size is not None:
            pictures, kept = (_resized(part, self.size) for part in (pictures, kept))
        kept = (kept > _WHOLLY).float()
        short = [-side % self.multiple for side in kept.shape[2:]]
        margin = (0, short[1], 0, short[0])
        pictures, kept = (functional.pad(part, margin, mode="replicate") for part in (pictures * kept, kept))
        levels = (pictures * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return np.ascontiguousarray(levels.cpu().numpy()), kept[:, 0].bool().cpu().numpy()

    def _ask(self, pictures: Pictures, keep: Kept, seeds: Seeds) -> Pictures:
        """Call the function with arrays of its own, and check what it says."""
        given = (seeds.cpu().numpy().copy(),) if self.stochastic else ()
        with Noting(f"while the in-painter was called with pictures of shape {pictures.shape}"):
            answer = self.paint(pictures.copy(), keep.copy(), *given)
        found = answer if isinstance(answer, np.ndarray) else np.asarray(None)
        if found.shape != pictures.shape or found.dtype != np.uint8:
            got = f"{found.shape} {found.dtype}" if found is answer else type(answer).__name__
            raise RequestError(
                f"expected a numpy array {pictures.shape} uint8 from the in-painter, got {got}; return a whole picture for "
                "each row, RGB from 0 to 255"
            )
        return found

    def _unframed(self, answer: Pictures, image: Image) -> Images:
        """Bring what the function returned back to the picture's size."""
        height, width = self.size or image.shape[1:]
        fill = torch.tensor(answer[:, :height, :width], device=image.device).permute(0, 3, 1, 2).float() / 255
        return _resized(fill, (image.shape[1], image.shape[2])) if self.size is not None else fill


def _resized(pictures: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``(n, c, h, w)``; each pixel is a weighted mean of those that it covers."""
    return functional.interpolate(pictures, size, mode="bilinear", antialias=True)


def inpainter(
    function: Paint, *, stochastic: bool = False, size: int | tuple[int, int] | None = None, multiple: int = 1
) -> Inpainter:
    """Make a function an in-fill: LaMa, MI-GAN, a diffusion pipeline, or anything that fills holes in pictures.

    Pixels that are kept come back exactly, whatever the function does to them.

    Args:
        function: ``function(pictures, keep)`` gets ``(n, h, w, 3)`` uint8 RGB in which all that was removed is black, and
            ``(n, h, w)`` bool, True = kept; it returns ``(n, h, w, 3)`` uint8. Row i of its answer must depend on row i only.
        stochastic: the function draws at random: it is called as ``function(pictures, keep, seeds)`` with ``(n,)`` int64, and
            must draw the same for the same seed.
        size: side, or (height, width), of the only pictures that it takes, pixels. Others are stretched to it and the answer
            is brought back, which costs sharpness in the hole; a pixel that mixes kept and removed ones counts as removed.
        multiple: what height and width must be multiples of: pictures are continued to the right and below by their last
            pixels.

    Returns:
        An in-fill for `seewhy.explain`.

    Raises:
        RequestError: it is not a function, or a size is not positive.

    Example:
        >>> grey = inpainter(lambda pictures, keep: np.full_like(pictures, 127))
        >>> grey(torch.ones(3, 1, 2), torch.tensor([[[1.0, 0.0]]]), torch.tensor([7]))[0, 0].mul(255).tolist()
        [[255.0, 127.0]]
    """
    if not callable(function):
        raise RequestError(f"expected a function of pictures and keep, got {type(function).__name__}; pass a function")
    sides = (size, size) if isinstance(size, int) else size
    if min(*(sides or (1, 1)), multiple) < 1:
        raise RequestError(f"expected size and multiple of at least 1 pixel, got {size} and {multiple}; write size=512")
    return Inpainter(function, stochastic, sides, multiple)


def python_inpainter(
    *,
    object: str,  # noqa: A002 - the name that users type
    stochastic: bool = False,
    size: int | None = None,
    multiple: int = 1,
) -> Inpainter:
    """Import a function of the user's and make it an in-fill. This runs that code: whoever calls must trust it.

    Args:
        object: ``module:attribute``; modules in the working directory are found. See `inpainter` for what it must do.
        stochastic: it takes seeds.
        size: side of the only pictures that it takes, pixels; None for any.
        multiple: what height and width must be multiples of.

    Raises:
        RequestError: there is no such module or attribute, or it is not a function.

    Example:
        ``python_inpainter(object="my_code:fill")``, or ``--infill python-inpainter:object=my_code:fill --trust``
    """
    found = find(object)
    if isinstance(found, type) or not callable(found):
        raise RequestError(
            f"expected a function of pictures and keep, got {object}, a {type(found).__name__}; name one"
        )
    return inpainter(found, stochastic=stochastic, size=size, multiple=multiple)
