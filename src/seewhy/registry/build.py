"""Build a classifier or an in-fill from what a user gave."""

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from typing import Any

import torch

from seewhy.classifiers.function import from_function
from seewhy.classifiers.known import CheckLike, check_known
from seewhy.classifiers.module import from_module
from seewhy.classifiers.transforms import with_transform
from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.settings import require, schema
from seewhy.core.spec import Spec
from seewhy.registry.rows import ClassifierRow, InfillRow
from seewhy.registry.tables import Bound, as_text, joint, lookup

ClassifierLike = str | Classifier | torch.nn.Module | Callable[..., object]
"""A Spec, what `classifier` returned, a torch module, or a function of image batches."""

DEFAULT_CLASSIFIER = "efficientnet-lite0"
DEFAULT_METHOD = "pmi"


def infill(spec: str | Spec, classifier: Classifier, *, trust: bool = True) -> tuple[Spec, Infill]:
    """Build an in-fill for a classifier, and return it with its full Spec; some take a default from the classifier.

    Raises:
        RequestError: the in-fill or a setting is unknown, a value is not of its type, or code is not trusted.
    """
    bound = lookup("infills", spec)
    _check_trust(bound.row, str(spec), trust=trust)
    settings = {name: getattr(classifier, attribute) for name, attribute in bound.row.from_classifier.items()}
    settings |= bound.settings
    require(bound.row.run, settings, bound.name)
    return bound.full(settings), bound.row.run(**settings)


@plain_torch()
def classifier(
    source: ClassifierLike = DEFAULT_CLASSIFIER,
    *,
    trust: bool = True,
    device: str | torch.device | None = None,
    check: CheckLike | None = None,
    **settings: Any,  # noqa: ANN401
) -> Classifier:
    """Open a classifier.

    Args:
        source: a Spec (``"efficientnet-lite0"``, ``"onnx:path=model.onnx"``, ``"package.module:attribute"``), the path of
            an ``.onnx`` file, a ``torch.nn.Module``, a function on image batches, or a `Classifier`.
        trust: allow Specs that run code from a file (``module:attribute``). In Python you have run code already, so this
            is on; the command line turns it off unless told ``--trust``.
        device: where torch computes; None leaves it to the classifier.
        check: a few pictures of known class on which the classifier should be right: a dict path → class, a list of
            (image, class), a folder with a subfolder per class or a ``labels.csv``, or ``"imagenet"`` for four pictures in
            the package. Finds what answers alone cannot show: labels that are shifted or in another order, another framing,
            channel order or normalisation. Costs about 12 queries per picture; see `seewhy.classifiers.known.check_known`.
        settings: for a module or a function: ``labels=, size=, mean=, std=, outputs=, channels=, dtype=``; see
            `seewhy.classifiers.module.from_module` and `seewhy.classifiers.function.from_function`. ``transform=`` takes
            size, crop and normalisation from torchvision's ``weights.transforms()`` and the like; see
            `seewhy.classifiers.transforms.read_transform`. With a Spec the settings are added to its own.

    Returns:
        A classifier; pass it to `seewhy.explain`.

    Raises:
        RequestError: the Spec or a setting is unknown, a file is missing, or an extra is not installed.
        ClassifierError: the classifier is wrong on the pictures of ``check``; the message names the likely mistake.

    Example:
        >>> classifier(lambda images: [[0.5, 0.5]] * len(images)).access.name
        'PROBABILITIES'
    """
    if device is not None:
        settings["device"] = device
    opened = _open(source, trust=trust, settings=settings)
    if check is not None:
        check_known(opened, check)
    return opened


def _open(source: ClassifierLike, *, trust: bool, settings: dict[str, Any]) -> Classifier:
    """Open a classifier from a Spec, a module or a function."""
    if isinstance(source, str):
        return _from_spec(source, trust=trust, settings=settings)
    if isinstance(source, torch.nn.Module):
        return from_module(source, **with_transform(settings))
    if isinstance(source, Classifier):
        if settings:
            raise RequestError(f"expected no settings for a finished classifier, got {', '.join(settings)}")
        return source
    if callable(source):
        return from_function(source, **with_transform(settings, normalises=False))
    raise RequestError(f"expected a Spec, a torch module or a function, got {type(source).__name__}")


def _from_spec(text: str, *, trust: bool, settings: dict[str, Any]) -> Classifier:
    """Build a classifier from what a user typed."""
    bound = lookup("classifiers", text)
    _check_trust(bound.row, text, trust=trust)
    every = {**bound.settings, **settings}
    require(bound.row.run, every, bound.name)
    built = bound.row.run(**every)
    # a classifier of another package may keep its own account of how it is opened
    return replace(built, spec=_reopening(text, bound, settings)) if is_dataclass(built) else built


def _reopening(text: str, bound: Bound[ClassifierRow], settings: Mapping[str, object]) -> str | None:
    """Return the Spec that opens a classifier again with settings given in Python; None where one cannot be typed."""
    if not settings:
        return text.strip()
    known = schema(bound.row.run)
    typed = {name: as_text(value, known[name][0]) for name, value in settings.items()}
    spec = Spec(bound.name, bound.spec.settings | typed)
    try:
        read = lookup("classifiers", Spec.parse(str(spec))).settings
    except RequestError:
        return None

    def same(name: str, value: object) -> bool:
        in_text = isinstance(value, tuple | list) and joint(known[name][0]) and read.get(name) == typed[name]
        return read.get(name) == value or bool(in_text)

    return str(spec) if all(same(name, value) for name, value in settings.items()) else None


def _check_trust(row: ClassifierRow | InfillRow, text: str, *, trust: bool) -> None:
    """Refuse what runs code that the user has not said to trust."""
    if row.runs_code and not trust:
        raise RequestError(f"{text} runs code from a file; add --trust if you wrote it or have read it")
