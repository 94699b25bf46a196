"""Test that every method satisfies the contract of generated images, including those that need generators or references."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from games import OpenGame, picture
from seewhy import registry
from seewhy.core.attribution import Attribution
from seewhy.core.probe import Probe
from seewhy.core.settings import schema
from seewhy.core.target import ClassEvidence
from seewhy.explaining.samples import checked_images
from seewhy.infills.plain import constant
from seewhy.nets.counterfactual_generators import CounterfactualGenerators, save_generators

SIZE = (20, 17)


class Light(nn.Module):
    """A classifier: class 0 if the image is darker than middle gray, else class 1."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return class scores."""
        light = images.mean((1, 2, 3)) - 0.5
        return torch.stack([-8 * light, 8 * light], 1)


def generators(folder: Path) -> str:
    """Untrained ones."""
    twins = CounterfactualGenerators(arm="syce", classes=(0, 1), channels=1, size=SIZE, seed=0, widths=(2, 2), last=1)
    save_generators(folder, twins, {"fingerprint": "open game", "classifier": "x"})
    return f"weights={folder}"


def references(folder: Path) -> str:
    """Save bright images, with which a dark one can be made bright."""
    for shade in (200, 220, 240):
        Image.fromarray(np.full((*SIZE, 3), shade, np.uint8)).save(folder / f"{shade}.png")
    return f"reference={folder}"


PREPARE: dict[str, Callable[[Path], str]] = {"weights": generators, "reference": references}
"""The settings by which a method is given generators or images, and how to make some."""


@pytest.mark.parametrize("name", sorted(name for name, row in registry.METHODS.items() if row.generated))
def test_generated_images_have_the_size_of_the_view(name: str, tmp_path: Path) -> None:
    """Those that the row names: of the view's size, finite, in [0, 1], and under names that can be drawn."""
    row = registry.METHODS[name]
    prepare = next((PREPARE[setting] for setting in schema(row.run) if setting in PREPARE), lambda _: "")
    bound = registry.lookup("methods", f"{name}:{prepare(tmp_path)}".removesuffix(":"))
    method, settings = bound.row, dict(bound.settings)
    probe = Probe(OpenGame(Light().eval()), constant(value=0.5), picture(*SIZE) * 0.8)
    maps: Attribution = method.run(probe, [ClassEvidence(0)], **settings)
    generated = checked_images(maps.generated, SIZE)
    assert set(generated) == set(row.generated)
    for image in generated.values():
        assert np.isfinite(image).all()
        assert image.dtype == np.float32
