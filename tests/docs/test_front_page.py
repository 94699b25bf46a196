"""What a visitor sees first: the README, the citation and the example notebook."""

import base64
import io
import json
import re
import runpy
import tomllib
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from PIL import Image

from seewhy import registry

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOK = ROOT / "examples/first_explanation.ipynb"
PICTURE = re.compile(r"[A-Za-z0-9+/=]{1000,}")


def test_the_readme_is_short_and_names_every_method() -> None:
    """About ninety lines; every method but the controls is in the table of families."""
    assert len(README.splitlines()) <= 95
    assert [name for name, row in registry.METHODS.items() if not row.control and f"`{name}`" not in README] == []


def test_the_citation_has_the_version_of_the_package() -> None:
    """CITATION.cff is updated with every version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_the_notebook_holds_its_outputs() -> None:
    """`scripts/notebook` saved them: every cell ran, in order, and nothing names the machine or takes much space."""
    text = NOTEBOOK.read_text(encoding="utf-8")
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    assert [cell["id"] for cell in cells if not cell["outputs"]] == ["cell-01"]  # the imports
    assert "stderr" not in {output.get("name") for cell in cells for output in cell["outputs"]}
    assert re.search(r"/(home|root|tmp|usr|var|work|Users)/|[A-Z]:\\\\|iopub", PICTURE.sub("", text)) is None
    assert len(text) <= 400_000


def test_pictures_that_look_the_same_are_kept() -> None:
    """Running the notebook again replaces a picture only if it looks different."""
    script = runpy.run_path(str(ROOT / "scripts/notebook"))
    dark, caption, bright = (notebook_text(*levels) for levels in ((20, 20), (20, 90), (90, 90)))
    assert script["with_saved_pictures"](caption, dark) == dark
    assert script["with_saved_pictures"](bright, dark) == bright
    assert script["with_saved_pictures"](bright, "no pictures yet") == bright


def notebook_text(level: int, corner: int) -> str:
    """A saved picture of one level of gray with another in one of its 900 pixels."""
    image = Image.new("RGB", (30, 30), (level, level, level))
    image.putpixel((0, 0), (corner, corner, corner))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f'"image/png": "{base64.b64encode(buffer.getvalue()).decode()}"'


@pytest.mark.skipif(find_spec("efficientnet_lite_pytorch") is None, reason="the extra demo is not installed")
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run from a folder beside the photos, every cell works; the explanation shows itself, its plots and a table."""
    (tmp_path / "photos").symlink_to(ROOT / "examples/photos")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    cells = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    shown = {
        key: {kind: data for output in outputs for kind, data in output.get("data", {}).items()}
        for key, outputs in cells.items()
    }
    assert "<img" in shown["explanation"]["text/html"]
    assert "<li>" in shown["explanation"]["text/html"]
    assert "image/png" in shown["plot"]
    assert "grad-cam" in shown["comparison"]["text/html"]
    assert "Explanation(coffee.jpg: espresso" in cells["load"][0]["text"]
