"""What there is, by name: literal tables, and the one way to build an entry from a Spec.

Outside packages add rows through the entry-point groups ``seewhy.methods``, ``seewhy.infills`` and
``seewhy.classifiers``; each entry point loads a `Method` or a `Part`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

import torch

from seewhy.classifiers.function import from_function
from seewhy.classifiers.imagenet import efficientnet_lite0, efficientnet_lite1, efficientnet_lite2
from seewhy.classifiers.module import from_module
from seewhy.classifiers.onnx import onnx
from seewhy.classifiers.python import python
from seewhy.core.access import Access
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.infill import Infill
from seewhy.core.settings import AUTO, REQUIRED, bind, require, schema
from seewhy.core.spec import Spec
from seewhy.infills.classic import navier_stokes, telea
from seewhy.infills.donor import donor
from seewhy.infills.exemplar import exemplar
from seewhy.infills.external import python_inpainter
from seewhy.infills.inpaint import inpaint
from seewhy.infills.onnx_inpainter import onnx_inpainter
from seewhy.infills.patch_sampler import patch_sampler
from seewhy.infills.patchmatch import patchmatch
from seewhy.infills.plain import blur, constant, gray, mean, noise
from seewhy.methods.occlusion import occlusion
from seewhy.methods.pmi import pmi
from seewhy.methods.rise import rise


@dataclass(frozen=True)
class Method:
    """A row of the table of methods.

    Args:
        run: the function ``(probe, targets, *, settings) → Maps``.
        summary: what its map says, in one line.
        paper: author, venue, year.
        access: what it needs of the classifier.
        infill: the Spec used when none is asked for.
        large: the side in pixels of the largest window that this in-fill draws, and the Spec used for larger ones.
        information: whether it answers the class-free target.
        cost: queries with the defaults on a picture of 224 x 224.
    """

    run: Callable[..., Any]
    summary: str
    paper: str
    access: Access
    infill: str
    information: bool
    cost: str
    large: tuple[int, str] | None = None

    def windows(self, settings: Mapping[str, object]) -> tuple[int, ...]:
        """Sides of the windows that it asks about, pixels, given its settings; none where it has no setting ``size``."""
        size = settings.get("size", schema(self.run).get("size", (None, ()))[1])
        sides = size if isinstance(size, tuple) else (size,)
        return tuple(side for side in sides if isinstance(side, int))

    def usual_infill(self, settings: Mapping[str, object]) -> str:
        """The Spec used when none is asked for, given the method's settings."""
        largest = max(self.windows(settings), default=0)
        return self.large[1] if self.large and largest > self.large[0] else self.infill


@dataclass(frozen=True)
class Part:
    """A row of the tables of in-fills and classifiers.

    Args:
        build: makes it from keyword-only settings.
        summary: what it is, in one line.
        paper: author, venue, year, where there is one.
        extra: the optional dependency group it needs.
        runs_code: whether it runs code that the user names; needs ``--trust`` on the command line.
        from_classifier: setting → the classifier's attribute that is its default.
    """

    build: Callable[..., Any]
    summary: str
    paper: str | None = None
    extra: str | None = None
    runs_code: bool = False
    from_classifier: Mapping[str, str] = field(default_factory=dict)


METHODS: dict[str, Method] = {
    "pmi": Method(
        pmi,
        "evidence for each class and information, with and without each patch",
        "Yi, Kim, Kim, Yoon, arXiv 2009.11150, 2020",
        Access.PROBABILITIES,
        "patch-sampler",
        information=True,
        cost="3,137",
        large=(16, "inpaint"),
    ),
    "occlusion": Method(
        occlusion,
        "fall of the probability when a window is covered",
        "Zeiler, Fergus, ECCV 2014",
        Access.PROBABILITIES,
        "gray",
        information=False,
        cost="197",
    ),
    "rise": Method(
        rise,
        "expected probability when a pixel is kept, over random grids",
        "Petsiuk, Das, Saenko, BMVC 2018",
        Access.PROBABILITIES,
        "gray",
        information=False,
        cost="4,001",
    ),
}

