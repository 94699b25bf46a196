"""The how-to pages for authors of other packages: their code runs, found by entry points, with names from `seewhy.plugin` alone."""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import seewhy
from seewhy import plugin, registry
from seewhy.registry import tables

HOW_TO = Path(__file__).parents[2] / "docs/how-to"
PAGES = ("add-a-method", "add-an-infill", "add-a-classifier")


def text(page: str) -> str:
    """Return a page."""
    return (HOW_TO / f"{page}.md").read_text(encoding="utf-8")


def code(page: str) -> str:
    """Return the Python code of a page."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", text(page), re.MULTILINE | re.DOTALL))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install the code of the pages as a package, with the entry points that the pages declare."""
    module = ModuleType("my_package")
    monkeypatch.setitem(sys.modules, "my_package", module)
    entries = []
    for page in PAGES:
        exec(code(page), vars(module))  # noqa: S102 - the page's own code
        declared = re.findall(r'entry-points\."(\S+)"\]\n(\S+) = "(\S+)"', text(page))
        entries += [EntryPoint(name, value, group) for group, name, value in declared]
    points = EntryPoints(entries)
    monkeypatch.setattr(tables, "entry_points", lambda group: points.select(group=group))
    tables._installed.cache_clear()
    yield
    tables._installed.cache_clear()


@pytest.mark.parametrize("page", PAGES)
def test_authors_need_one_import(page: str) -> None:
    """What the pages import from seewhy comes from `seewhy.plugin`."""
    assert set(re.findall(r"from (seewhy\S*) import", code(page))) == {"seewhy.plugin"}


def test_what_is_exported_is_there() -> None:
    """`__all__` lists exactly the names of the module."""
    names = {
        name for name, value in vars(plugin).items() if not (name.startswith("_") or isinstance(value, ModuleType))
    }
    assert names == set(plugin.__all__)


@pytest.mark.usefixtures("installed")
def test_another_package_adds_entries() -> None:
    """A method, an in-fill and a classifier of another package work by name, and are listed."""
    image = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    explanation = seewhy.explain("redness", image, method="corner:size=8", infill="mirror", targets="red")
    covered = explanation["red"] != 0
    assert covered[:8, :8].all()
    assert covered.sum() == 64
    assert explanation.record.method.spec == "corner:size=8"
    assert seewhy.methods()["corner"].facts()["family"] == "my_package"
    assert "mirror" in seewhy.infills()
    assert "redness" in registry.table("classifiers")
