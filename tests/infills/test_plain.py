"""In-fills without a model: a blur is worked out once for a picture, and never taken for another one's."""

import torch

from games import picture
from seewhy.infills.plain import blur, gaussian_blur


def test_a_blur_belongs_to_its_picture() -> None:
    """Asked again, about another picture, and after the picture was changed in place, it is the picture's own."""
    image, other = picture(24, 20), 1 - picture(24, 20)
    infill, keep, seeds = blur(sigma=2.0), torch.zeros(1, 24, 20), torch.zeros(1, dtype=torch.int64)
    for each in (image, other, image, image):
        torch.testing.assert_close(infill(each, keep, seeds)[0], gaussian_blur(each, 2.0), atol=0.51 / 255, rtol=0)
    image.copy_(other)
    assert torch.equal(infill(image, keep, seeds), infill(other, keep, seeds))
    assert not torch.equal(infill(1 - image, keep, seeds), infill(image, keep, seeds))