INFILLS: dict[str, Part] = {
    "patch-sampler": Part(
        patch_sampler, "a learned model draws the patch from its surroundings", "Yi et al., arXiv 2009.11150, 2020"
    ),
    "inpaint": Part(
        inpaint, "the learned model draws holes of any size, tile after tile", "Yi et al., arXiv 2009.11150, 2020"
    ),
    "exemplar": Part(
        exemplar, "a piece of the same picture whose surroundings look alike", "after Efros, Leung, ICCV 1999"
    ),
    "patchmatch": Part(
        patchmatch,
        "patches of the same picture, matched and averaged from coarse to fine",
        "Barnes et al., SIGGRAPH 2009",
        extra="patchmatch",
    ),
    "donor": Part(donor, "patches copied from elsewhere in the same picture"),
    "gray": Part(
        gray, "the mean colour of the data set", "Zeiler, Fergus, ECCV 2014", from_classifier={"color": "mean_color"}
    ),
    "mean": Part(mean, "the mean colour of the picture"),
    "constant": Part(constant, "one gray level"),
    "blur": Part(blur, "the picture through a Gaussian blur", "Fong, Vedaldi, ICCV 2017"),
    "noise": Part(noise, "Gaussian noise with the picture's mean and spread", "Fong, Vedaldi, ICCV 2017"),
    "telea": Part(telea, "fast marching from the border inwards", "Telea, J. Graphics Tools, 2004"),
    "navier-stokes": Part(
        navier_stokes, "lines of equal brightness flow into the hole", "Bertalmio, Bertozzi, Sapiro, CVPR 2001"
    ),
    "onnx-inpainter": Part(onnx_inpainter, "an in-painting network of yours in an ONNX file", extra="onnx"),
    "python-inpainter": Part(
        python_inpainter, "a function of yours: python-inpainter:object=module:attribute", runs_code=True
    ),
}

_LITE = "ImageNet, 1,000 classes"
_LITE_PAPER = "Tan, Le, ICML 2019"

CLASSIFIERS: dict[str, Part] = {
    "efficientnet-lite0": Part(efficientnet_lite0, f"{_LITE}, 224 pixels; the default", _LITE_PAPER, extra="demo"),
    "efficientnet-lite1": Part(efficientnet_lite1, f"{_LITE}, 240 pixels", _LITE_PAPER, extra="demo"),
    "efficientnet-lite2": Part(efficientnet_lite2, f"{_LITE}, 260 pixels", _LITE_PAPER, extra="demo"),
    "onnx": Part(onnx, "an ONNX file: onnx:path=model.onnx", extra="onnx"),
    "python": Part(python, "a function or torch module of yours: module:attribute, or python:object=…", runs_code=True),
}

DEFAULT_CLASSIFIER = "efficientnet-lite0"
DEFAULT_METHOD = "pmi"


def table(kind: str) -> dict[str, Any]:
    """Return all rows of a kind (``methods``, ``infills``, ``classifiers``), those of installed packages included.

    Raises:
        RequestError: there is no such kind.

    Example:
        >>> sorted(table("methods"))[:2]
        ['occlusion', 'pmi']
    """
    tables: dict[str, dict[str, Any]] = {"methods": METHODS, "infills": INFILLS, "classifiers": CLASSIFIERS}
    if kind not in tables:
        raise RequestError(f"unknown kind {kind!r}; {did_you_mean(kind, tables)}")
    return {**{found.name: found.load() for found in entry_points(group=f"seewhy.{kind}")}, **tables[kind]}


def row(kind: str, name: str) -> Any:  # noqa: ANN401 - a Method or a Part
    """Return one row by name.

    Raises:
        RequestError: the name is unknown; the nearest are offered.

    Example:
        >>> row("methods", "pmi").infill
        'patch-sampler'
    """
    rows = table(kind)
    if name not in rows:
        raise RequestError(f"unknown {kind[:-1]} {name!r}; {did_you_mean(name, rows)}")
    return rows[name]


