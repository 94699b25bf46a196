"""Training the patch sampler: a short run on synthetic photos writes a card, resumes after a break and can be used."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from games import smooth_photos
from interrupting import interrupt_at
from seewhy.cli.train_sampler import sampler
from seewhy.core.errors import RequestError
from seewhy.infills.patch_sampler import patch_sampler
from seewhy.nets.compact_sampler import load_sampler
from seewhy.training.sampler.photos import centre_view, random_view, read_photos
from seewhy.training.sampler.train import Plan, Result, train_sampler
from seewhy.training.sampler.windows import cut_windows, held_out_windows, hide_ring


def _train(
    folder: Path,
    out: Path,
    *,
    patch: int = 4,
    steps: int = 20,
    rate: float = 2e-3,
    begin: Path | None = None,
) -> Result:
    """Run twenty small steps."""
    plan = Plan(patch=patch, steps=steps, batch=32, check_every=10, rate=rate)
    return train_sampler([folder], out, plan=plan, begin=begin)


def _interrupt(folder: Path, out: Path, at: int) -> None:
    """Run the same training, and interrupt it after a step."""
    plan = Plan(patch=4, steps=20, batch=32, check_every=10)
    with pytest.raises(KeyboardInterrupt):
        train_sampler([folder], out, plan=plan, progress=interrupt_at(at))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a folder of smooth colour images, some held out by content, as bitmaps so that no codec matters."""
    return smooth_photos(tmp_path_factory.mktemp("photos"))


def test_a_short_run_learns_and_can_be_used(photos: Path, tmp_path: Path) -> None:
    """Twenty steps beat uniform noise, and write a card without paths and weights that the in-fill loads."""
    result = _train(photos, tmp_path)
    card = json.loads((tmp_path / "card.json").read_text())
    assert result.bits == pytest.approx(card["held_out_bits_per_subpixel"], abs=1e-4)
    assert result.bits < 8
    assert card["photos"]["held_out"] > 0
    assert [evaluation.step for evaluation in result.curve] == [10, 20]
    assert card["curve"] == [
        [evaluation.step, round(evaluation.trained, 4), round(evaluation.held_out, 4)] for evaluation in result.curve
    ]
    assert result.bits == min(evaluation.held_out for evaluation in result.curve)
    assert str(photos) not in json.dumps(card)
    assert not (tmp_path / "checkpoint.safetensors").exists()
    infill = patch_sampler(patch=4, weights=str(tmp_path))
    keep = torch.ones(1, 16, 16)
    keep[0, 4:8, 4:8] = 0
    assert infill(torch.full((3, 16, 16), 0.5), keep, torch.tensor([1])).shape == (1, 3, 16, 16)
    assert infill.checksum == card["sha256"]


def test_an_interrupted_run_resumes(photos: Path, tmp_path: Path) -> None:
    """Thirteen steps, a break and the rest from step ten give exactly the weights of twenty steps in one run."""
    broken = tmp_path / "broken"
    _interrupt(photos, broken, 13)
    assert len(json.loads((broken / "card.json").read_text())["curve"]) == 1
    rest = _train(photos, broken)
    whole = _train(photos, tmp_path / "whole")
    assert rest == whole
    assert (broken / "weights.safetensors").read_bytes() == (tmp_path / "whole" / "weights.safetensors").read_bytes()


def test_a_checkpoint_of_another_network_is_refused(photos: Path, tmp_path: Path) -> None:
    """Resuming with another patch size raises an error."""
    _interrupt(photos, tmp_path, 10)
    with pytest.raises(RequestError, match="expected a checkpoint of this network"):
        _train(photos, tmp_path, patch=8)


