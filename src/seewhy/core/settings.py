"""Parse settings given as text against a function's keyword-only arguments; the signature serves as the schema."""

import inspect
import types
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Union, Unpack, get_args, get_origin, get_type_hints

from seewhy.core.errors import RequestError, did_you_mean

REQUIRED = inspect.Parameter.empty
"""Stands for the default of a required setting."""

AUTO = "auto"
"""Text form of None: the program chooses the value. Users type it, and the record shows it."""


def schema(function: Callable[..., object]) -> dict[str, tuple[Any, object]]:
    """Return setting → (type, default) for each keyword-only argument of a function.

    ``**settings: Unpack[Group]`` stands for the settings of a typed dictionary, each declared as ``Annotated[type, default]``.
    """
    hints = get_type_hints(function)
    known: dict[str, tuple[Any, object]] = {}
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if parameter.kind is parameter.KEYWORD_ONLY:
            known[parameter.name] = (hint, parameter.default)
        elif get_origin(hint) is Unpack:
            group = get_type_hints(get_args(hint)[0], include_extras=True)
            known |= {name: (annotated.__origin__, annotated.__metadata__[0]) for name, annotated in group.items()}
    return known


def bind(function: Callable[..., object], settings: Mapping[str, str], owner: str) -> dict[str, object]:
    """Convert settings given as text to keyword arguments of a function; ``owner`` is the name that the user typed.

    Raises:
        RequestError: a setting does not exist, or its text cannot be converted to its type.
    """
    known = schema(function)
    _check_names(known, settings, owner)
    bound = {}
    for name, text in settings.items():
        hint = known[name][0]
        try:
            bound[name] = _convert(text, hint)
        except ValueError:
            raise RequestError(f"expected {owner}:{name}={describe(hint)}, got {text!r}") from None
    return bound


def _check_names(known: Collection[str], given: Iterable[str], owner: str) -> None:
    """Reject unknown settings and suggest the closest valid name."""
    for name in given:
        if name not in known:
            hint = did_you_mean(name, known) if known else "it has no settings"
            raise RequestError(f"{owner} has no setting {name!r}; {hint}")


def require(function: Callable[..., object], settings: Mapping[str, object], owner: str) -> None:
    """Check that all given settings exist and that all required settings are given.

    Raises:
        RequestError: a setting is unknown or missing; the message shows how to write it.
    """
    known = schema(function)
    _check_names(known, settings, owner)
    for name, (hint, default) in known.items():
        if default is REQUIRED and name not in settings:
            raise RequestError(f"{owner} requires the setting {name!r}; write {owner}:{name}={describe(hint)}")


def describe(hint: Any) -> str:  # noqa: ANN401 - a type hint is anything
    """Describe in a few words which values a type allows."""
    if get_origin(hint) is Literal:
        return " or ".join(str(choice) for choice in get_args(hint))
    if get_origin(hint) in {Union, types.UnionType}:
        return " or ".join(AUTO if part is type(None) else describe(part) for part in get_args(hint))
    if get_origin(hint) is tuple and get_args(hint)[1:] == (...,):
        return f"{describe(get_args(hint)[0])}+…"
    if get_origin(hint) is tuple:
        return "/".join(describe(part) for part in get_args(hint))
    return str(getattr(hint, "__name__", hint))


def _convert(text: str, hint: Any) -> object:  # noqa: ANN401 - a type hint is anything
    """Convert text to one of the supported types."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal and text in parts:
        return text
    if origin in {Union, types.UnionType}:
        return None if text == AUTO and type(None) in parts else _first(text, parts)
    if origin is tuple and parts[1:] == (...,):
        return tuple(_convert(piece, parts[0]) for piece in text.split("+"))
    if origin is tuple:
        pieces = text.split("/")
        return tuple(_convert(piece, part) for piece, part in zip(pieces, parts, strict=True))
    if hint is bool and text.lower() in {"true", "false"}:
        return text.lower() == "true"
    if hint in {int, float, str}:
        return hint(text)
    raise ValueError(text)


def _first(text: str, hints: Sequence[Any]) -> object:
    """Convert text to the first of several types that accepts it."""
    for hint in hints:
        with suppress(ValueError):
            return _convert(text, hint)
    raise ValueError(text)
