"""Pictures of known class reveal what answers alone cannot show: each wrong wiring is named, and the right one passes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import seewhy
from seewhy.classifiers.imagenet import imagenet_labels
from seewhy.classifiers.known import CheckLike, check_known
from seewhy.core.errors import ClassifierError, RequestError

NAMES = ["red", "green", "blue", "dark"]
COLORS = {"red": (200, 60, 60), "green": (50, 180, 60), "blue": (60, 50, 190), "dark": (10, 12, 10)}


class ColorNet(nn.Module):
    """Four classes: the dominant colour, or dark; for images in [-1, 1]."""

    def __init__(self, order: tuple[int, ...] = (0, 1, 2, 3)) -> None:
        """Remember the order of the outputs."""
        super().__init__()
        self.order = order
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        means = x.mean((2, 3)) / 2 + 0.5
        logits = torch.cat([means * 20, 4 + (0.2 - means.mean(1, keepdim=True)) * 40], 1)
        return logits[:, self.order]


def picture(name: str, seed: int, side: int = 40) -> np.ndarray:
    """Return a noisy picture of a colour."""
    noise = np.random.default_rng(seed).normal(0, 8, (side, side, 3))
    return (np.array(COLORS[name]) + noise).clip(0, 255).astype(np.uint8)


PICTURES = [(picture(name, seed), name) for seed, name in enumerate([*NAMES, "blue", "dark"])]
RIGHT: dict[str, object] = {"size": 32, "mean": 0.5, "std": 0.5, "labels": NAMES}


def check(
    pictures: CheckLike = PICTURES, order: tuple[int, ...] = (0, 1, 2, 3), **settings: object
) -> seewhy.Classifier:
    """Open the network with a check."""
    return seewhy.classifier(ColorNet(order), check=pictures, **{**RIGHT, **settings})  # type: ignore[arg-type]


def test_right() -> None:
    """A classifier that is wired up rightly passes, and says how many pictures are right."""
    assert check_known(check(), PICTURES) == "right on 6 of 6 pictures of known class"


def framed(name: str) -> np.ndarray:
    """Return a wide picture whose colour fills the two thirds at its sides, with another one in the middle."""
    other = {"red": "green", "green": "blue", "blue": "red"}[name]
    wide = np.concatenate([picture(name, 1), picture(name, 2), picture(name, 3)], 1)
    wide[:, 36:84] = picture(other, 4, 48)[:40]
    return wide


FRAMED = [(framed(name), name) for name in ("red", "green", "blue")]

MISTAKES: list[tuple[dict[str, object], str]] = [
    ({"order": (3, 0, 1, 2)}, r"labels shifted by 1: with the class indices raised by 1"),
    ({"order": (1, 2, 3, 0)}, r"labels shifted by 1: with the class indices lowered by 1"),
    ({"order": (2, 3, 0, 1)}, r"labels shifted by 2"),
    ({"channels": "bgr"}, r"the wrong channel order: with channels=rgb"),
    ({"mean": None, "std": None}, r"another input normalisation: with mean=0\."),
    ({"mean": None, "std": None, "scale": 255.0}, r"another input normalisation: with mean=0\."),
    ({"labels": NAMES[::-1]}, r"labels in another order than the outputs: with labels in reversed order"),
    ({"order": (2, 3, 1, 0)}, r"labels in another order than the outputs: with labels in alphabetical order"),
    ({"pictures": FRAMED}, r"another framing: with fit=(stretch|pad)"),
]


@pytest.mark.parametrize(("settings", "message"), MISTAKES)
def test_mistakes(settings: dict[str, object], message: str) -> None:
    """The mistake is named, with the setting that mends it."""
    with pytest.raises(ClassifierError, match=message):
        check(**settings)  # type: ignore[arg-type]


def test_no_single_mistake() -> None:
    """Wrong answers that nothing explains are an error, too."""
    names = ["blue", "red", "green", "blue", "dark", "dark"]
    wrong = [(array, name) for (array, _), name in zip(PICTURES[:2] * 3, names, strict=True)]
    with pytest.raises(ClassifierError, match=r"right on 0 of 6 .*no other framing, channel order"):
        check(wrong)


def test_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures come from a dict, from a folder with a subfolder per class, or with a table."""
    paths = {}
    for array, name in PICTURES[:4]:
        paths[str(tmp_path / "by_name" / name / "picture.png")] = name
        (tmp_path / "by_name" / name).mkdir(parents=True)
        Image.fromarray(array).save(tmp_path / "by_name" / name / "picture.png")
        (tmp_path / "table").mkdir(exist_ok=True)
        Image.fromarray(array).save(tmp_path / "table" / f"{name}.png")
    rows = "".join(f"{name}.png,{place}\n" for place, name in enumerate(NAMES))
    (tmp_path / "table" / "labels.csv").write_text(f"file,class_idx\n{rows}")
    monkeypatch.chdir(tmp_path)
    for source in (paths, tmp_path / "by_name", "by_name", "table"):
        assert check_known(check(), source) == "right on 4 of 4 pictures of known class"


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ({}, "got none"),
        ([1, 2], r"as \{path: class\} or a list of \(image, class\)"),
        ([(PICTURES[0][0], "rde")], "got 'rde'; did you mean red"),
        ("nowhere", "got nowhere; check the path"),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_pictures_that_are_wrong(pictures: CheckLike, message: str) -> None:
    """What cannot be read is named."""
    with pytest.raises(RequestError, match=message):
        check(pictures)


def test_labels_only() -> None:
    """A classifier that gives labels only has no probabilities to compare."""
    with pytest.raises(RequestError, match="expected a classifier with probabilities for check=, got LABEL"):
        seewhy.classifier(lambda x: np.zeros(len(x), int), outputs="labels", classes=4, check=PICTURES)


def test_shipped() -> None:
    """The default classifier is right on the pictures in the package, which are small; names in another order are noticed."""
    folder = Path(seewhy.__file__).parent / "classifiers" / "known_pictures"
    assert sum(path.stat().st_size for path in folder.glob("*.jpg")) < 150_000
    classifier = seewhy.classifier("efficientnet-lite0")
    assert check_known(classifier, "imagenet") == "right on 4 of 4 pictures of known class"
    module = classifier.module  # type: ignore[attr-defined]
    with pytest.raises(ClassifierError, match=r"labels in another order .* in the order of ImageNet"):
        seewhy.classifier(module, size=224, mean=0.5, std=0.5, labels=sorted(imagenet_labels()), check="imagenet")


def test_a_class_beyond_the_last() -> None:
    """A picture of another classifier's class is refused before anything is concluded from it."""
    with pytest.raises(RequestError, match=r"expected a class from 0 to 3 for the picture image of check=, got 281"):
        seewhy.classifier(ColorNet(), size=40, mean=0.5, std=0.5, check=[(picture("red", 0), 281)])
