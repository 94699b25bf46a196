"""The registry: literal tables of all methods, in-fills, classifiers, metrics and rules, and functions that build from a Spec.

Outside packages add rows through the entry-point groups ``seewhy.methods``, ``seewhy.infills``,
``seewhy.classifiers``, ``seewhy.metrics`` and ``seewhy.rules``; each entry point loads a `Method`, a `Part`, a `Metric` or a
`Rule`.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, get_args, get_origin

import torch

from seewhy.classifiers.function import from_function
from seewhy.classifiers.module import from_module
from seewhy.core.access import Access
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.infill import Infill
from seewhy.core.settings import AUTO, REQUIRED, bind, require, schema
from seewhy.core.spec import Spec
from seewhy.registry.cost import Cost, Run
from seewhy.registry.methods import METHODS
from seewhy.registry.metrics import METRICS
from seewhy.registry.parts import CLASSIFIERS, INFILLS
from seewhy.registry.rows import Method, Metric, Part, Rule
from seewhy.registry.rules import RULES

__all__ = [
    "CLASSIFIERS",
    "DEFAULT_CLASSIFIER",
    "DEFAULT_METHOD",
    "INFILLS",
    "METHODS",
    "METRICS",
    "RULES",
    "Cost",
    "Method",
    "Metric",
    "Part",
    "Rule",
    "Run",
    "allowed",
    "classifier",
    "infill",
    "method",
    "metric",
    "resolved",
    "row",
    "rule",
    "runs_code",
    "table",
]

DEFAULT_CLASSIFIER = "efficientnet-lite0"
DEFAULT_METHOD = "pmi"


def table(kind: str) -> dict[str, Any]:
    """Return all rows of a kind, including those of installed packages.

    Args:
        kind: ``methods``, ``infills``, ``classifiers``, ``metrics`` or ``rules``.

    Raises:
        RequestError: the kind is unknown.

    Example:
        >>> list(table("methods"))[:2]
        ['pmi', 'occlusion']
    """
    tables: dict[str, dict[str, Any]] = {
        "methods": METHODS,
        "infills": INFILLS,
        "classifiers": CLASSIFIERS,
        "metrics": METRICS,
        "rules": RULES,
    }
    if kind not in tables:
        raise RequestError(f"unknown kind {kind!r}; {did_you_mean(kind, tables)}")
    return {**{found.name: found.load() for found in entry_points(group=f"seewhy.{kind}")}, **tables[kind]}


def row(kind: str, name: str) -> Any:  # noqa: ANN401 - a row of any kind
    """Return one row by name.

    Raises:
        RequestError: the name is unknown; the message suggests the nearest.

    Example:
        >>> row("methods", "pmi").infill
        'patch-sampler'
    """
    rows = table(kind)
    if name not in rows:
        raise RequestError(f"unknown {kind[:-1]} {name!r}; {did_you_mean(name, rows)}")
    return rows[name]


def method(spec: str | Spec) -> tuple[Spec, Method, dict[str, object]]:
    """Return a method's Spec, its row, and its settings as typed values.

    Raises:
        RequestError: the method or a setting is unknown, or a value is not of its type.

    Example:
        >>> method("pmi:size=16")[2]
        {'size': 16}
    """
    asked = Spec.parse(spec) if isinstance(spec, str) else spec
    found: Method = row("methods", asked.name)
    return asked, found, bind(found.run, asked.settings, asked.name)


def metric(spec: str | Spec) -> tuple[Spec, Metric, dict[str, object]]:
    """Return a metric's Spec, its row, and its settings as typed values.

    Raises:
        RequestError: the metric or a setting is unknown, or a value is not of its type.
    """
    asked = Spec.parse(spec) if isinstance(spec, str) else spec
    found: Metric = row("metrics", asked.name)
    return asked, found, bind(found.run, asked.settings, asked.name)


def rule(spec: str | Spec) -> tuple[Spec, Rule, dict[str, object], tuple[float, ...]]:
    """Return a rule's Spec, its row, its settings as typed values, and the strengths to test (``rotation:strengths=5+15``).

    Raises:
        RequestError: the rule or a setting is unknown, a value is not of its type, or a strength is outside its limits.

    Example:
        >>> rule("rotation:drawn=exact,strengths=5+15")[2:]
        ({'drawn': 'exact'}, (5.0, 15.0))
    """
    asked = Spec.parse(spec) if isinstance(spec, str) else spec
    found: Rule = row("rules", asked.name)
    own = {name: text for name, text in asked.settings.items() if name != "strengths"}
    given = {name: text for name, text in asked.settings.items() if name not in own}
    tried: tuple[float, ...] = bind(_tried, given, asked.name).get("strengths", found.strengths)  # type: ignore[assignment]
    low, high = found.limits
    for strength in tried:
        if not low <= strength <= high:
            raise RequestError(f"expected {asked.name} with strengths from {low:g} to {high:g}, got {strength:g}")
    return Spec(asked.name, own), found, bind(found.run, own, asked.name), tried


def _tried(*, strengths: tuple[float, ...]) -> None:
    """Declare the setting that every rule has, and its type."""


def infill(spec: str | Spec, classifier: Classifier, *, trust: bool = True) -> tuple[Spec, Infill]:
    """Build an in-fill for a classifier.

    Args:
        spec: the in-fill's Spec.
        classifier: provides the defaults of some settings, such as the mean colour.
        trust: allow Specs that run code from a file, as in `classifier`.

    Returns:
        The Spec with every setting filled in, and the in-fill.

    Raises:
        RequestError: the in-fill or a setting is unknown, a value is not of its type, or code is not trusted.
    """
    asked = Spec.parse(spec) if isinstance(spec, str) else spec
    found: Part = row("infills", asked.name)
    _check_trust(found, str(asked), trust=trust)
    settings = {name: getattr(classifier, attribute) for name, attribute in found.from_classifier.items()}
    settings |= bind(found.build, asked.settings, asked.name)
    require(found.build, settings, asked.name)
    return Spec(asked.name, resolved(found.build, settings)), found.build(**settings)


def resolved(function: Callable[..., object], settings: Mapping[str, object]) -> dict[str, str]:
    """Return every setting of a function as text, defaults included, for a complete Spec.

    Example:
        >>> resolved(INFILLS["blur"].build, {})
        {'sigma': '10.0'}
    """
    return {name: _text(settings.get(name, default), hint) for name, (hint, default) in schema(function).items()}


def _text(value: object, hint: Any) -> str:  # noqa: ANN401 - a type hint is anything
    """Return a setting as a user would type it; + joins a tuple of any length, / one of fixed length."""
    if value is None:
        return AUTO
    if value is REQUIRED:
        return "required"
    if isinstance(value, tuple):
        fixed = get_origin(hint) is tuple and ... not in get_args(hint)
        return ("/" if fixed else "+").join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def classifier(
    source: object = DEFAULT_CLASSIFIER,
    *,
    trust: bool = True,
    device: str | torch.device | None = None,
    **settings: Any,  # noqa: ANN401
) -> Classifier:
    """Build a classifier from a Spec, a file, a torch module or a function.

    Args:
        source: a Spec (``"efficientnet-lite0"``, ``"onnx:path=model.onnx"``, ``"package.module:attribute"``), the path of
            an ``.onnx`` file, a ``torch.nn.Module``, a function on image batches, or a `Classifier`.
        trust: allow Specs that run code from a file (``module:attribute``). On by default in Python, where
            you run code anyway; the command line needs ``--trust``.
        device: the device on which torch computes; None: the classifier's own.
        settings: for a module or a function: ``labels=, size=, mean=, std=, outputs=, channels=, dtype=``; see
            `seewhy.classifiers.module.from_module` and `seewhy.classifiers.function.from_function`. They
            extend the settings of a Spec.

    Returns:
        A classifier; pass it to `seewhy.explain`.

    Raises:
        RequestError: the Spec or a setting is unknown, a file is missing, or an extra is not installed.

    Example:
        >>> classifier(lambda images: [[0.5, 0.5]] * len(images)).access.name
        'PROBABILITIES'
    """
    if device is not None:
        settings["device"] = device
    if isinstance(source, str):
        return _from_spec(source, trust=trust, settings=settings)
    if isinstance(source, torch.nn.Module):
        return from_module(source, **settings)
    if isinstance(source, Classifier):
        if settings:
            raise RequestError(f"expected no settings for a finished classifier, got {', '.join(settings)}")
        return source
    if callable(source):
        return from_function(source, **settings)
    raise RequestError(f"expected a Spec, a torch module or a function, got {type(source).__name__}")


def _from_spec(text: str, *, trust: bool, settings: dict[str, Any]) -> Classifier:
    """Build a classifier from the text that a user typed."""
    spec = _shorthand(text)
    found: Part = row("classifiers", spec.name)
    _check_trust(found, text, trust=trust)
    every = bind(found.build, spec.settings, spec.name) | settings
    require(found.build, every, spec.name)
    built: Classifier = found.build(**every)
    return built


def _check_trust(found: Part, text: str, *, trust: bool) -> None:
    """Raise RequestError if this runs code that the user has not declared trusted."""
    if found.runs_code and not trust:
        raise RequestError(f"{text} runs code from a file; add --trust if you wrote it or have read it")


def runs_code(text: str) -> bool:
    """Return whether a classifier Spec runs code that the user names; it then needs ``--trust`` on the command line.

    Example:
        >>> runs_code("my_code:network"), runs_code("net.onnx")
        (True, False)
    """
    found: Part = row("classifiers", _shorthand(text).name)
    return found.runs_code


def allowed(access: Access) -> list[str]:
    """Return the names of the methods that work with this access, without the controls.

    Example:
        >>> "pmi" in allowed(Access.PROBABILITIES)
        True
    """
    rows: dict[str, Method] = table("methods")
    return sorted(name for name, found in rows.items() if found.access <= access and not found.control)


def _shorthand(text: str) -> Spec:
    """Expand ``model.onnx`` and ``package.module:attribute`` to the Specs that they abbreviate."""
    head, colon, tail = text.partition(":")
    first = tail.split(",")[0]
    if head.endswith(".onnx"):
        return Spec.parse(f"onnx:path={head}" + (f",{tail}" if tail else ""))
    if colon and "=" not in first and head not in table("classifiers"):
        return Spec.parse(f"python:object={head}:{tail}")
    return Spec.parse(text)
