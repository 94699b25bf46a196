"""Every example runs, and writes what it says."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.py"))
NEEDS = {"explain_photo": "efficientnet_lite_pytorch", "onnx_model": "onnxruntime"}
SAYS = {
    "explain_photo": "espresso: p = 0.95",
    "onnx_model": "red; 401 queries",
    "own_function": "p(red) = 0.65",
    "own_inpainter": "p(dark) falls by at most 0.",
    "own_torch_module": "red rather than green: at most +",
}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path: Path, tmp_path: Path) -> None:
    """It says what it should, and its folder can be read back."""
    needed = NEEDS.get(path.stem)
    if needed is not None and find_spec(needed) is None:
        pytest.skip(f"{needed} is not installed")
    done = subprocess.run(
        [sys.executable, path, tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        cwd=tmp_path,
        env=os.environ
        | {"OMP_NUM_THREADS": "1"},  # several processes that each take every core stand in each other's way
    )
    assert done.returncode == 0, done.stderr
    assert SAYS[path.stem] in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_short(path: Path) -> None:
    """At most forty lines: an example is read in one go."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 40
