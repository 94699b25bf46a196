"""Find a row by what a user typed: one way for every kind of row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, Generic, Literal, TypeVar, cast, get_args, get_origin, overload

from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.settings import AUTO, REQUIRED, bind, schema
from seewhy.core.spec import Spec
from seewhy.registry.components import CLASSIFIERS, INFILLS
from seewhy.registry.methods import METHODS
from seewhy.registry.metrics import METRICS
from seewhy.registry.rows import Component, Method, Metric, Rule
from seewhy.registry.rules import RULES

Kind = Literal["methods", "infills", "classifiers", "metrics", "rules"]
Row = Method | Metric | Component | Rule
R = TypeVar("R", Method, Metric, Component, Rule)

TABLES: dict[str, Mapping[str, Row]] = {
    "methods": METHODS,
    "infills": INFILLS,
    "classifiers": CLASSIFIERS,
    "metrics": METRICS,
    "rules": RULES,
}


@dataclass(frozen=True, eq=False)
class Bound(Generic[R]):
    """A row with the settings that a user asked for.

    Args:
        row: row of the table.
        spec: as the user wrote it.
        settings: the user's, read; those left out have their defaults.

    Example:
        >>> lookup("methods", "pmi:size=16").settings
        {'size': 16}
    """

    row: R
    spec: Spec
    settings: Mapping[str, object]

    @property
    def name(self) -> str:
        """The row's name."""
        return self.spec.name

    def full(self, settings: Mapping[str, object] | None = None) -> Spec:
        """Return the Spec with every setting written out.

        Args:
            settings: as they were run; None for the user's.
        """
        return Spec(self.name, resolved(function_of(self.row), self.settings if settings is None else settings))


def table(kind: str) -> dict[str, Any]:
    """Return all rows of a kind, those of installed packages included.

    Args:
        kind: ``methods``, ``infills``, ``classifiers``, ``metrics`` or ``rules``.

    Raises:
        RequestError: there is no such kind.

    Example:
        >>> "pmi" in table("methods")
        True
    """
    if kind not in TABLES:
        raise RequestError(f"unknown kind {kind!r}; {did_you_mean(kind, TABLES)}")
    return {**{found.name: found.load() for found in entry_points(group=f"seewhy.{kind}")}, **TABLES[kind]}


@overload
def lookup(kind: Literal["methods"], spec: str | Spec) -> Bound[Method]: ...
@overload
def lookup(kind: Literal["metrics"], spec: str | Spec) -> Bound[Metric]: ...
@overload
def lookup(kind: Literal["infills", "classifiers"], spec: str | Spec) -> Bound[Component]: ...
@overload
def lookup(kind: Literal["rules"], spec: str | Spec) -> Bound[Rule]: ...
def lookup(kind: Kind, spec: str | Spec) -> Bound[Any]:
    """Look up a row and read its settings.

    Args:
        kind: kind of row.
        spec: ``name`` or ``name:key=value,key=value``.

    Raises:
        RequestError: the name or a setting is unknown, or a value is not of its type; the nearest names are offered.

    Example:
        >>> str(lookup("infills", "blur").full())
        'blur:sigma=10.0'
    """
    asked = Spec.parse(spec) if isinstance(spec, str) else spec
    rows = table(kind)
    if asked.name not in rows:
        raise RequestError(f"unknown {kind[:-1]} {asked.name!r}; {did_you_mean(asked.name, rows)}")
    found = rows[asked.name]
    if isinstance(found, Rule):
        return _rule(found, asked)
    return Bound(found, asked, bind(function_of(found), asked.settings, asked.name))


def _rule(found: Rule, asked: Spec) -> Bound[Rule]:
    """Read a rule's settings; ``strengths``, which every rule has, become those of the row."""
    own = {name: text for name, text in asked.settings.items() if name != "strengths"}
    given = {name: text for name, text in asked.settings.items() if name not in own}
    read = bind(_strengths, given, asked.name)
    tried = cast("tuple[float, ...]", read.get("strengths", found.strengths))
    low, high = found.limits
    for strength in tried:
        if not low <= strength <= high:
            raise RequestError(f"expected {asked.name} with strengths from {low:g} to {high:g}, got {strength:g}")
    return Bound(replace(found, strengths=tried), Spec(asked.name, own), bind(found.run, own, asked.name))


def _strengths(*, strengths: tuple[float, ...]) -> None:
    """Declare the setting that every rule has, for its type."""


def function_of(found: Row) -> Callable[..., object]:
    """Return the function whose keyword-only arguments are a row's settings."""
    return found.build if isinstance(found, Component) else found.run


def resolved(function: Callable[..., object], settings: Mapping[str, object]) -> dict[str, str]:
    """Write every setting of a function as text, defaults included, so that a Spec is complete.

    Example:
        >>> resolved(INFILLS["blur"].build, {})
        {'sigma': '10.0'}
    """
    return {name: as_text(settings.get(name, default), hint) for name, (hint, default) in schema(function).items()}


def as_text(value: object, hint: Any) -> str:  # noqa: ANN401 - a type hint is anything
    """Write a setting as a user would type it: a list of any length is joined by ``+``, a fixed tuple by ``/``.

    Example:
        >>> as_text((8, 16), tuple[int, ...]), as_text(None, int | None)
        ('8+16', 'auto')
    """
    if value is None:
        return AUTO
    if value is REQUIRED:
        return "required"
    if isinstance(value, tuple):
        fixed = get_origin(hint) is tuple and ... not in get_args(hint)
        return ("/" if fixed else "+").join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
