"""Test the methods that use activations against their papers' formulas and on networks with known answers."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from games import OpenGame, PixelNet, picture, small_cnn
from seewhy.core.attribution import Map
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.seeds import derive, normals
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.infills.plain import constant
from seewhy.methods.gradients.captum import integrated_gradients, smoothgrad
from seewhy.methods.layers._feature_maps import find, layout
from seewhy.methods.layers.grad_cam import grad_cam, grad_cam_plus_plus
from seewhy.methods.layers.iba import iba
from seewhy.nets.bottleneck import Counting, Statistics, information, load_statistics, save_statistics, smooth

TARGETS: list[Target] = [ClassEvidence(0), Contrast(1, 2)]


class Tokens(nn.Module):
    """A small vision transformer: patches of 4, a class token first, one attention block, a head on the class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patches, self.mix = nn.Conv2d(3, 8, 4, 4), nn.Identity()
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.block, self.head = nn.Identity(), nn.Linear(8, 3)
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for value in self.parameters():
                value.copy_(torch.randn(value.shape, generator=generator) * 0.5)
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = self.mix(torch.cat([torch.zeros_like(tokens[:, :1]), tokens], dim=1))
        tokens = self.block(tokens + self.attend(tokens, tokens, tokens, need_weights=False)[0])
        answer: Tensor = self.head(tokens[:, 0])
        return answer


def probe_of(network: nn.Module, **settings: object) -> Probe:
    """Return a probe of a network on a random image."""
    return Probe(OpenGame(network), constant(value=0.25), picture(), **settings)  # type: ignore[arg-type]


def parts(x: Tensor) -> tuple[Tensor, nn.Module]:
    """Split `small_cnn` after its second convolution: return that output, and the rest of the network."""
    net = small_cnn()
    assert isinstance(net, nn.Sequential)
    return net[:3](x), net[3:]


def enlarged(values: Tensor) -> Map:
    """Upsample bilinearly to the image's size."""
    whole = functional.interpolate(values[None, None], size=(20, 17), mode="bilinear", align_corners=False)
    return whole[0, 0].detach().numpy()


def slopes(features: Tensor, rest: nn.Module, weights: list[float]) -> Tensor:
    """Return the gradient of the target's score with respect to the features."""
    features = features.detach().requires_grad_()
    (rest(features)[0] @ torch.tensor(weights)).backward()
    assert features.grad is not None
    return features.grad[0]


@pytest.mark.parametrize("plus", [False, True])
def test_grad_cam_matches_its_formula(plus: bool) -> None:
    """Compare channel by channel and position by position."""
    features, rest = parts(picture()[None])
    method = grad_cam_plus_plus if plus else grad_cam
    found = method(probe_of(small_cnn()), TARGETS, layer="2").values
    for key, weights in {"class:0": [1.0, 0, 0, 0, 0], "contrast:1/2": [0, 1.0, -1, 0, 0]}.items():
        gradient, total = slopes(features, rest, weights), torch.zeros(features.shape[2:])
        for channel, slope in zip(features[0], gradient, strict=True):
            weight = 0.0
            for g in slope.flatten().tolist():
                if plus and g != 0:
                    weight += g**2 / (2 * g**2 + float(channel.sum()) * g**3 + 1e-6) * max(g, 0)
                elif not plus:
                    weight += g / slope.numel()
            total += weight * channel
        expected = enlarged(total.clamp(min=0))
        np.testing.assert_allclose(found[key], expected, atol=1e-5 * max(1.0, float(expected.max())))


@pytest.mark.parametrize("inplace", [False, True])
def test_a_layer_modified_in_place_is_recorded_unchanged(inplace: bool) -> None:
    """An in-place ReLU after the watched layer changes nothing."""
    net = small_cnn()
    assert isinstance(net, nn.Sequential)
    net[3] = nn.ReLU(inplace=inplace)
    usual = grad_cam(probe_of(small_cnn()), TARGETS, layer="2").values
    again = grad_cam(probe_of(net), TARGETS, layer="2").values
    for key, values in usual.items():
        np.testing.assert_array_equal(values, again[key])


