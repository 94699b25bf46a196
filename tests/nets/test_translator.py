"""Generators and discriminators: the authors' network sizes, any image size, and the effect of the settings."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from seewhy.core.errors import RequestError
from seewhy.nets.counterfactual_generators import (
    CounterfactualGenerators,
    load_generators,
    save_generators,
)
from seewhy.nets.translator import Affine, Critic, UNet


def count(net: torch.nn.Module) -> int:
    """Return the number of trainable parameters of a network."""
    return sum(weight.numel() for weight in net.parameters())


def pictures(*shape: int) -> Tensor:
    """Return random gray images with three equal channels."""
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)).mean(1, keepdim=True).expand(shape)


@torch.no_grad()
def difference(generators: CounterfactualGenerators, images: Tensor) -> float:
    """Return the largest absolute edit."""
    return float((generators(images, 0, 1).adversarial - images).abs().max())


def test_networks_are_as_large_as_the_authors() -> None:
    """The released weights have 205,557, 204,961 and 233,302 parameters, including 1,058 unused of batch norm per generator."""
    assert count(UNet(1, (16, 32, 64), last=1)) == 205_557 - 1_058
    assert count(Critic(1, (28, 28), (32, 64, 96))) == 204_961
    assert count(UNet(1, (16, 32, 64), last=1, heads=2)) == 233_302 - 1_058


@pytest.mark.parametrize("size", [(7, 9), (28, 28), (33, 18)])
def test_any_size(size: tuple[int, int]) -> None:
    """Image sides need not be divisible by the downsampling factor."""
    made = UNet(3, (4, 4, 4), last=3)(torch.rand(2, 3, *size), 0)[0]
    assert made.shape == (2, 3, *size)


def test_a_residual_generator_starts_with_a_small_edit() -> None:
    """A residual generator learns the edit, not the image."""
    images = pictures(3, 3, 12, 12)
    begun = CounterfactualGenerators(arm="cyce", classes=(0, 1), channels=1, size=(12, 12), widths=(4, 4))
    plain = CounterfactualGenerators(
        arm="cyce", classes=(0, 1), channels=1, size=(12, 12), widths=(4, 4), residual=False
    )
    assert difference(begun, images) < 0.01
    assert difference(plain, images) > 0.1


def by_hand(generators: CounterfactualGenerators, images: Tensor, *nets: int) -> Tensor:
    """Apply generators in sequence."""
    for place in nets:
        images = generators.nets[place](images[:, :1], 0)[0].clamp(0, 1)
    return images.expand(-1, 3, -1, -1)


def test_the_generated_images_of_each_variant() -> None:
    """SyCE gives g0(x), g0(g0(x)) and g1(g0(x)); the stable image of CyCE is the input; the control has two heads."""
    images = pictures(2, 3, 8, 8)
    shape = {"classes": (3, 8), "channels": 1, "size": (8, 8), "widths": (4, 4), "residual": False}
    syce = CounterfactualGenerators(arm="syce", **shape)  # type: ignore[arg-type]
    made = syce(images, 3, 8)
    for got, nets in ((made.adversarial, (0,)), (made.stable, (0, 0)), (made.cycle, (0, 1))):
        torch.testing.assert_close(got, by_hand(syce, images, *nets))
    back = syce(images, 8, 3)
    for got, nets in ((back.adversarial, (1,)), (back.stable, (1, 1)), (back.cycle, (1, 0))):
        torch.testing.assert_close(got, by_hand(syce, images, *nets))
    torch.testing.assert_close(CounterfactualGenerators(arm="cyce", **shape)(images, 3, 8).stable, images)  # type: ignore[arg-type]
    control = CounterfactualGenerators(arm="sagen", **shape)  # type: ignore[arg-type]
    assert len(control.nets) == 1
    assert control(images, 3, 8).cycle is None
    torch.testing.assert_close(control(images, 3, 8), control(images, 8, 3))


def test_instance_norm_removes_brightness_and_contrast() -> None:
    """Only the pattern of each channel's features remains, image by image."""
    features = torch.rand(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    changed = features * torch.tensor([2.0, 7.0])[:, None, None, None] + 3
    for norm, same in (("instance", True), ("none", False)):
        affine = Affine(3, 1, norm)  # type: ignore[arg-type]
        assert torch.allclose(affine(changed, 0), affine(features, 0), atol=1e-3) == same


def test_more_than_two_classes_share_a_generator() -> None:
    """The generator is conditioned on the target class; the stable image and the cycle image are identical."""
    images = pictures(2, 3, 8, 8)
    generators = CounterfactualGenerators(
        arm="syce", classes=(5, 6, 7), channels=1, size=(8, 8), widths=(4, 4), residual=False
    )
    with torch.no_grad():
        for affine in generators.modules():
            if isinstance(affine, Affine):
                affine.offset.copy_(torch.arange(3.0)[:, None].expand_as(affine.offset) / 5)
    made, other = generators(images, 5, 6), generators(images, 5, 7)
    assert len(generators.nets) == 1
    assert not torch.allclose(made.adversarial, other.adversarial)
    assert made.cycle is not None
    torch.testing.assert_close(made.stable, made.cycle)
    torch.testing.assert_close(made.stable, generators(made.adversarial, 6, 5).adversarial)


def test_gradients_can_bring_values_back_into_range() -> None:
    """Clipping passes gradients that lead back into range, unlike the authors' code, and blocks those that lead out."""
    images, slopes = torch.full((1, 3, 4, 4), 0.5), {}
    for residual in (True, False):
        generators = CounterfactualGenerators(
            arm="cyce", classes=(0, 1), channels=1, size=(4, 4), widths=(2,), last=1, residual=residual
        )
        bias = generators.nets[0].heads[0][0].bias  # type: ignore[index, union-attr]
        with torch.no_grad():
            bias.fill_(-9)
        adversarial = generators.edit(images[:, :1], 0, 1)[0]
        assert float(adversarial.detach().max()) == 0
        for sign in (-1, 1):  # minimising this loss makes the images brighter or darker
            (slope,) = torch.autograd.grad(sign * adversarial.sum(), [bias], retain_graph=True)
            slopes[residual, sign] = float(slope)
    assert slopes == {(True, -1): -16.0, (True, 1): 0.0, (False, -1): 0.0, (False, 1): 0.0}


def test_saved_and_loaded(tmp_path: Path) -> None:
    """Loaded generators give the same images; those of another classifier are refused."""
    generators = CounterfactualGenerators(arm="syce", classes=(3, 8), channels=1, size=(8, 8), widths=(4, 4), seed=5)
    save_generators(tmp_path, generators, {"fingerprint": "mine", "classifier": "net"})
    again, card = load_generators(tmp_path, fingerprint="mine")
    images = pictures(2, 3, 8, 8)
    torch.testing.assert_close(again(images, 3, 8), generators(images, 3, 8))
    assert card["networks"]["classes"] == [3, 8]
    with pytest.raises(RequestError, match="generators of this classifier, got those of net"):
        load_generators(tmp_path, fingerprint="another")
    file = tmp_path / "card.json"
    file.write_text(file.read_text().replace('"networks"', '"nets"'))
    with pytest.raises(RequestError, match="a card without 'networks'"):
        load_generators(tmp_path, fingerprint="mine")
