"""Options that several commands share, each written once."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Protocol, TypedDict, TypeVar, runtime_checkable

import click

from seewhy import registry

DONE, WRONG, SOME_FAILED, INTERRUPTED = 0, 2, 3, 130
"""Exit statuses."""

Command = TypeVar("Command", bound=Callable[..., object])


@runtime_checkable
class Decorator(Protocol):
    """Adds an argument or an option to a command."""

    def __call__(self, command: Command, /) -> Command:
        """Return the command with the option."""
        ...


class ClassifierOptions(TypedDict):
    """Which classifier, and where it runs."""

    classifier: str
    device: str | None
    trust: bool


class RunOptions(TypedDict):
    """How a run is carried out."""

    seed: int
    batch_size: int | None
    runtime: str


def in_order(*options: Decorator) -> Decorator:
    """Combine several arguments and options into one decorator."""

    def decorate(command: Command, /) -> Command:
        return reduce(lambda decorated, option: option(decorated), reversed(options), command)

    return decorate


images_argument = click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path))
source_argument = click.argument("source", type=click.Path(path_type=Path))
result_argument = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))

classifier_option = click.option(
    "--classifier",
    default=registry.DEFAULT_CLASSIFIER,
    show_default=True,
    help="Spec, path of an .onnx file, or module:attribute.",
)
saved_classifier_option = click.option(
    "--classifier", help="Spec of the classifier that was explained; default: the one in the record."
)
method_option = click.option(
    "--method", default=registry.DEFAULT_METHOD, show_default=True, help="Spec of a method; see `seewhy list methods`."
)
targets_option = click.option(
    "--target",
    "targets",
    multiple=True,
    help="Class name or index, information, woe:CLASS or contrast:A/B; repeatable.",
)
device_option = click.option("--device", help="Where torch computes, such as cpu or cuda.")
trust_option = click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file.")
seed_option = click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed gives the same result."
)
batch_size_option = click.option("--batch-size", type=int, help="Images per call; default: the fastest.")
runtime_option = click.option(
    "--runtime",
    default="auto",
    show_default=True,
    help="What runs the classifier; eager runs it unchanged, without a search.",
)
max_megapixels_option = click.option(
    "--max-megapixels", type=float, default=200.0, show_default=True, help="Refuse larger images."
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per result to stdout.")
quiet_option = click.option("--quiet", is_flag=True, help="Print no progress and no table.")
limit_option = click.option("--limit", type=click.IntRange(min=1), help="Use at most this many images.")
list_option = click.option(
    "--list",
    "only",
    type=click.Path(path_type=Path),
    help="Text file with the names of the images to use, one per line.",
)
threads_option = click.option("--threads", default=1, show_default=True, help="Number of processor threads.")

run_options = in_order(
    seed_option,
    device_option,
    batch_size_option,
    runtime_option,
    max_megapixels_option,
    trust_option,
    json_option,
    quiet_option,
)


def infill_option(
    default: str | None = None, text: str = "Spec of the in-fill; default: the method's usual one."
) -> Decorator:
    """Make the option for what stands where something is removed."""
    return click.option("--infill", default=default, show_default=default is not None, help=text)


def out_option(folder: str, text: str = "Output directory; one subdirectory per image.") -> Decorator:
    """Make the option for the folder that results are written to."""
    return click.option("--out", type=click.Path(path_type=Path), default=Path(folder), show_default=True, help=text)