def test_integrated_gradients_are_complete_and_a_riemann_sum() -> None:
    """The map sums to the change of the score; a fine midpoint rule gives the same map."""
    net, probe = small_cnn(), probe_of(small_cnn())
    values = integrated_gradients(probe, TARGETS, steps=200).values["class:0"]
    start, end = torch.full((1, 3, 20, 17), round(0.25 * 255) / 255), picture()[None]
    assert values.sum() == pytest.approx(float(net(end)[0, 0] - net(start)[0, 0]), rel=1e-3)
    middles = (torch.arange(1000) + 0.5) / 1000
    points = (start + middles[:, None, None, None] * (end - start)).requires_grad_()
    net(points)[:, 0].sum().backward()
    assert points.grad is not None
    total = (points.grad.mean(0) * (end - start)[0]).sum(0)
    np.testing.assert_allclose(values, total, atol=2e-3 * float(total.abs().max()))
    assert probe.queries.forward_images == 3 + 2 * 200
    assert probe.queries.backward_images == 2 * 200


def test_integrated_gradients_report_incompleteness() -> None:
    """One step is too few for a non-linear score."""
    maps = integrated_gradients(probe_of(small_cnn()), [ClassEvidence(0)], steps=1)
    assert [finding for finding in maps.findings if "more steps" in finding]


