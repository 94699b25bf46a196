"""Test the readout bottleneck against its formulas, position by position, and on a network that uses one quadrant only."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

import seewhy
from games import OpenGame, picture, small_cnn
from seewhy.cli import main
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.images.sources import list_images
from seewhy.infills.plain import constant
from seewhy.methods.layers.iba_readout import gather, iba_readout
from seewhy.nets.readout import Readout, load_readout, save_readout
from seewhy.training.bottleneck.readout import Plan, Trained, train_readout

SHAPES = [(8, 8, 7), (16, 6, 5), (5, 1, 1)]
"""Output shapes of `small_cnn` for an image of 20 × 17: its layers 0 and 2, and its scores."""

PREDICTED = int(small_cnn()(picture()[None]).argmax())


class RedOrBlue(nn.Module):
    """A classifier: class 0 for an image with more red than blue, else class 1; gray and green do not matter."""

    def __init__(self) -> None:
        super().__init__()
        self.look, self.coarse = nn.Conv2d(3, 2, 1, bias=False), nn.AvgPool2d(4, 4)
        with torch.no_grad():
            self.look.weight.copy_(torch.tensor([[1.0, 0, -1], [-0.5, 1, -0.5]])[:, :, None, None])
        self.requires_grad_(requires_grad=False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        score = 20 * self.coarse(self.look(images))[:, 0].mean((1, 2))
        return torch.stack([score, torch.zeros_like(score)], dim=1)


def random_readout(*, layers: tuple[str, ...] = ("0", "2"), **facts: object) -> tuple[Readout, dict[str, object]]:
    """Return a network with non-trivial weights, and its card."""
    net, generator = Readout(SHAPES, seed=3), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, value in net.state_dict().items():
            if name.startswith("std"):
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
            elif name.startswith(("mean", "last")):
                value.copy_(torch.randn(value.shape, generator=generator) * 2)
    card = {
        "layers": layers,
        "photos": 12,
        "steps": 34,
        "cross_entropy": 0.5,
        "classifier": "x",
        "fingerprint": "open game",
    }
    return net.requires_grad_(requires_grad=False), {**card, **facts}


def run(folder: Path, target: Target | None = None, **settings: object) -> tuple[Probe, Attribution]:
    """Run the method on `small_cnn`."""
    probe = Probe(OpenGame(small_cnn()), constant(value=0.25), picture(), **settings)  # type: ignore[arg-type]
    return probe, iba_readout(probe, [target or ClassEvidence(PREDICTED)], weights=str(folder))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a readout of `small_cnn`."""
    save_readout(tmp_path / "readout", *random_readout())
    return tmp_path / "readout"


def slow_resized(values: Tensor, rows: int, columns: int) -> Tensor:
    """Resize bilinearly with aligned corners, channel by channel and position by position."""
    found = torch.zeros(len(values), rows, columns)
    for row in range(rows):
        for column in range(columns):
            y, x = row * (values.shape[1] - 1) / (rows - 1), column * (values.shape[2] - 1) / (columns - 1)
            top, left = min(int(y), max(values.shape[1] - 2, 0)), min(int(x), max(values.shape[2] - 2, 0))
            for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
                weight = (y - top if i else 1 - y + top) * (x - left if j else 1 - x + left)
                if weight > 0:
                    found[:, row, column] += weight * values[:, top + i, left + j]
    return found


def slow_bits(net: Readout, sources: list[Tensor]) -> Tensor:
    """Resize and concatenate all sources, apply three matrices per position, and sum the KL over channels, in bits."""
    state = net.state_dict()
    scaled = [(source[0] - state[f"mean{i}"]) / state[f"std{i}"] for i, source in enumerate(sources)]
    everything = torch.cat([slow_resized(values, 8, 7) for values in scaled])
    found = torch.zeros(8, 7)
    for row in range(8):
        for column in range(7):
            values = everything[:, row, column]
            for name in ("first", "second", "last"):
                values = state[f"{name}.weight"][:, :, 0, 0] @ values + state[f"{name}.bias"]
                values = values.clamp(min=0) if name != "last" else values.clamp(-5, 5)
            for alpha, r in zip(values.tolist(), scaled[0][:, row, column].tolist(), strict=True):
                share = 1 / (1 + math.exp(-alpha))
                nats = -0.5 * (1 + math.log((1 - share) ** 2) - share**2 * r**2 - (1 - share) ** 2)
                found[row, column] += nats / math.log(2)
    return found


