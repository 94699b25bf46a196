"""Test the regions of a search in an explanation, in its folder, and with regions that a user drew."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

import seewhy
from seewhy.core.errors import RequestError

METHOD = "search:regions=9,shape=grid,first=occlusion:size=8;stride=8,window=3"


def left_or_right(images: np.ndarray) -> list[list[float]]:
    """The brighter the left half, the more probable the first class."""
    return [
        [0.02 + 0.96 * float(image[:, :12].mean()) / 255, 0.98 - 0.96 * float(image[:, :12].mean()) / 255]
        for image in images
    ]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """An image of 24 x 24 pixels with a bright left half."""
    pixels = np.full((24, 24, 3), 30, np.uint8)
    pixels[:, :12] = 240
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def explained(photo: Path, method: str = METHOD) -> seewhy.Explanation:
    """Explain with black in-fills."""
    return seewhy.explain(left_or_right, photo, method=method, infill="constant:value=0", targets=0, check=False)


def test_regions_are_listed_and_located(photo: Path, tmp_path: Path) -> None:
    """In order, with their evidence; the folder gives back the same."""
    explanation = explained(photo)
    first = explanation.regions[0]
    assert explanation.region_map is not None
    where = explanation.region_map == first.number
    assert where[:, :12].sum() > where[:, 12:].sum()
    assert first.evidence > 0
    assert 0 < first.shown < explanation.regions[-1].shown <= 1
    again = seewhy.load(explanation.save(tmp_path / "out"))
    assert isinstance(again, seewhy.Explanation)
    assert again.regions == explanation.regions
    assert np.array_equal(again.region_map, explanation.region_map)  # type: ignore[arg-type]
    assert "suffices" in (tmp_path / "out/explanation.json").read_text(encoding="utf-8")


def test_a_folder_of_an_earlier_version_loads(photo: Path, tmp_path: Path) -> None:
    """Records and tensors without regions, and targets without a unit of their own."""
    folder = explained(photo).save(tmp_path / "out")
    record = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    del record["regions"]
    for target in record["targets"]:
        del target["unit"], target["signed"]
    (folder / "explanation.json").write_text(json.dumps(record), encoding="utf-8")
    tensors = load_file(folder / "maps.safetensors")
    del tensors["regions"]
    save_file(tensors, folder / "maps.safetensors")
    again = seewhy.load(folder)
    assert isinstance(again, seewhy.Explanation)
    assert (again.regions, again.region_map) == ((), None)


def test_regions_that_a_user_drew(photo: Path, tmp_path: Path) -> None:
    """The left half or the right one?"""
    drawn = np.zeros((24, 24), np.uint8)
    drawn[:, 12:] = 7
    Image.fromarray(drawn).save(tmp_path / "drawn.png")
    explanation = explained(photo, f"search:regions={tmp_path / 'drawn.png'},first=occlusion:size=8;stride=8")
    assert explanation.regions[0].number == 0
    assert explanation.region_map is not None
    assert np.array_equal(explanation.region_map, drawn // 7)
    Image.fromarray(drawn[:20]).save(tmp_path / "drawn.png")
    with pytest.raises(RequestError, match="24 x 24"):
        explained(photo, f"search:regions={tmp_path / 'drawn.png'},first=occlusion:size=8;stride=8")
