"""In-fills without a model: a blur is cached per image, and never reused for another image."""

import torch

from games import picture
from seewhy.infills.plain import blur, gaussian_blur


def test_the_cached_blur_matches_the_image() -> None:
    """The blur is correct on repetition, for another image, and after the image was changed in place."""
    image, other = picture(24, 20), 1 - picture(24, 20)
    infill, keep, seeds = blur(sigma=2.0), torch.zeros(1, 24, 20), torch.zeros(1, dtype=torch.int64)
    for each in (image, other, image, image):
        torch.testing.assert_close(infill(each, keep, seeds)[0], gaussian_blur(each, 2.0), atol=0.51 / 255, rtol=0)
    image.copy_(other)
    assert torch.equal(infill(image, keep, seeds), infill(other, keep, seeds))
    assert not torch.equal(infill(1 - image, keep, seeds), infill(image, keep, seeds))