def test_smoothgrad_is_a_mean_of_gradients() -> None:
    """Compare sample by sample."""
    net, image = small_cnn(), picture()
    values = smoothgrad(probe_of(net), TARGETS, samples=7, sigma=0.1).values["class:0"]
    total = torch.zeros_like(image)
    for number in range(7):
        noise = normals(derive(0, torch.tensor([number])), image.numel()).view(image.shape)
        point = (image + 0.1 * (image.max() - image.min()) * noise).requires_grad_()
        net(point[None])[0, 0].backward()
        assert point.grad is not None
        total += point.grad / 7
    np.testing.assert_allclose(values, total.abs().sum(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("alpha", "none", "one", "two"),
    [
        (5.0, 4.506738, 5.000067, 6.480056),
        (2.0, 1.634033, 2.021934, 3.185640),
        (0.0, 0.318147, 0.443147, 0.818147),
        (-2.0, 0.014830, 0.021934, 0.043248),
    ],
)
def test_information_is_the_divergence_of_two_gaussians(alpha: float, none: float, one: float, two: float) -> None:
    """Compare with values computed by hand for 0, 1 and 2 standard deviations, and with torch's KL divergence."""
    removed = torch.full((1, 1, 3), 1 - 1 / (1 + math.exp(-alpha)))
    deviation = torch.tensor([[[0.0, 1.0, 2.0]]])
    found = information(deviation, removed)
    np.testing.assert_allclose(found.flatten(), [none, one, two], rtol=2e-5)
    gets = torch.distributions.Normal((1 - removed) * deviation, removed)
    prior = torch.distributions.Normal(torch.zeros(1), torch.ones(1))
    torch.testing.assert_close(found, torch.distributions.kl_divergence(gets, prior))


def test_the_blur_is_the_authors_kernel() -> None:
    """The kernel is 5 × 5 for sigma 1, with the weights computed by hand, reflected edges and a preserved sum."""
    point = torch.zeros(2, 9, 9)
    point[1, 4, 4] = 1
    found = smooth(point, 1.0)[1]
    assert float(found[4, 4]) == pytest.approx(0.162103, abs=1e-6)
    assert float(found[2, 2]) == pytest.approx(0.002969, abs=1e-6)
    assert int((found > 0).sum()) == 25
    assert float(smooth(point, 0.0)[1, 4, 4]) == 1
    torch.testing.assert_close(smooth(torch.ones(1, 2, 2), 1.0), torch.ones(1, 2, 2))


def slow_iba(weights: list[float], *, steps: int, samples: int, beta: float) -> Tensor:
    """Compute the paper's bottleneck after the second convolution of `small_cnn`: explicit kernel, Adam by hand."""
    features, rest = parts(picture()[None])
    features = features[0].detach()
    mean, std = features.mean((1, 2), keepdim=True), features.std((1, 2), correction=0, keepdim=True).clamp(min=0.01)
    line = torch.tensor([math.exp(-(step**2) / 2) for step in range(-2, 3)])
    kernel = torch.outer(line, line) / line.sum() ** 2
    alpha = torch.full_like(features, 5.0)
    first, second = torch.zeros_like(alpha), torch.zeros_like(alpha)

    def let_through(logits: Tensor) -> Tensor:
        padded = functional.pad(torch.sigmoid(logits)[:, None], (2, 2, 2, 2), mode="reflect")
        return functional.conv2d(padded, kernel[None, None])[:, 0]

    def nats(share: Tensor) -> Tensor:
        r = (features - mean) / std
        return -0.5 * (1 + torch.log((1 - share) ** 2) - share**2 * r**2 - (1 - share) ** 2)

    for step in range(steps):
        leaf = alpha.clone().requires_grad_()
        share = let_through(leaf)
        seeds = derive(0, torch.arange(samples) + samples * step)
        noise = mean + std * normals(seeds, alpha.numel()).view(samples, *alpha.shape)
        answers = rest(share * features + (1 - share) * noise).log_softmax(1)
        loss = -(answers @ torch.tensor(weights)).mean() + beta * nats(share).mean()
        loss.backward()
        assert leaf.grad is not None
        first = 0.9 * first + 0.1 * leaf.grad
        second = 0.999 * second + 0.001 * leaf.grad**2
        alpha = alpha - first / (1 - 0.9 ** (step + 1)) / ((second / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
    return nats(let_through(alpha)).sum(0) / math.log(2)


def test_iba_matches_the_paper() -> None:
    """Compare the map after all steps, in bits per pixel, and the query count."""
    probe = probe_of(small_cnn())
    maps = iba(probe, [ClassEvidence(0)], layer="2", steps=4, samples=3, beta=0.5)
    slow = slow_iba([1.0, 0, 0, 0, 0], steps=4, samples=3, beta=0.5)
    expected = enlarged(slow * (slow.numel() / (20 * 17)))
    np.testing.assert_allclose(maps.values["class:0"], expected, rtol=2e-3, atol=1e-4)
    assert len(maps.traces["class:0 loss"]) == 4
    assert "this image's own" in maps.findings[0]
    assert probe.queries.forward_images == 2 + 12
    assert (probe.queries.backward_images, probe.queries.backward_calls) == (12, 4)


def test_iba_finds_the_relevant_position() -> None:
    """The mapped information grows as its weight decreases."""
    image = torch.zeros(3, 12, 12)
    image[:, 2:4, 2:4] = 1

    def bits(beta: float) -> Map:
        return iba(
            Probe(OpenGame(PixelNet()), constant(value=0.0), image), [ClassEvidence(0)], beta=beta, sigma=0.0
        ).values["class:0"]

    assert int(bits(10.0).argmax()) == 2 * 12 + 3
    assert bits(0.1).sum() > bits(10.0).sum()


@pytest.mark.parametrize("layer", ["mix", "block"])
def test_tokens_are_arranged_over_the_image(layer: str) -> None:
    """A class token is skipped; 20 × 17 in patches of 4 is a grid of 5 × 4."""
    where = find(probe_of(Tokens()), layer, stride=None)
    assert (where.rows, where.columns, where.channels, where.extra) == (5, 4, 8, 1)
    tokens = torch.arange(2.0 * 21 * 8).view(2, 21, 8)
    laid = where.features(tokens)
    assert torch.equal(laid[1, :, 2, 3], tokens[1, 1 + 2 * 4 + 3])
    assert torch.equal(where.output(laid, tokens), tokens)


def test_methods_work_on_tokens() -> None:
    """They need a layer name; without one, the error lists some."""
    maps = iba(probe_of(Tokens()), [ClassEvidence(0)], layer="mix", steps=2, samples=2).values["class:0"]
    assert maps.min() >= 0
    assert np.ptp(maps) > 0
    assert np.ptp(grad_cam(probe_of(Tokens()), [ClassEvidence(1)], layer="mix").values["class:1"]) > 0
    with pytest.raises(RequestError, match=r"layer=NAME for a transformer.*mix, block"):
        iba(probe_of(Tokens()), [ClassEvidence(0)])


def test_grad_cam_after_the_last_attention_is_zero() -> None:
    """Only the class token matters there: the documentation recommends an earlier layer."""
    maps = grad_cam(probe_of(Tokens()), [ClassEvidence(0)], layer="block")
    assert not maps.values["class:0"].any()
    assert "choose another layer" in maps.findings[0]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 197, 768), (14, 14, 1)),
        ((1, 196, 768), (14, 14, 0)),
        ((1, 201, 768), (14, 14, 5)),
        ((1, 64, 7, 7), (7, 7, None)),
        ((1, 64, 1, 1), None),
        ((1, 1000), None),
        ((1, 7, 7, 768), (7, 7, None)),
        ((1, 300, 768), None),
    ],
)
def test_shapes_are_interpreted_as_maps(shape: tuple[int, ...], expected: tuple[int, int, int | None] | None) -> None:
    """Test maps, tokens with up to five extra ones, and shapes that are neither."""
    found = layout("x", shape, (224, 224))
    assert (None if found is None else (found.rows, found.columns, found.extra)) == expected


