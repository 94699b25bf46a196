"""The benchmark of partial recomputation, on a tiny ResNet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def test_partial_recompute(run: Callable[..., dict[str, Any]], photo: Path) -> None:
    """There is one row for the whole network and one per box; stages agree with it; deeper cuts need larger crops."""
    asked = ("--network", "tiny", "--engine", "torch", "--box", 8, "--box", 16, "--batch", 2, "--rounds", 1)
    figures = run("partial_recompute", photo, *asked)
    assert [(row["way"], row["box"]) for row in figures["gains"]] == [("whole", None), ("partial", 8), ("partial", 16)]
    assert all(row["difference"] < 1e-5 for row in figures["gains"])
    assert all(row["predicted"] > 1 for row in figures["gains"][1:])
    crops = [row["crop_side"] for row in figures["cuts"]]
    assert crops == sorted(crops)
    assert 8 <= crops[0] < crops[-1] < 224
