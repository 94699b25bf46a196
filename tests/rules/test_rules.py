"""Each rule changes an image as documented, for any strength, and deterministically for a given seed."""

import numpy as np
import pytest
import torch

from games import picture
from seewhy import registry
from seewhy.core.errors import RequestError
from seewhy.infills.plain import constant
from seewhy.rules.geometry import centre_crop, rotation, still_crop, translation
from seewhy.rules.light import blur, brightness, hue, jpeg, noise
from seewhy.rules.regions import needs_background, needs_region, widened


def disc(side: int = 65) -> torch.Tensor:
    """Return a rotationally symmetric image: the distance from the centre."""
    axis = torch.linspace(-1, 1, side)
    return (axis[:, None] ** 2 + axis[None] ** 2).div(2).expand(3, -1, -1).contiguous()


@pytest.mark.parametrize("name", sorted(registry.RULES))
def test_the_contract(name: str) -> None:
    """The result has the same size and lies in [0, 1]; it depends only on the seed, and the input is not modified."""
    rule = registry.RULES[name]
    image = picture(24, 30)
    before = image.clone()
    about = (torch.ones(24, 30, dtype=torch.bool), constant(value=0.5)) if rule.region else ()
    for strength in rule.strengths:
        one, same = (rule.run(image, strength, 3, *about) for _ in range(2))
        assert one.shape == image.shape
        assert torch.equal(one, same)
        assert 0 <= one.min() <= one.max() <= 1
        if rule.before is not None:
            assert rule.before(image, strength).shape == image.shape
    assert torch.equal(image, before)


@pytest.mark.parametrize("angle", [10.0, 45.0, 90.0, 180.0])
def test_what_is_round_stays_under_rotation(angle: float) -> None:
    """No corner enters the crop, whatever the angle."""
    for seed in range(5):
        turned = rotation(disc(), angle, seed)
        torch.testing.assert_close(turned, centre_crop(disc(), angle), atol=5e-3, rtol=0)


def test_a_half_turn_is_two_mirrors() -> None:
    """This holds for an image of any shape, up to rounding."""
    image = picture(20, 31)
    turned = rotation(image, 180.0, 0, drawn="exact")
    torch.testing.assert_close(turned, centre_crop(image, 0.0).flip(1, 2), atol=1e-4, rtol=0)


def test_a_quarter_turn_of_a_square() -> None:
    """The direction depends on the seed, and both directions occur."""
    image = picture(24, 24)
    still, ways = centre_crop(image, 0.0), set()
    for seed in range(12):
        turned = rotation(image, 90.0, seed, drawn="exact")
        fits = [torch.allclose(turned, still.rot90(way, (1, 2)), atol=1e-4) for way in (1, -1)]
        assert sum(fits) == 1
        ways.add(fits[0])
    assert ways == {True, False}


def test_angles_are_spread_up_to_the_strength() -> None:
    """A smaller maximum angle changes less, and a drawn angle differs from the maximum."""
    image = disc() * torch.linspace(0, 1, 65)
    exact = rotation(image, 90.0, 1, drawn="exact")
    assert not torch.allclose(rotation(image, 90.0, 1), exact, atol=0.02)
    small, large = ((rotation(image, angle, 1) - centre_crop(image, 0.0)).abs().mean() for angle in (2.0, 60.0))
    assert small < large / 4


def test_translation_moves_by_its_strength() -> None:
    """The brightest spot moves by the given distance, in pixels of the crop."""
    image = torch.zeros(3, 101, 101)
    image[:, 50, 50] = 1
    for seed in range(6):
        places = [
            divmod(int(each[0].argmax()), 101) for each in (still_crop(image, 0.1), translation(image, 0.1, seed))
        ]
        far = np.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1])
        assert far == pytest.approx(0.1 * 101 / 0.8, abs=1.5)


def test_blur_keeps_the_mean_of_what_is_inside() -> None:
    """A point becomes a peak with the same sum and the correct width."""
    image = torch.zeros(3, 61, 61)
    image[:, 30, 30] = 1
    hill = blur(image, 4.0, 0)[0].double()
    down = torch.arange(61.0) - 30
    assert float(hill.sum()) == pytest.approx(1, abs=0.01)
    assert float((hill.sum(1) * down**2).sum()) == pytest.approx(16, rel=0.05)


def test_noise_has_the_spread_that_is_asked() -> None:
    """The standard deviation is as requested where nothing is clipped."""
    changed = noise(torch.full((3, 64, 64), 0.5), 0.1, 5) - 0.5
    assert float(changed.std()) == pytest.approx(0.1, rel=0.03)


def test_hue_leaves_gray_and_brightness_alone() -> None:
    """A full rotation changes nothing, and gray has no hue."""
    image = picture(8, 8)
    torch.testing.assert_close(hue(image, 360.0, 0), image, atol=1e-5, rtol=0)
    gray = image[:1].expand(3, -1, -1)
    torch.testing.assert_close(hue(gray, 90.0, 0), gray, atol=1e-6, rtol=0)
    torch.testing.assert_close(hue(image, 90.0, 0).amax(0), image.amax(0), atol=1e-5, rtol=0)


def test_jpeg_of_lower_quality_is_further_off() -> None:
    """Lower quality gives a larger error, and a uniform image stays unchanged."""
    image = picture(32, 32)
    far = [float((jpeg(image, quality, 0) - image).abs().mean()) for quality in (95.0, 50.0, 5.0)]
    assert far[0] < far[1] < far[2]
    torch.testing.assert_close(
        jpeg(torch.full((3, 16, 16), 0.5), 90.0, 0), torch.full((3, 16, 16), 0.5), atol=0.01, rtol=0
    )


def test_brightness_has_two_directions() -> None:
    """The image becomes brighter or darker by half."""
    found = {round(float(brightness(torch.full((3, 2, 2), 0.4), 0.5, seed).max()), 3) for seed in range(12)}
    assert found == {0.6, 0.2}


def test_regions_are_filled_and_widened() -> None:
    """One rule removes the region, the other everything else."""
    image, region = torch.ones(3, 10, 10), torch.zeros(10, 10, dtype=torch.bool)
    region[4:6, 4:6] = True
    black = constant(value=0.0)
    assert float(needs_region(image, 0.0, 0, region, black)[0].sum()) == 100 - 4
    assert float(needs_background(image, 0.0, 0, region, black)[0].sum()) == 4
    assert float(needs_background(image, 0.1, 0, region, black)[0].sum()) == 16
    assert int(widened(region, 1.0).sum()) == 100


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("spin", "unknown rule 'spin'"),
        ("rotation:angle=5", "no setting 'angle'"),
        ("rotation:strengths=x", "strengths="),
        ("rotation:strengths=200", "from 0 to 180, got 200"),
        ("jpeg:strengths=0", "from 1 to 95"),
        ("rotation:drawn=never", "upto or exact"),
    ],
)
def test_a_wrong_rule_is_refused(spec: str, message: str) -> None:
    """The message states what is valid."""
    with pytest.raises(RequestError, match=message):
        registry.lookup("rules", spec)