def test_training_begins_from_trained_weights(photos: Path, tmp_path: Path) -> None:
    """If training only does harm, the initial weights are written, and the card records where they came from."""
    _train(photos, tmp_path / "first")
    result = _train(photos, tmp_path / "second", rate=1.0, begin=tmp_path / "first")
    assert [evaluation.step for evaluation in result.curve] == [0, 10, 20]
    assert result.bits == result.curve[0].held_out
    first, second = (load_sampler(tmp_path / name)[0].state_dict() for name in ("first", "second"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    cards = [json.loads((tmp_path / name / "card.json").read_text()) for name in ("first", "second")]
    assert cards[1]["begun_from"] == cards[0]["sha256"]


def test_training_does_not_change_the_global_random_state(photos: Path, tmp_path: Path) -> None:
    """Training does not change the global random state."""
    torch.manual_seed(11)
    before = torch.get_rng_state()
    _interrupt(photos, tmp_path, 10)
    assert torch.equal(torch.get_rng_state(), before)


def test_photos_are_split_by_content(photos: Path, tmp_path: Path) -> None:
    """A copy under another name changes nothing, and no photo is on both sides."""
    train, held_out = read_photos([photos])
    for path in photos.iterdir():
        (tmp_path / f"copy_{path.name}").write_bytes(path.read_bytes())
    again = read_photos([photos, tmp_path])
    assert [len(part) for part in again] == [len(train), len(held_out)]
    assert not {photo.tobytes() for photo in train} & {photo.tobytes() for photo in held_out}


def test_too_few_photos_are_refused(tmp_path: Path) -> None:
    """An empty folder raises an error."""
    with pytest.raises(RequestError, match="got 0 and 0; provide more photos"):
        _train(tmp_path, tmp_path / "out")


def test_windows_at_the_border_are_flagged(photos: Path) -> None:
    """A white image's window is white exactly where it is not flagged as outside, and some windows cross the border."""
    del photos
    white = np.full((20, 20, 3), 255, dtype=np.uint8)
    windows = cut_windows([white], 4, 100, np.random.default_rng(0))
    assert torch.equal(windows.windows, (1 - windows.outside)[:, None].expand(-1, 3, -1, -1))
    assert (windows.patches == 1).all()
    crossing = windows.outside.flatten(1).any(1)
    assert crossing.any()
    assert not crossing.all()


def test_hidden_rings_are_blank_and_flagged() -> None:
    """About the requested fraction of windows is affected; hidden pixels are black and flagged, the patch stays."""
    white = np.full((40, 40, 3), 255, dtype=np.uint8)
    whole = cut_windows([white], 4, 400, np.random.default_rng(0))
    cut = hide_ring(whole, 0.5, np.random.default_rng(1))
    assert torch.equal(cut.windows, (1 - cut.outside)[:, None].expand(-1, 3, -1, -1))
    assert torch.equal(cut.patches, whole.patches)
    assert (cut.outside >= whole.outside).all()
    assert 0.35 < (cut.outside != whole.outside).flatten(1).any(1).float().mean() < 0.65
    assert torch.equal(hide_ring(whole, 0.0, np.random.default_rng(1)).outside, whole.outside)


def test_views_have_the_classifiers_size(photos: Path) -> None:
    """Random and centre views of a photo smaller than the classifier's input are still 224 × 224."""
    train, held_out = read_photos([photos])
    rng = np.random.default_rng(0)
    assert random_view(train[0], rng).shape == centre_view(train[0]).shape == (224, 224, 3)
    assert torch.equal(held_out_windows(held_out, 4).patches, held_out_windows(held_out, 4).patches)


def test_the_command_trains(photos: Path, tmp_path: Path) -> None:
    """The command runs the same loop, prints the result, and refuses a folder without photos."""
    words = [str(photos), "--out", str(tmp_path / "w"), "--patch", "4", "--steps", "2", "--batch", "16"]
    good = CliRunner().invoke(sampler, words)
    assert good.exit_code == 0, good.output
    assert "bits per sub-pixel on held-out photos, at step 2 of 2" in good.output
    with pytest.raises(RequestError, match="provide more photos"):
        sampler([str(tmp_path / "w"), "--out", str(tmp_path / "x")], standalone_mode=False)
