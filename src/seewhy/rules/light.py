"""Photometric rules: blur, noise, brightness, hue, compression."""

import io

import numpy as np
import torch
from PIL import Image as Pillow

from seewhy.core.arrays import Image
from seewhy.core.seeds import normals, uniforms
from seewhy.infills.plain import gaussian_blur


def blur(image: Image, strength: float, seed: int) -> Image:
    """Blur the image.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: standard deviation of the Gaussian in pixels of the classifier's view, more than 0.
        seed: not used.
    """
    del seed
    return gaussian_blur(image, strength)


def noise(image: Image, strength: float, seed: int) -> Image:
    """Add independent Gaussian noise to each channel of each pixel, then clip.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: standard deviation, where white is 1.
        seed: seed of the noise.
    """
    drawn = normals(torch.tensor([seed], device=image.device), image.numel()).reshape(image.shape)
    return (image + strength * drawn).clamp(0, 1)


def brightness(image: Image, strength: float, seed: int) -> Image:
    """Brighten or darken the image, depending on the seed, then clip.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: relative change of each value, 0 to 1.
        seed: seed of the direction.

    Example:
        >>> sorted({round(brightness(torch.full((3, 1, 1), 0.5), 0.5, seed).max().item(), 2) for seed in range(9)})
        [0.25, 0.75]
    """
    return (image * (1 + _sign(seed) * strength)).clamp(0, 1)


def hue(image: Image, strength: float, seed: int) -> Image:
    """Rotate the hue (HSV) in one direction or the other, depending on the seed.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: angle in degrees, 0 to 180.
        seed: seed of the direction.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        >>> sorted({tuple(hue(red, 120.0, seed).flatten().round().abs().int().tolist()) for seed in range(9)})
        [(0, 0, 1), (0, 1, 0)]
    """
    import cv2  # noqa: PLC0415 - loaded on first use

    wheel = cv2.cvtColor(image.permute(1, 2, 0).cpu().numpy(), cv2.COLOR_RGB2HSV)
    wheel[:, :, 0] = (wheel[:, :, 0] + _sign(seed) * strength) % 360
    turned = cv2.cvtColor(wheel, cv2.COLOR_HSV2RGB)
    return torch.from_numpy(turned).permute(2, 0, 1).to(image).clamp(0, 1).contiguous()


def jpeg(image: Image, strength: float, seed: int) -> Image:
    """Compress the image as JPEG and decode it again.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: JPEG quality, 1 to 95; lower quality is a stronger change.
        seed: not used.
    """
    del seed
    pixels = (image * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    file = io.BytesIO()
    Pillow.fromarray(pixels).save(file, "JPEG", quality=round(strength))
    with Pillow.open(file) as read:
        again = np.array(read)
    return torch.from_numpy(again).permute(2, 0, 1).to(image).div(255).contiguous()


def _sign(seed: int) -> float:
    """Draw a random sign."""
    return 1.0 if float(uniforms(torch.tensor([seed]), 1)) < 0.5 else -1.0