def method(spec: str | Spec) -> tuple[Spec, Method, dict[str, object]]:
    """Look up a method and read its settings.

    Raises:
        RequestError: the method or a setting is unknown, or a value is not of its type.

    Example:
        >>> method("pmi:size=16")[2]
        {'size': 16}
    """
    asked = Spec.parse(spec) if isinstance(spec, str) else spec
    found: Method = row("methods", asked.name)
    return asked, found, bind(found.run, asked.settings, asked.name)


def infill(spec: str | Spec, classifier: Classifier, *, trust: bool = True) -> tuple[Spec, Infill]:
    """Build an in-fill for a classifier; ``trust`` allows Specs that run code from a file, as in `classifier`.

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
    """Write down every setting of a function as text, defaults included, so that a Spec says it all.

    Example:
        >>> resolved(blur, {})
        {'sigma': '10.0'}
    """
    return {name: _text(settings.get(name, default)) for name, (_, default) in schema(function).items()}


def _text(value: object) -> str:
    """Write a setting as a user would type it."""
    if value is None:
        return AUTO
    if value is REQUIRED:
        return "required"
    if isinstance(value, tuple):
        return ("+" if all(isinstance(part, int) for part in value) else "/").join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def classifier(source: object = DEFAULT_CLASSIFIER, *, trust: bool = True, **settings: Any) -> Classifier:  # noqa: ANN401
    """Open the door to a classifier.

    Args:
        source: a Spec (``"efficientnet-lite0"``, ``"onnx:path=model.onnx"``, ``"package.module:attribute"``), the path of
            an ``.onnx`` file, a ``torch.nn.Module``, a function on image batches, or a `Classifier`.
        trust: allow Specs that run code from a file (``module:attribute``). In Python you have run code already, so this
            is on; the command line turns it off unless told ``--trust``.
        settings: for a module or a function: ``labels=, size=, mean=, std=, outputs=, channels=, dtype=``; see
            `seewhy.classifiers.module.from_module` and `seewhy.classifiers.function.from_function`. With a Spec they are
            added to its own.

    Returns:
        A classifier; pass it to `seewhy.explain`.

    Raises:
        RequestError: the Spec or a setting is unknown, a file is missing, or an extra is not installed.

    Example:
        >>> classifier(lambda images: [[0.5, 0.5]] * len(images)).access.name
        'PROBABILITIES'
    """
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
    """Build a classifier from what a user typed."""
    spec = _shorthand(text)
    found: Part = row("classifiers", spec.name)
    _check_trust(found, text, trust=trust)
    every = bind(found.build, spec.settings, spec.name) | settings
    require(found.build, every, spec.name)
    built: Classifier = found.build(**every)
    return built


def _check_trust(found: Part, text: str, *, trust: bool) -> None:
    """Refuse what runs code that the user has not said to trust."""
    if found.runs_code and not trust:
        raise RequestError(f"{text} runs code from a file; add --trust if you wrote it or have read it")


def runs_code(text: str) -> bool:
    """Whether a classifier Spec runs code that the user names, and needs ``--trust`` on the command line.

    Example:
        >>> runs_code("my_code:network"), runs_code("net.onnx")
        (True, False)
    """
    found: Part = row("classifiers", _shorthand(text).name)
    return found.runs_code


def _shorthand(text: str) -> Spec:
    """Read ``model.onnx`` and ``package.module:attribute`` as the Specs they stand for."""
    head, colon, tail = text.partition(":")
    first = tail.split(",")[0]
    if head.endswith(".onnx"):
        return Spec.parse(f"onnx:path={head}" + (f",{tail}" if tail else ""))
    if colon and "=" not in first and head not in table("classifiers"):
        return Spec.parse(f"python:object={head}:{tail}")
    return Spec.parse(text)
