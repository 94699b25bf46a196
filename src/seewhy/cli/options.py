"""Options that several commands share."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import click

from seewhy import registry

Decorator = Callable[[Any], Any]


def in_order(*options: Decorator) -> Decorator:
    """Several arguments and options as one decorator."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


asked = in_order(
    click.argument("images", metavar="IMAGE...", nargs=-1, required=True, type=click.Path(path_type=Path)),
    click.option(
        "--classifier",
        default=registry.DEFAULT_CLASSIFIER,
        show_default=True,
        help="Spec, or a file.onnx, or module:attribute.",
    ),
    click.option(
        "--method", default=registry.DEFAULT_METHOD, show_default=True, help="Spec; see `seewhy list methods`."
    ),
    click.option(
        "--target", "targets", multiple=True, help="Class name or index, information, or contrast:a/b; repeatable."
    ),
)
how = in_order(
    click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same maps."),
    click.option("--device", help="Where torch computes: cpu, cuda, …"),
    click.option("--batch-size", type=int, help="Pictures shown at once; the fastest if left out."),
    click.option(
        "--runtime",
        default="auto",
        show_default=True,
        help="What runs the classifier; eager: as it came, without a search.",
    ),
    click.option("--max-megapixels", type=float, default=200.0, show_default=True, help="Larger pictures are refused."),
    click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file."),
    click.option("--json", "as_json", is_flag=True, help="Facts to stdout, one JSON object a picture."),
    click.option("--quiet", is_flag=True, help="No progress and no table."),
)


def out_option(folder: str) -> Decorator:
    """The option for the folder that answers are written under."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=Path(folder),
        show_default=True,
        help="Folder; one folder a picture in it.",
    )


def shared(options: dict[str, Any]) -> dict[str, Any]:
    """The part of a question that every command asks in the same words."""
    same = {name: options[name] for name in ("method", "seed", "batch_size", "runtime", "trust", "device")}
    return {**same, "targets": options["targets"] or None}