def test_the_layer_is_the_outermost_with_the_right_spacing() -> None:
    """It is not a part of the next block with the same size; without a spacing it is the last map."""
    block = nn.Sequential(nn.Conv2d(4, 8, 1), nn.Conv2d(8, 4, 3, 2, 1))
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 8, 1), nn.ReLU(), block, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    probe = Probe(OpenGame(net.eval()), constant(value=0.0), torch.zeros(3, 64, 64))
    assert find(probe, None, stride=8.0).layer == "1"
    assert find(probe, None, stride=None).layer == "2"
    assert probe.queries.forward_images == 2


def test_networks_and_layers_without_maps_are_rejected() -> None:
    """The message states what would work."""
    flat = nn.Sequential(nn.Flatten(), nn.Linear(1020, 3)).eval()
    with pytest.raises(RequestError, match="needs no layer, such as rise"):
        grad_cam(probe_of(flat), TARGETS)
    with pytest.raises(RequestError, match=r"got 6 with output shape \(1, 5\); layers that output maps: 0, 1, 2"):
        grad_cam(probe_of(small_cnn()), TARGETS, layer="6")
    with pytest.raises(RequestError, match="no layer 'conv'"):
        iba(probe_of(small_cnn()), TARGETS, layer="conv")


@pytest.mark.parametrize("settings", [{"steps": 0}, {"samples": 0}, {"rate": 0.0}, {"beta": -1.0}, {"sigma": -0.5}])
def test_invalid_iba_settings_are_rejected(settings: dict[str, float]) -> None:
    """The error comes before any query."""
    with pytest.raises(RequestError, match="leave it out for the default"):
        iba(probe_of(small_cnn()), TARGETS, **settings)  # type: ignore[arg-type]


def test_statistics_are_mean_and_standard_deviation() -> None:
    """Compare Welford's sums with numpy, in float64."""
    values = torch.randn(30, 2, 3, 4, generator=torch.Generator().manual_seed(0)) + 100
    counting = Counting()
    for value in values:
        counting.add(value)
    found, exact = counting.result(), values.double().numpy()
    np.testing.assert_allclose(found.mean, exact.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.std, exact.std(0), rtol=1e-5)


def saved(folder: Path, shape: tuple[int, int, int], **facts: str) -> Path:
    """Save statistics to a folder."""
    ones = torch.ones(shape)
    save_statistics(folder, Statistics(ones, 2 * ones, 5), {"layer": "2", "fingerprint": "open game", **facts})
    return folder


def test_statistics_of_photos_are_used_and_checked(tmp_path: Path) -> None:
    """They name the layer; statistics of another network, layer or size, and damaged ones, are rejected."""
    folder = saved(tmp_path / "good", (16, 6, 5))
    settings = {"statistics": str(folder), "steps": 2, "samples": 2}
    maps = iba(probe_of(small_cnn()), [ClassEvidence(0)], **settings)  # type: ignore[arg-type]
    own = iba(probe_of(small_cnn()), [ClassEvidence(0)], layer="2", steps=2, samples=2)
    assert maps.settings["layer"] == "2"
    assert "5 photos" in maps.findings[0]
    assert not np.array_equal(maps.values["class:0"], own.values["class:0"])
    with pytest.raises(RequestError, match="statistics of layer 0, got those of layer 2"):
        iba(probe_of(small_cnn()), [ClassEvidence(0)], layer="0", **settings)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=r"statistics of shape \(16, 6, 5\), got \(16, 9, 9\)"):
        iba(probe_of(small_cnn()), TARGETS, statistics=str(saved(tmp_path / "size", (16, 9, 9))))
    with pytest.raises(RequestError, match="statistics of this classifier, got those of other"):
        load_statistics(
            saved(tmp_path / "net", (1, 1, 1), fingerprint="x", classifier="other"), layer=None, fingerprint="y"
        )
    (folder / "statistics.safetensors").write_bytes(b"damaged")
    with pytest.raises(RequestError, match="got other bytes"):
        load_statistics(folder, layer=None, fingerprint="open game")
    with pytest.raises(RequestError, match=r"card.json in .*train iba"):
        load_statistics(tmp_path, layer=None, fingerprint="open game")


@pytest.mark.parametrize("tiles", [1, 2])
def test_a_layer_that_runs_twice_is_rejected(tiles: int) -> None:
    """There is no single position for the noise."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.again, self.look = nn.ReLU(), PixelNet()

        def forward(self, images: Tensor) -> Tensor:
            answer: Tensor = self.look(self.again(self.again(images.repeat(1, 1, tiles, tiles))[..., :12, :12]))
            return answer

    probe = Probe(OpenGame(Twice()), constant(value=0.0), torch.rand(3, 12, 12))
    with pytest.raises(RequestError, match="runs once per image, got again"):
        iba(probe, [ClassEvidence(0)], layer="again")
