"""External in-painters as in-fills: any Python function on 8-bit images, such as LaMa or a diffusion pipeline."""

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
from seewhy.infills.holes import check_three_channels
from seewhy.runtime.code import find, noting

Paint = Callable[..., object]
"""``(images, keep)`` or ``(images, keep, seeds)`` → images; see `inpainter`."""

_FULLY_KEPT = 1 - 1e-4  # share of a resized pixel that must come from kept pixels; the rest is 0.03 of an 8-bit level

Pixels = UInt8[np.ndarray, "n a b 3"]
Kept = Bool[np.ndarray, "n a b"]


@final
@dataclass(frozen=True, eq=False)
class Inpainter:
    """An in-fill that calls a function; see `inpainter`. ``checksum`` is that of its weights, or None if unknown."""

    paint: Paint
    stochastic: bool = False
    size: tuple[int, int] | None = None
    multiple: int = 1
    checksum: str | None = None

    def __call__(self, image: Image, keep: Keep, seeds: Seeds) -> Images:
        """Implement `seewhy.core.infill.Infill`; a partly kept pixel is hidden from the function.

        The function is not called for rows without a hole.
        """
        check_three_channels(image)
        filled, holes = image.repeat(len(keep), 1, 1, 1), (keep < 1).flatten(1).any(1)
        if bool(holes.any()):
            images, kept = self._framed(image, keep[holes])
            fill = self._unframed(self._ask(images, kept, seeds[holes]), image)
            filled[holes] = compose(image, keep[holes], fill)
        return filled

    def _framed(self, image: Image, keep: Keep) -> tuple[Pixels, Kept]:
        """Set removed pixels to black, and resize or pad the images to a size that the function accepts."""
        kept = (keep == 1).float()[:, None]
        images = image * kept
        if self.size is not None:
            images, kept = (_resized(part, self.size) for part in (images, kept))
        kept = (kept > _FULLY_KEPT).float()
        short = [-side % self.multiple for side in kept.shape[2:]]
        margin = (0, short[1], 0, short[0])
        images, kept = (functional.pad(part, margin, mode="replicate") for part in (images * kept, kept))
        levels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return np.ascontiguousarray(levels.cpu().numpy()), kept[:, 0].bool().cpu().numpy()

    def _ask(self, images: Pixels, keep: Kept, seeds: Seeds) -> Pixels:
        """Call the function with copies of the arrays, and validate its result."""
        given = (seeds.cpu().numpy().copy(),) if self.stochastic else ()
        with noting(f"while the in-painter was called with images of shape {images.shape}"):
            answer = self.paint(images.copy(), keep.copy(), *given)
        if isinstance(answer, np.ndarray) and (answer.shape, answer.dtype) == (images.shape, np.uint8):
            return answer
        got = f"{answer.shape} {answer.dtype}" if isinstance(answer, np.ndarray) else type(answer).__name__
        raise RequestError(
            f"expected a numpy array {images.shape} uint8 from the in-painter, got {got}; return a complete image for "
            "each row, RGB from 0 to 255"
        )

    def _unframed(self, answer: Pixels, image: Image) -> Images:
        """Crop or resize the function's result to the size of the original image."""
        height, width = self.size or image.shape[1:]
        fill = torch.tensor(answer[:, :height, :width], device=image.device).permute(0, 3, 1, 2).float() / 255
        return _resized(fill, (image.shape[1], image.shape[2])) if self.size is not None else fill


def _resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``(n, c, h, w)``; each pixel is a weighted mean of the pixels that it covers."""
    return functional.interpolate(images, size, mode="bilinear", antialias=True)


def inpainter(
    function: Paint, *, stochastic: bool = False, size: int | tuple[int, int] | None = None, multiple: int = 1
) -> Inpainter:
    """Wrap a function as an in-fill: LaMa, MI-GAN, a diffusion pipeline, or anything that fills holes in images.

    Kept pixels are returned exactly, whatever the function does to them.

    Args:
        function: called as ``function(images, keep)`` with ``(n, h, w, 3)`` uint8 RGB, in which removed pixels are black,
            and ``(n, h, w)`` bool, True = kept. It returns ``(n, h, w, 3)`` uint8, and row i may depend on row i only.
        stochastic: whether the function is random. It is then called as ``function(images, keep, seeds)`` with ``(n,)``
            int64 seeds, and must return the same images for the same seeds.
        size: side, or (height, width), of the only images that the function accepts, in pixels. Other images are resized
            to it and the result is resized back, which costs sharpness in the hole. A resized pixel that mixes kept and
            removed pixels counts as removed. None for any size.
        multiple: number that height and width must be multiples of; images are padded at the right and bottom by
            repeating their last pixels.

    Raises:
        RequestError: the function is not callable, or a size is not positive.

    Example:
        >>> grey = inpainter(lambda images, keep: np.full_like(images, 127))
        >>> grey(torch.ones(3, 1, 2), torch.tensor([[[1.0, 0.0]]]), torch.tensor([7]))[0, 0].mul(255).tolist()
        [[255.0, 127.0]]
    """
    if not callable(function):
        raise RequestError(f"expected a function of images and keep, got {type(function).__name__}; pass a function")
    sides = (size, size) if isinstance(size, int) else size
    if min(*(sides or (1, 1)), multiple) < 1:
        raise RequestError(f"expected size and multiple of at least 1 pixel, got {size} and {multiple}; write size=512")
    return Inpainter(function, stochastic, sides, multiple)


def python_inpainter(
    *,
    object: str,  # noqa: A002 - the setting name that users type
    stochastic: bool = False,
    size: int | None = None,
    multiple: int = 1,
) -> Inpainter:
    """Import a user's function and wrap it as an in-fill. This runs the user's code, which the caller must trust.

    Args:
        object: function as ``module:attribute``; the working directory is searched too. See `inpainter` for its contract.
        stochastic: whether the function is random and takes seeds.
        size: side of the only square images that the function accepts, in pixels; None for any size.
        multiple: number that height and width must be multiples of.

    Raises:
        RequestError: there is no such module or attribute, or it is not a function.

    Example:
        ``python_inpainter(object="my_code:fill")``, or ``--infill python-inpainter:object=my_code:fill --trust``
    """
    function = find(object)
    if isinstance(function, type) or not callable(function):
        raise RequestError(
            f"expected a function of images and keep, got {object}, a {type(function).__name__}; name a function"
        )
    return inpainter(function, stochastic=stochastic, size=size, multiple=multiple)
