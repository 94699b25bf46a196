"""Jinja2 templates to HTML: the environment that all pages share."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from seewhy.pages._embed import image_uri, sprite_uri
from seewhy.results import wording

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEXT = {
    "agreement": wording.agreement,
    "answer": wording.answer,
    "correlation": wording.correlation,
    "image_meaning": wording.image_meaning,
    "image_title": wording.image_title,
    "interval": wording.interval,
    "percent": wording.percent,
    "probability": wording.probability,
}
"""Filters that write values; their output is escaped like any other text."""


def render(template: str, **context: object) -> str:
    """Return the HTML of a template. All text is escaped; a name that the context lacks is an error."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> "Environment":
    """Build the environment once; Jinja2 is imported only when a page is made."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - the package's import stays light

    environment = Environment(
        loader=PackageLoader("seewhy.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {**_TEXT, "css_percent": _css_percent, "image_uri": image_uri, "sprite_uri": sprite_uri}
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "allow_nan": False}
    environment.globals |= {"static": _static}
    return environment


def _css_percent(share: float) -> str:
    """Write a share of 1 as a CSS length, limited to 0 % to 100 %."""
    return f"{min(max(share, 0.0), 1.0):.2%}"


def _static(name: str) -> "Markup":
    """Return a stylesheet or script of the package as it is."""
    from markupsafe import Markup  # noqa: PLC0415 - comes with Jinja2

    text = files("seewhy.pages").joinpath("static", name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704 - a file of this package
