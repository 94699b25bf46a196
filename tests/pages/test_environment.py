"""The environment that all pages share."""

import pytest

from seewhy.pages._environment import _environment, render


def test_a_missing_value_is_an_error() -> None:
    """A template never shows an empty place for a name that it was not given."""
    from jinja2 import UndefinedError  # noqa: PLC0415 - as the package does it

    with pytest.raises(UndefinedError, match="warnings"):
        render("_notices.html", notes=[])


def test_text_is_escaped_in_every_template() -> None:
    """Autoescaping does not depend on the name of a template."""
    assert render("_notices.html", warnings=["<b>&"], notes=[]).count("&lt;b&gt;&amp;") == 1
    assert _environment().from_string("{{ value }}").render(value="<") == "&lt;"


def test_json_cannot_end_its_script() -> None:
    """The filter writes markup characters as escapes."""
    shown = _environment().from_string("<script>{{ value|tojson }}</script>").render(value=["</script>", 0.5])
    assert shown == '<script>["\\u003c/script\\u003e",0.5]</script>'


@pytest.mark.parametrize(("share", "length"), [(-0.5, "0.00%"), (0.125, "12.50%"), (2.0, "100.00%")])
def test_lengths_stay_inside(share: float, length: str) -> None:
    """A bar is never longer than its track."""
    assert _environment().from_string("{{ share|css_percent }}").render(share=share) == length
