"""Find a row by what a user typed: one way for every kind of row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Generic, Literal, TypeVar, cast, get_args, get_origin, overload

from seewhy.core.access import Access
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.settings import AUTO, REQUIRED, bind, schema
from seewhy.core.spec import Spec
from seewhy.registry.classifiers import CLASSIFIERS
from seewhy.registry.infills import INFILLS
from seewhy.registry.methods import METHODS
from seewhy.registry.metrics import METRICS
from seewhy.registry.nested import as_spec
from seewhy.registry.rows import ClassifierRow, InfillRow, Method, Metric, Rule
from seewhy.registry.rules import RULES

Kind = Literal["methods", "infills", "classifiers", "metrics", "rules"]
Row = Method | Metric | InfillRow | ClassifierRow | Rule
R = TypeVar("R", bound=Row)

TABLES: dict[str, Mapping[str, Row]] = {
    "methods": METHODS,
    "infills": INFILLS,
    "classifiers": CLASSIFIERS,
    "metrics": METRICS,
    "rules": RULES,
}


@dataclass(frozen=True, eq=False)
class Bound(Generic[R]):
    """A row with the settings that a user asked for; those left out have their defaults."""

    row: R
    spec: Spec
    settings: Mapping[str, object]

    @property
    def name(self) -> str:
        """The row's name."""
        return self.spec.name

    def full(self, settings: Mapping[str, object] | None = None) -> Spec:
        """Return the Spec with every setting written out: as they were run, or the user's."""
        return Spec(self.name, resolved(self.row, self.settings if settings is None else settings))


def table(kind: str) -> dict[str, Any]:
    """Return name → row of a kind, those of installed packages included.

    Args:
        kind: ``methods``, ``infills``, ``classifiers``, ``metrics`` or ``rules``.

    Raises:
        RequestError: there is no such kind.
    """
    if kind not in TABLES:
        raise RequestError(f"unknown kind {kind!r}; {did_you_mean(kind, TABLES)}")
    return {**_installed(kind), **TABLES[kind]}


@cache
def _installed(kind: str) -> dict[str, Any]:
    """Return the rows of installed packages; their entry points are read once in a process."""
    return {entry.name: entry.load() for entry in entry_points(group=f"seewhy.{kind}")}


@overload
def lookup(kind: Literal["methods"], spec: str | Spec) -> Bound[Method]: ...
@overload
def lookup(kind: Literal["metrics"], spec: str | Spec) -> Bound[Metric]: ...
@overload
def lookup(kind: Literal["infills"], spec: str | Spec) -> Bound[InfillRow]: ...
@overload
def lookup(kind: Literal["classifiers"], spec: str | Spec) -> Bound[ClassifierRow]: ...
@overload
def lookup(kind: Literal["rules"], spec: str | Spec) -> Bound[Rule]: ...
def lookup(kind: Kind, spec: str | Spec) -> Bound[Any]:
    """Look up a row and read its settings.

    Args:
        kind: kind of row.
        spec: ``name`` or ``name:key=value,key=value``; for a classifier also ``model.onnx`` or ``package.module:attribute``.

    Raises:
        RequestError: the name or a setting is unknown, or a value is not of its type; the nearest names are offered.

    Example:
        >>> lookup("methods", "pmi:size=16").settings
        {'size': 16}
        >>> str(lookup("infills", "blur").full())
        'blur:sigma=10.0'
    """
    rows = table(kind)
    if isinstance(spec, str):
        spec = _classifier_spec(spec, rows) if kind == "classifiers" else Spec.parse(spec)
    if spec.name not in rows:
        raise RequestError(f"unknown {kind[:-1]} {spec.name!r}; {did_you_mean(spec.name, rows)}")
    row = rows[spec.name]
    return _bind_rule(row, spec) if isinstance(row, Rule) else Bound(row, spec, _read(row, spec))


def _classifier_spec(text: str, rows: Mapping[str, ClassifierRow]) -> Spec:
    """Read ``model.onnx`` and ``package.module:attribute`` as the Specs that they stand for."""
    head, colon, tail = text.partition(":")
    if head.endswith(".onnx"):
        return Spec.parse(f"onnx:path={head}" + (f",{tail}" if tail else ""))
    if colon and "=" not in tail.split(",")[0] and head not in rows:
        return Spec.parse(f"python:object={text}")
    return Spec.parse(text)


def _bind_rule(row: Rule, spec: Spec) -> Bound[Rule]:
    """Read a rule's settings; ``strengths``, which every rule has, replaces that of the row."""
    own = dict(spec.settings)
    if (text := own.pop("strengths", None)) is not None:
        strengths = cast("tuple[float, ...]", bind(_strengths, {"strengths": text}, spec.name)["strengths"])
        low, high = row.limits
        for strength in strengths:
            if not low <= strength <= high:
                raise RequestError(f"expected {spec.name} with strengths from {low:g} to {high:g}, got {strength:g}")
        row = replace(row, strengths=strengths)
    spec = Spec(spec.name, own)
    return Bound(row, spec, _read(row, spec))


def _strengths(*, strengths: tuple[float, ...]) -> None:
    """Declare the setting that every rule has, for its type."""


def _read(row: Row, spec: Spec) -> dict[str, object]:
    """Read the settings of a Spec as the types that the row's function declares."""
    return bind(row.run, spec.settings, spec.name)


def access_of(bound: Bound[Method]) -> Access:
    """Return what a method needs from the classifier, with that of the method that it calls."""
    called = schema(bound.row.run)[bound.row.calls][1] if bound.row.calls else None
    text = bound.settings.get(bound.row.calls or "", called)
    return bound.row.access if text is None else max(bound.row.access, lookup("methods", as_spec(str(text))).row.access)


def resolved(row: Row, settings: Mapping[str, object]) -> dict[str, str]:
    """Write every setting of a row as text, defaults included, so that a Spec is complete."""
    known = schema(row.run)
    return {name: as_text(settings.get(name, default), hint) for name, (hint, default) in known.items()}


def as_text(value: object, hint: Any) -> str:  # noqa: ANN401 - a type hint is anything
    """Write a setting as a user would type it: a list of any length is joined by ``+``, a fixed tuple by ``/``, a size by ``x``.

    Example:
        >>> as_text((8, 16), tuple[int, ...]), as_text(None, int | None), as_text((8, 16), int | str | Sequence[int])
        ('8+16', 'auto', '8x16')
    """
    if value is None:
        return AUTO
    if value is REQUIRED:
        return "required"
    if isinstance(value, tuple | list) and (between := joint(hint)):
        return between.join(map(str, value))
    if isinstance(value, tuple):
        fixed = get_origin(hint) is tuple and ... not in get_args(hint)
        return ("/" if fixed else "+").join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def joint(hint: Any) -> str:  # noqa: ANN401 - a type hint is anything
    """Return what joins the numbers of a setting that is also taken as text: ``8x16``, ``0.5/0.5/0.5``; empty for others."""
    parts = get_args(hint)
    return "x" if Sequence[int] in parts else "/" if Sequence[float] in parts else ""
