"""Whatever is wired up right is right, and whatever is wired up wrong is refused, in all variants of the documentation's table."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("unchecked")

KINDS = ("framing", "kind of answer", "names", "scale", "precision", "objects", "nothing to see", "torch context")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_every_variant(load: Callable[[str], ModuleType], kind: str) -> None:
    """None gives a wrong value without a word."""
    misreadings = load("misreadings")
    for variant in misreadings.KINDS[kind]():
        result, message = misreadings.outcome(variant)
        assert result == ("refused" if variant.wrong else "right"), f"{variant.name}: {message}"


def test_the_page_and_the_figures(
    load: Callable[[str], ModuleType],
    run: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """One row for each variant, counted by outcome, in the JSON and on the page."""
    misreadings = load("misreadings")
    assert tuple(misreadings.KINDS) == KINDS
    monkeypatch.setattr(misreadings, "KINDS", {"precision": misreadings.depths})
    figures = run("misreadings", "--page", tmp_path / "page.md")
    assert figures["variants"] == figures["right"] + figures["refused"] == len(figures["table"]) == 14
    assert "| floats beyond [0, 1] | refused: " in (tmp_path / "page.md").read_text(encoding="utf-8")
