"""Rules about how a picture was taken and kept: blur, noise, light, colour, compression."""

import io

import cv2
import numpy as np
import torch
from PIL import Image as Pillow

from seewhy.core.arrays import Image
from seewhy.core.seeds import normals, uniforms
from seewhy.infills.plain import gaussian_blur


def blur(image: Image, strength: float, seed: int) -> Image:
    """Blur the picture.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: standard deviation of the Gaussian, pixels of the view, more than 0.
        seed: not used.
    """
    del seed
    return gaussian_blur(image, strength)


def noise(image: Image, strength: float, seed: int) -> Image:
    """Add independent Gaussian noise to each channel of each pixel, and clip.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: standard deviation, where white is 1.
        seed: of the noise.
    """
    drawn = normals(torch.tensor([seed], device=image.device), image.numel()).reshape(image.shape)
    return (image + strength * drawn).clamp(0, 1)


def brightness(image: Image, strength: float, seed: int) -> Image:
    """Make the picture brighter or darker, as the seed has it, and clip.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: by what share of itself each value grows or shrinks, 0 to 1.
        seed: of the direction.

    Example:
        >>> sorted({round(brightness(torch.full((3, 1, 1), 0.5), 0.5, seed).max().item(), 2) for seed in range(9)})
        [0.25, 0.75]
    """
    return (image * (1 + _sign(seed) * strength)).clamp(0, 1)


def hue(image: Image, strength: float, seed: int) -> Image:
    """Turn the colour wheel (hue of HSV), one way or the other, as the seed has it.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: degrees, 0 to 180.
        seed: of the direction.

    Example:
        >>> red = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        >>> sorted({tuple(hue(red, 120.0, seed).flatten().round().abs().int().tolist()) for seed in range(9)})
        [(0, 0, 1), (0, 1, 0)]
    """
    wheel = cv2.cvtColor(image.permute(1, 2, 0).cpu().numpy(), cv2.COLOR_RGB2HSV)
    wheel[:, :, 0] = (wheel[:, :, 0] + _sign(seed) * strength) % 360
    turned = cv2.cvtColor(wheel, cv2.COLOR_HSV2RGB)
    return torch.from_numpy(turned).permute(2, 0, 1).to(image).clamp(0, 1).contiguous()


def jpeg(image: Image, strength: float, seed: int) -> Image:
    """Keep the picture as a JPEG file and read it again.

    Args:
        image: ``(3, h, w)`` in [0, 1].
        strength: the quality, 1 to 95: the lower, the stronger the change.
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
    """Toss a coin for the direction."""
    return 1.0 if float(uniforms(torch.tensor([seed]), 1)) < 0.5 else -1.0
