"""What a visitor sees first: the README, the citation and the example notebook."""

import tomllib
from importlib.util import find_spec
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from seewhy import registry

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOK = ROOT / "examples/first_explanation.ipynb"


def test_the_readme_is_short_and_names_every_method() -> None:
    """About ninety lines; every method but the controls is in the table of families."""
    assert len(README.splitlines()) <= 95
    assert [name for name, row in registry.METHODS.items() if not row.control and f"`{name}`" not in README] == []


def test_the_citation_has_the_version_of_the_package() -> None:
    """CITATION.cff is updated with every version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"version: {project['version']}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


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
