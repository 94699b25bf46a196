"""The layer that a method chooses by itself is one that works, or the error says what to choose."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import seewhy
from games import picture
from seewhy.core.errors import RequestError
from seewhy.methods.layers._feature_maps import layout

SIDE = 64
METHODS = ["grad-cam", "grad-cam++", "iba:steps=2,samples=2"]


def conv(inputs: int, outputs: int, stride: int = 2, side: int = 3) -> nn.Conv2d:
    """A convolution that keeps the size divided by the stride."""
    return nn.Conv2d(inputs, outputs, side, stride, side // 2)


class Shared(nn.Module):
    """One ReLU and one pool, each used twice."""

    def __init__(self, *, inplace: bool = False) -> None:
        super().__init__()
        self.a, self.b, self.act, self.pool = conv(3, 8), conv(8, 8), nn.ReLU(inplace), nn.MaxPool2d(2)
        self.f = nn.Linear(128, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Use both again."""
        x = self.pool(self.act(self.a(x)))
        return self.f(self.pool(self.act(self.b(x))).flatten(1))  # type: ignore[no-any-return]


class ChannelsLast(nn.Module):
    """Layers that put out ``(n, h, w, c)``, as in Swin or ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix, self.act, self.f = conv(3, 24, 4, 5), nn.Linear(24, 24), nn.GELU(), nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        """Mix the channels of each place."""
        return self.f(self.act(self.mix(self.stem(x).permute(0, 2, 3, 1))).mean((1, 2)))  # type: ignore[no-any-return]


class Wrapper(nn.Module):
    """A network inside another, as in ``nn.DataParallel``."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        return self.module(x)  # type: ignore[no-any-return]


class Frozen(Wrapper):
    """A network whose forward allows no gradients, as many ``predict`` functions do."""

    def forward(self, x: Tensor) -> Tensor:
        """Run the network without a graph."""
        with torch.no_grad():
            return self.module(x)  # type: ignore[no-any-return]


def plain(*middle: nn.Module, inplace: bool = False) -> nn.Sequential:
    """An ordinary network."""
    return nn.Sequential(
        conv(3, 8), nn.ReLU(inplace), *middle, conv(8, 8), nn.ReLU(inplace), nn.Flatten(), nn.LazyLinear(4)
    )


def last_is_one_pixel() -> nn.Sequential:
    """The last convolutions put out a single position."""
    return nn.Sequential(
        conv(3, 8), nn.ReLU(), conv(8, 8, 8), nn.AdaptiveAvgPool2d(1), conv(8, 8, 1, 1), nn.Flatten(), nn.Linear(8, 4)
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "shared": Shared,
    "shared in place": lambda: Shared(inplace=True),
    "in place": lambda: plain(inplace=True),
    "channels last": ChannelsLast,
    "one pixel": last_is_one_pixel,
    "wrapped": lambda: Wrapper(plain()),
    "DataParallel": lambda: nn.DataParallel(plain()),
}


def explained(net: nn.Module, method: str) -> seewhy.Explanation:
    """An explanation of an untrained network."""
    torch.manual_seed(1)
    net(torch.zeros(1, 3, SIDE, SIDE))  # shapes of lazy layers
    for weights in net.parameters():
        nn.init.normal_(weights, std=0.3)
    return seewhy.explain(
        seewhy.classifier(net.eval(), size=SIDE), picture(SIDE, SIDE), method=method, targets=0, check=False
    )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", NETWORKS)
def test_the_automatic_layer_works(kind: str, method: str) -> None:
    """The map is finite and differs from place to place."""
    values = explained(NETWORKS[kind](), method).maps["class:0"]
    assert np.isfinite(values).all()
    assert values.std() > 0


@pytest.mark.parametrize("method", METHODS)
def test_a_network_without_maps_is_refused_with_advice(method: str) -> None:
    """Without a convolution there is no map to weigh or to disturb."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 8), nn.ReLU(), nn.Linear(8, 4))
    with pytest.raises(
        RequestError, match=r"expected a network with feature maps, .*choose a method that needs no layer"
    ):
        explained(net, method)


def test_a_named_layer_that_runs_twice_is_refused_before_any_noise() -> None:
    """The message says why, and which layers work."""
    with pytest.raises(RequestError, match="got act, which runs 2 times; layers that output maps: a, b"):
        explained(Shared(), "iba:layer=act")


@pytest.mark.parametrize(
    "method", ["smoothgrad", "integrated-gradients", "iba", "ibisa", "extremal-perturbation:iterations=2"]
)
def test_a_forward_without_gradients_is_refused(method: str) -> None:
    """A map of gradients that a module cuts off would be wrong."""
    with pytest.raises(RequestError, match="no_grad, inference_mode or detach in its forward"):
        explained(Frozen(plain()), method)


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((1, 56, 56, 96), (224, 224), (96, 56, 56, True)),
        ((1, 96, 56, 56), (224, 224), (96, 56, 56, False)),
        ((1, 64, 28, 28), (224, 224), (64, 28, 28, False)),
        ((1, 200, 3, 48), (48, 192), (200, 3, 48, False)),  # strides of 16 and 4, as in networks that read text
        ((1, 12, 48, 40), (48, 192), (40, 12, 48, True)),
        ((1, 512, 1, 1), (224, 224), None),
        ((1, 7, 7, 768), (224, 224), (768, 7, 7, True)),
    ],
)
def test_axes_are_told_apart(
    shape: tuple[int, ...], size: tuple[int, int], expected: tuple[int, int, int, bool] | None
) -> None:
    """Channels are last only where the first axes alone can be the positions."""
    found = layout("x", shape, size)
    assert (None if found is None else (found.channels, found.rows, found.columns, found.channels_last)) == expected
    if found is not None:
        output = torch.rand(shape)
        assert found.features(output).shape[1:] == (found.channels, found.rows, found.columns)
        assert torch.equal(found.output(found.features(output), output), output)