def test_the_map_matches_the_paper(folder: Path) -> None:
    """The map is in bits per pixel, costs two queries without a backward pass, and is deterministic."""
    probe, maps = run(folder)
    net, image = small_cnn(), picture()[None]
    assert isinstance(net, nn.Sequential)
    slow = slow_bits(random_readout()[0], [net[:1](image), net[:3](image), net(image)[:, :, None, None]])
    whole = functional.interpolate(slow[None, None], size=(20, 17), mode="bilinear", align_corners=False)[0, 0]
    values = maps.values[f"class:{PREDICTED}"]
    np.testing.assert_allclose(values, whole * (8 * 7 / (20 * 17)), rtol=1e-4)
    assert values.dtype == np.float32
    assert maps.unit == "bits per pixel"
    assert "layer 0 was trained on 12 photos for 34 steps" in maps.findings[0]
    assert "cross-entropy of the class was 0.50 nats at the end; the authors" in maps.findings[0]
    assert (probe.queries.forward_images, probe.queries.backward_images) == (2, 0)
    assert np.array_equal(values, run(folder, seed=1, batch_size=1)[1].values[f"class:{PREDICTED}"])


def test_a_readout_that_blocks_everything_is_reported(tmp_path: Path) -> None:
    """The cross-entropy of five classes by chance is 1.61 nats."""
    for kept, findings in ((1.6, 1), (1.7, 2)):
        save_readout(tmp_path / "readout", *random_readout(cross_entropy=kept))
        told = run(tmp_path / "readout")[1].findings
        assert len(told) == findings
    assert "no better than chance" in told[1]


def test_before_training_nearly_everything_passes() -> None:
    """The logits are 5 plus small terms from the last weights, which depend on the seed only, not on torch's state."""
    state = torch.get_rng_state()
    sources = [torch.randn(2, *shape, generator=torch.Generator().manual_seed(0)) for shape in SHAPES]
    assert float((Readout(SHAPES)(sources) - 5).detach().abs().max()) < 0.01
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(Readout(SHAPES).first.weight, Readout(SHAPES).first.weight)
    assert not torch.equal(Readout(SHAPES).first.weight, Readout(SHAPES, seed=1).first.weight)


@pytest.mark.parametrize("inplace", [False, True])
def test_sources_are_recorded_unchanged(inplace: bool) -> None:
    """Test maps, a vector and the scores; an in-place ReLU changes nothing."""
    net, image = small_cnn(), picture()[None]
    assert isinstance(net, nn.Sequential)
    expected = [net[:3](image), net[:6](image)[:, :, None, None], net(image)[:, :, None, None]]
    net[3] = nn.ReLU(inplace=inplace)
    sources = gather(Probe(OpenGame(net), constant(value=0.0), image[0]), ["2", "5"], image)
    for source, truth in zip(sources, expected, strict=True):
        torch.testing.assert_close(source, truth)


@pytest.mark.parametrize("target", [ClassEvidence((PREDICTED + 1) % 5), Contrast(PREDICTED, (PREDICTED + 1) % 5)])
def test_only_the_predicted_class_is_explained(folder: Path, target: Target) -> None:
    """The network was trained for the classifier's own predictions."""
    with pytest.raises(RequestError, match=f"expected the predicted class, class:{PREDICTED},.*got {target.key}"):
        run(folder, target)


