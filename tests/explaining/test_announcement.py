"""What a run of more than 30 s will cost is said before it starts, and suspicions of the self-test too."""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import seewhy
from games import picture
from seewhy.cli.app import main


class Slow:
    """A function that takes a given time for each picture, as a clock that the test moves sees it."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now, self.shown = seconds, 0.0, 0

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Let time pass."""
        self.now += self.seconds * len(pictures)
        self.shown += len(pictures)
        level = pictures[:, 0, 0, 0] / 255
        return np.stack([level, 1 - level], 1)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """A function of one second per picture, and the clock that says so."""
    function = Slow(1.0)
    monkeypatch.setattr(time, "perf_counter", lambda: function.now)
    return function


def stop(done: int, planned: int) -> None:
    """End a run at its first query."""
    del done, planned
    raise KeyboardInterrupt


def said(caplog: pytest.LogCaptureFixture, classifier: seewhy.Classifier, **settings: Any) -> list[str]:
    """What the package logs before the first query of a run."""
    with pytest.raises(KeyboardInterrupt):
        seewhy.explain(classifier, picture(600, 800), progress=stop, **settings)
    return [record.getMessage() for record in caplog.records if record.name == "seewhy"]


def test_a_long_run_is_announced_before_it_starts(caplog: pytest.LogCaptureFixture, slow: Slow) -> None:
    """Queries, those of the check included, seconds and memory."""
    (text,) = said(caplog, seewhy.classifier(slow, size=200), method="rise:masks=400")
    assert text == (
        "rise: about 446 queries of about 1 s each, about 7 minutes in all, with about 31 MB of images at a time"
    )


def test_a_short_run_is_not(caplog: pytest.LogCaptureFixture, slow: Slow) -> None:
    """A budget can make it short."""
    assert said(caplog, seewhy.classifier(slow, size=20), method="occlusion:size=10", budget=20, check=False) == []


def test_a_limit_of_seconds_needs_no_warning(caplog: pytest.LogCaptureFixture, slow: Slow) -> None:
    """The caller has said how long it may take."""
    assert said(caplog, seewhy.classifier(slow, size=20), method="rise", budget=seewhy.Budget(seconds=60.0)) == []


def test_an_image_at_its_own_size_is_told_how_to_be_quick(caplog: pytest.LogCaptureFixture, slow: Slow) -> None:
    """A function without a size gets the photo as it is."""
    (text,) = said(caplog, seewhy.classifier(slow), infill="gray")
    assert text.startswith("pmi: the image of 800 × 600 is shown at its own size: about 30,0")
    assert text.endswith("set size=224 or another size of the classifier for an answer in less time")


def test_a_learned_infill_counts(caplog: pytest.LogCaptureFixture, slow: Slow) -> None:
    """A fast classifier with a slow in-fill is slow."""
    slow.seconds = 0.0

    @seewhy.inpainter
    def paint(images: np.ndarray, keep: np.ndarray) -> np.ndarray:
        del keep
        slow.now += 0.5
        return images

    (text,) = said(caplog, seewhy.classifier(slow, size=40), method="rise:masks=400", infill=paint)
    assert "of about 500 ms each, about 4 minutes" in text


def test_suspicions_come_before_the_run() -> None:
    """Nobody waits an hour for a map of a classifier that is wired up wrongly."""
    constant = seewhy.classifier(lambda pictures: [[0.25, 0.75]] * len(pictures), size=20)
    with pytest.warns(UserWarning, match="does not depend on the image"), pytest.raises(KeyboardInterrupt):
        seewhy.explain(constant, picture(20, 20), method="rise", progress=stop)


@pytest.mark.parametrize("quiet", [False, True])
def test_the_command_line_says_it_on_stderr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, quiet: bool
) -> None:
    """Before the run, which is interrupted at its first query."""
    (tmp_path / "slow_net.py").write_text(
        "now, shown = [0.0], [0]\n"
        "def net(pictures):\n"
        "    now[0] += len(pictures)\n"
        "    shown[0] += len(pictures)\n"
        "    if shown[0] > 12: raise KeyboardInterrupt\n"
        "    return [[p.mean() / 255, 1 - p.mean() / 255] for p in pictures]\n"
    )
    Image.fromarray((np.asarray(picture(20, 20)).transpose(1, 2, 0) * 255).astype(np.uint8)).save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "slow_net", raising=False)
    monkeypatch.setattr(time, "perf_counter", lambda: sys.modules["slow_net"].now[0])
    words = [
        "explain",
        "a.png",
        "--method",
        "rise:masks=400",
        "--classifier",
        "python:object=slow_net:net,size=20",
        "--trust",
    ]
    with pytest.raises(SystemExit) as leaving:
        main([*words, *(["--quiet"] if quiet else [])])
    assert leaving.value.code == 130
    assert ("rise: about 446 queries of about 1 s each, about 7 minutes" in capsys.readouterr().err) is not quiet
