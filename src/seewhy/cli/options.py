"""Options that several commands share, each written once."""

import logging
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Protocol, TypedDict, TypeVar, runtime_checkable

import click

from seewhy import registry
from seewhy.core.errors import RequestError
from seewhy.explaining.announcement import logger
from seewhy.images.levels import Window

DONE, WRONG, SOME_FAILED, INTERRUPTED = 0, 2, 3, 130
"""Exit statuses."""

Command = TypeVar("Command", bound=Callable[..., object])


@runtime_checkable
class Decorator(Protocol):
    """Adds an argument or an option to a command."""

    def __call__(self, command: Command, /) -> Command:
        """Return the command with the option."""
        ...


class RunOptions(TypedDict):
    """The classifier, and how it is run."""

    classifier: str
    device: str | None
    trust: bool
    seed: int
    batch_size: int | None
    runtime: str


class FolderOptions(RunOptions):
    """Also which images of a folder are used."""

    limit: int | None
    only: Path | None
    max_megapixels: float


def in_order(*options: Decorator) -> Decorator:
    """Combine several arguments and options into one decorator."""

    def decorate(command: Command, /) -> Command:
        return reduce(lambda decorated, option: option(decorated), reversed(options), command)

    return decorate


def repeatable_option(name: str, parameter: str, metavar: str, text: str, *, required: bool = False) -> Decorator:
    """Make an option that can be given several times."""
    text = f"{text} Can be repeated."
    return click.option(name, parameter, metavar=metavar, multiple=True, required=required, help=text)


def count_option(name: str, default: int | None, text: str, *, least: int = 1) -> Decorator:
    """Make an option for a whole number, ``least`` or more; ``text`` calls it N."""
    kind = click.IntRange(min=least)
    return click.option(name, metavar="N", type=kind, default=default, show_default=True, help=text)


def infill_option(
    default: str | None = None,
    text: str = "Fill removed parts with this in-fill, from `seewhy list infills`. Default: the usual one of the method.",
) -> Decorator:
    """Make the option for what stands where something is removed."""
    return click.option("--infill", metavar="SPEC", default=default, show_default=default is not None, help=text)


def out_option(folder: str, text: str = "Write to this folder, with one subfolder per image.") -> Decorator:
    """Make the option for the folder that results are written to."""
    path = click.Path(path_type=Path)
    return click.option("--out", metavar="DIR", type=path, default=Path(folder), show_default=True, help=text)


images_argument = click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
source_argument = click.argument("source", type=click.Path(path_type=Path))
result_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))

classifier_option = click.option(
    "--classifier",
    metavar="SPEC",
    default=registry.DEFAULT_CLASSIFIER,
    show_default=True,
    help="Use this classifier: a name from `seewhy list classifiers`, an .onnx file, or module:attribute.",
)
saved_classifier_option = click.option(
    "--classifier", metavar="SPEC", help="Open the classifier from this Spec. Default: the one in the record."
)
method_option = click.option(
    "--method",
    metavar="SPEC",
    default=registry.DEFAULT_METHOD,
    show_default=True,
    help="Explain with this method: a name from `seewhy list methods`, with settings as NAME:KEY=VALUE.",
)
targets_option = repeatable_option(
    "--target", "targets", "T", "Explain this class (name or index), information, woe:CLASS or contrast:A/B."
)
seed_option = click.option(
    "--seed",
    metavar="N",
    type=int,
    default=0,
    show_default=True,
    help="Set the random seed. The same seed gives the same result.",
)
device_option = click.option("--device", metavar="D", help="Run torch on this device, such as cpu or cuda.")
batch_size_option = click.option(
    "--batch-size",
    metavar="N",
    type=int,
    help="Show the classifier this many images per call. Default: the fastest number.",
)
runtime_option = click.option(
    "--runtime",
    metavar="NAME",
    default="auto",
    show_default=True,
    help="Run the classifier with this runtime. auto searches for the fastest one that gives the same answers. "
    "eager runs the classifier unchanged.",
)
max_megapixels_option = click.option(
    "--max-megapixels",
    metavar="X",
    type=float,
    default=200.0,
    show_default=True,
    help="Refuse images with more megapixels.",
)


def _read_window(_context: click.Context, _option: click.Parameter, text: str | None) -> Window | None:
    """Read the values of black and white."""
    try:
        low, high = map(float, text.split("/")) if text else (0.0, 0.0)
    except ValueError:
        raise RequestError(f"expected --window LOW/HIGH, got {text!r}; write 0/4095") from None
    return (low, high) if text else None


window_option = click.option(
    "--window",
    metavar="LOW/HIGH",
    callback=_read_window,
    help="Show this value of the image as black, and this one as white. Default: from the number of its bits.",
)
trust_option = click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print results as JSON, one object per line.")


def _quieten(context: click.Context, option: click.Parameter, value: bool) -> bool:
    """Also keep the package from announcing long runs."""
    del context, option
    logger.setLevel(logging.ERROR if value else logging.NOTSET)
    return value


quiet_option = click.option("--quiet", is_flag=True, callback=_quieten, help="Print neither progress nor tables.")
threads_option = click.option("--threads", default=1, show_default=True, help="Use this many processor threads.")

output_options = in_order(json_option, quiet_option)
run_options = in_order(
    seed_option,
    device_option,
    batch_size_option,
    runtime_option,
    max_megapixels_option,
    trust_option,
    output_options,
)
limit_option = count_option("--limit", None, "Use at most N images.")
subset_options = in_order(
    limit_option,
    click.option(
        "--list",
        "only",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="Use only the images that this text file names, one per line.",
    ),
)