def test_invalid_weights_are_rejected(folder: Path, tmp_path: Path) -> None:
    """Reject none, missing, of another classifier, of other layers or damaged weights, and a small budget."""
    probe = Probe(OpenGame(small_cnn()), constant(value=0.0), picture())
    with pytest.raises(RequestError, match=r"got none; train one with: seewhy train readout PHOTOS"):
        iba_readout(probe, [ClassEvidence(PREDICTED)])
    with pytest.raises(RequestError, match=r"expected card.json in .*seewhy train readout"):
        run(tmp_path)
    with pytest.raises(RequestError, match="budget of 1 queries"):
        run(folder, budget=Budget(queries=1))
    for facts, words in (
        ({"fingerprint": "x", "classifier": "other"}, "readout weights of this classifier, got those of other"),
        ({"layers": ("0", "conv")}, "no layer 'conv'"),
        ({"layers": ("0", "3", "4")}, r"layers of shapes \[\(8, 8, 7\), .*, got"),
    ):
        save_readout(tmp_path / "bad", *random_readout(**facts))
        with pytest.raises(RequestError, match=words):
            run(tmp_path / "bad")
    (folder / "readout.safetensors").write_bytes(b"damaged")
    with pytest.raises(RequestError, match="got other bytes"):
        run(folder)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Save gray noise images of 16 × 16 with one red or blue quarter; in the first, the lower left one."""
    folder, rng = tmp_path_factory.mktemp("quarters"), np.random.default_rng(0)
    for number in range(24):
        pixels = np.repeat(rng.integers(0, 256, (16, 16, 1), np.uint8), 3, axis=2)
        top, left = (8, 0) if number == 0 else 8 * rng.integers(0, 2, 2)
        pixels[top : top + 8, left : left + 8] = [[230, 20, 20], [20, 20, 230]][number % 2]
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return list_images([folder])


@pytest.fixture(scope="module")
def classifier() -> seewhy.Classifier:
    """Return `RedOrBlue` as a prepared classifier."""
    return seewhy.classifier(RedOrBlue(), size=16)


def trained(classifier: seewhy.Classifier, photos: list[Path], out: Path, plan: Plan) -> Trained:
    """Return a folder with a readout of `RedOrBlue`."""
    return train_readout(classifier, photos, out, layers=("look", "coarse"), plan=plan)


def test_training_finds_the_relevant_quarter(classifier: seewhy.Classifier, photos: list[Path], tmp_path: Path) -> None:
    """The loss falls, the class stays probable, and the map of an image lies on its coloured quarter, wherever that is."""
    losses = trained(classifier, photos, tmp_path / "out", Plan(steps=110, batch=8, rate=1e-2, beta=1.0)).losses
    whole = [step.cross_entropy + step.information for step in losses]
    assert np.mean(whole[-10:]) < 0.2 * np.mean(whole[:3])
    assert np.mean([step.cross_entropy for step in losses[-10:]]) < 0.4
    explained = seewhy.explain(classifier, photos[0], method=f"iba-readout:weights={tmp_path / 'out'}")
    (values,) = explained.maps.values()
    elsewhere = (values.sum() - values[8:, :8].sum()) / 192
    assert values[8:, :8].mean() > 5 * elsewhere


def test_training_is_reproducible_and_has_no_side_effects(
    classifier: seewhy.Classifier, photos: list[Path], tmp_path: Path
) -> None:
    """The same seed gives identical weights, another seed different ones; torch's global generator is unchanged."""
    state, plans = torch.get_rng_state(), [Plan(steps=2, batch=3, seed=seed) for seed in (0, 0, 1)]
    results = [trained(classifier, photos, tmp_path / str(i), plan) for i, plan in enumerate(plans)]
    raw = [(tmp_path / str(i) / "readout.safetensors").read_bytes() for i in range(3)]
    assert raw[0] == raw[1] != raw[2]
    assert results[0] == results[1] != results[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_statistics_are_those_of_the_photos(classifier: seewhy.Classifier, photos: list[Path], tmp_path: Path) -> None:
    """Compare the mean and standard deviation of each feature of each source; the card records the training."""
    trained(classifier, photos, tmp_path / "out", Plan(steps=1, batch=1))
    net, card = load_readout(tmp_path / "out", fingerprint=classifier.fingerprint)
    views = torch.stack([torch.from_numpy(np.array(Image.open(path))) for path in photos])
    network = RedOrBlue()
    fine = network.look(views.permute(0, 3, 1, 2).float() / 255)
    for number, features in enumerate((fine, network.coarse(fine))):
        mean, std = net.noise(number)
        torch.testing.assert_close(mean, features.mean(0), atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(std, features.std(0, correction=0).clamp(min=0.01), atol=1e-6, rtol=1e-5)
    assert (card["layers"], card["photos"], card["steps"]) == (["look", "coarse"], 24, 1)


@pytest.mark.parametrize("stop_at", ["photos", "cross-entropy"])
def test_an_interruption_leaves_nothing(
    classifier: seewhy.Classifier, photos: list[Path], tmp_path: Path, stop_at: str
) -> None:
    """This holds during measuring and during training."""

    def stop(done: int, planned: int, what: str, evaluation: str) -> None:
        del done, planned, evaluation
        if what.startswith(stop_at):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_readout(classifier, photos, tmp_path / "out", plan=Plan(steps=2, batch=2), progress=stop)
    assert not (tmp_path / "out").exists()


def test_the_command_trains(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Options give a folder that the method accepts; the layers are chosen; a bad number exits with status 2."""
    (tmp_path / "own_small.py").write_text("from games import small_cnn\n\nnetwork = small_cnn()\n")
    monkeypatch.chdir(tmp_path)
    words = ["train", "readout", str(photos[0].parent), "--classifier", "own_small:network,size=20", "--trust"]
    for out, steps, status in (("out", "2", 0), ("other", "0", 2)):
        with pytest.raises(SystemExit) as ending:
            main([*words, "--out", out, "--steps", steps, "--batch", "2"])
        assert int(ending.value.code or 0) == status
    said = capsys.readouterr()
    assert "nats per feature; use it with: --method iba-readout:weights=out" in said.out
    assert "0 is not in the range x>=1" in said.err
    assert {path.name for path in Path("out").iterdir()} == {"readout.safetensors", "card.json"}
    assert not Path("other").exists()


@pytest.mark.parametrize("settings", [{"steps": 0}, {"batch": 0}, {"rate": 0.0}, {"beta": -1.0}])
def test_invalid_training_settings_are_rejected(settings: dict[str, float]) -> None:
    """The error comes before anything is read."""
    with pytest.raises(RequestError, match="omit it to use the default"):
        Plan(**settings)  # type: ignore[arg-type]


def test_unsupported_classifiers_and_layers_are_rejected(photos: list[Path], tmp_path: Path) -> None:
    """Reject no access to layers, no fixed size, no photo, a layer without a map, and one that runs twice."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.again, self.look = nn.ReLU(), RedOrBlue()

        def forward(self, images: Tensor) -> Tensor:
            answer: Tensor = self.look(self.again(self.again(images)))
            return answer

    for classifier, layers, words in (
        (seewhy.classifier(lambda pictures: [[0.5, 0.5]] * len(pictures)), (), "accessible layers"),
        (seewhy.classifier(RedOrBlue()), (), "fixed input size"),
        (seewhy.classifier(small_cnn(), size=20), ("5",), "outputs a map"),
        (seewhy.classifier(Twice().eval(), size=16), ("again",), "runs once per image, got again, which ran 2 times"),
    ):
        with pytest.raises(RequestError, match=words):
            train_readout(classifier, photos, tmp_path / "out", layers=layers)
    with pytest.raises(RequestError, match="at least one photo"):
        train_readout(seewhy.classifier(RedOrBlue(), size=16), [], tmp_path / "out")
    assert not (tmp_path / "out").exists()
