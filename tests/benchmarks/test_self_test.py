"""The self-test names each mistake of the benchmark's small networks, and is silent where all is right."""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.usefixtures("unchecked")

PHOTO = Path(__file__).parents[2] / "examples" / "photos" / "coffee.jpg"


@pytest.mark.parametrize("cases", ["right_cases", "wrong_cases"])
@pytest.mark.filterwarnings("ignore")
def test_small_networks(load: Callable[[str], ModuleType], cases: str) -> None:
    """Every mistake is named and none is named as another; the large networks are left to the script."""
    script = load("self_test")
    chosen = [case for case in getattr(script, cases)(None) if "Lite" not in case.name]
    outcomes = {case.name: script.outcome(case, script.said(case, PHOTO)) for case in chosen}
    expected = "silent" if cases == "right_cases" else "named"
    assert {name: result for name, result in outcomes.items() if result != expected} == {}
    assert len(chosen) >= 12
