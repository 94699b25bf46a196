"""Whatever is wired up right is right, and whatever is wired up wrong is refused, in all variants of the documentation's table."""

import misreadings
import pytest

pytestmark = pytest.mark.usefixtures("unchecked")


@pytest.mark.parametrize("kind", misreadings.KINDS)
@pytest.mark.filterwarnings("ignore")
def test_every_variant(kind: str) -> None:
    """None gives a wrong value without a word, and every refusal says what to do."""
    for variant in misreadings.KINDS[kind]():
        result, message = misreadings.outcome(variant)
        assert result == ("refused" if variant.wrong else "right"), f"{variant.name}: {message}"
        assert not variant.wrong or message
