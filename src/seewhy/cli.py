"""The command line: each command reads its arguments and calls one function."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import reduce
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from seewhy import registry
from seewhy.classifiers.tuning import unsaid
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.settings import describe, schema
from seewhy.draw.terminal import agreement, runtimes, summary
from seewhy.images.open import Picture, open_picture
from seewhy.images.sources import list_images
from seewhy.runs.compare import Watch, compare, line_up
from seewhy.runs.comparison import RECORD, Comparison
from seewhy.runs.doctor import examine, tune_here
from seewhy.runs.door import Door, test_door
from seewhy.runs.explain import answer
from seewhy.runs.explanation import Explanation
from seewhy.runs.request import Request, prepare
from seewhy.runs.store import claim, publish
from seewhy.runtime.allocator import keep_freed_memory
from seewhy.train.command import sampler

messages = Console(stderr=True, highlight=False)
Decorator = Callable[[Any], Any]
_DONE, _WRONG, _SOME_FAILED, _INTERRUPTED = 0, 2, 3, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seewhy")
def cli() -> None:
    """What in this picture made the classifier say that?

    Exit status: 0 done; 2 the request is wrong; 3 some pictures failed; 130 interrupted.
    """
    keep_freed_memory()


def _in_order(*options: Decorator) -> Decorator:
    """Several arguments and options as one decorator."""
    return lambda command: reduce(lambda decorated, option: option(decorated), reversed(options), command)


_asked = _in_order(
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
_how = _in_order(
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


def _out(folder: str) -> Decorator:
    """The option for the folder that answers are written under."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path),
        default=Path(folder),
        show_default=True,
        help="Folder; one folder a picture in it.",
    )


@cli.command()
@_asked
@click.option("--infill", help="Spec; the method's usual one if left out.")
@click.option("--budget", type=int, help="Queries at most, the unmodified picture included.")
@click.option("--seconds", type=float, help="Stop after this long, once the picture is covered.")
@click.option("--tolerance", type=float, help="Stop when errors are at most this part of the map's own spread.")
@click.option("--check-infill", is_flag=True, help="Ask again with two other in-fills: does the map stay?")
@_how
@_out("seewhy-out")
def explain(images: tuple[Path, ...], **options: Any) -> int:  # noqa: ANN401 - click's own types, read above
    """Explain each IMAGE (files or folders) and write its folder under --out."""
    paths = list_images(images)
    folders = claim(options["out"], paths)
    limits = Budget(options["budget"], options["seconds"], options["tolerance"])
    checked = {"check_infill": options["check_infill"]}
    request = prepare(options["classifier"], infill=options["infill"], budget=limits, **_shared(options), **checked)

    def work(path: Path, picture: Picture, door: Door, watch: Watch) -> Explanation:
        return answer(request, picture, source=str(path), door=door, progress=watch(path.name))

    return _each(
        request, dict(zip(folders, paths, strict=True)), options, _Job(work, summary, "report: {}/report.html")
    )


@cli.command("compare-infills")
@_asked
@click.option("--infill", "infills", multiple=True, help="Spec; give two or more. Left out: five usual ones.")
@click.option("--budget", type=int, help="Queries at most for each in-fill, the unmodified picture included.")
@_how
@_out("seewhy-compared")
def compare_infills(images: tuple[Path, ...], **options: Any) -> int:  # noqa: ANN401 - click's own types, read above
    """Ask about the same windows of each IMAGE under several in-fills, and say how far their maps agree."""
    paths = list_images(images)
    folders = claim(options["out"], paths, record=RECORD)
    infills, limits = options["infills"] or None, Budget(options["budget"])
    rivals = line_up(options["classifier"], infills, budget=limits, **_shared(options))

    def work(path: Path, picture: Picture, door: Door, watch: Watch) -> Comparison:
        return compare(rivals, picture, source=str(path), door=door, watch=lambda t: watch(f"{path.name} · {t}"))

    job = _Job(work, agreement, "picture: {}/comparison.png")
    return _each(rivals[0].request, dict(zip(folders, paths, strict=True)), options, job)


def _shared(options: dict[str, Any]) -> dict[str, Any]:
    """The part of a question that every command asks in the same words."""
    same = {name: options[name] for name in ("method", "seed", "batch_size", "runtime", "trust", "device")}
    return {**same, "targets": options["targets"] or None}


@dataclass(frozen=True)
class _Job:
    """What a command does with a picture, and how it shows the answer.

    Args:
        work: answers.
        table: the answer's manifest for the terminal.
        where: the line that names the page to open; ``{}`` is the folder.
    """

    work: Callable[[Path, Picture, Door, Watch], Explanation | Comparison]
    table: Callable[[dict[str, Any]], Table]
    where: str


def _each(request: Request, paths: dict[Path, Path], options: dict[str, Any], job: _Job) -> int:
    """Work on picture after picture, folder → path; what is finished is on disk before the next begins."""
    failures: list[str] = []
    finished = 0
    door: Door | None = None
    for folder, path in paths.items():
        try:
            picture = open_picture(path, max_megapixels=options["max_megapixels"])
            door = door or test_door(request, picture, unsaid if options["quiet"] else messages.print)
            with _bars(quiet=options["quiet"]) as watch:
                answered = job.work(path, picture, door, watch)
            publish(answered, folder)
        except RequestError as problem:
            failures.append(f"{path}: {problem}")
        except KeyboardInterrupt:
            messages.print(f"interrupted: {finished} of {len(paths)} pictures done, in {options['out']}")
            return _INTERRUPTED
        else:
            finished += 1
            _show(dict(answered.manifest), folder, options, job)
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    if failures:
        return _SOME_FAILED if finished else _WRONG
    return _DONE


@contextmanager
def _bars(*, quiet: bool) -> Iterator[Watch]:
    """Progress bars: a title makes one, and gives what moves it."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=messages, disable=quiet, transient=True) as bar:

        def watch(title: str) -> Callable[[int, int], None]:
            task = bar.add_task(title, total=None, rate="")
            return lambda done, planned: _tick(bar, task, done, planned)

        yield watch


def _tick(bar: Progress, task: TaskID, done: int, planned: int) -> None:
    """Move the bar and show the rate."""
    elapsed = bar.tasks[task].elapsed or 0
    rate = f"{done / elapsed:.0f} queries/s" if elapsed > 0 else ""
    bar.update(task, completed=done, total=planned or None, rate=rate)


def _show(manifest: dict[str, Any], folder: Path, options: dict[str, Any], job: _Job) -> None:
    """Say what was found and where it is."""
    for warning in manifest["warnings"]:
        click.echo(f"warning: {warning}", err=True)
    if options["as_json"]:
        hidden = {"schema_version", "watched", "versions"}
        facts = {name: value for name, value in manifest.items() if name not in hidden}
        click.echo(json.dumps({**facts, "folder": str(folder)}, ensure_ascii=False, allow_nan=False))
    elif not options["quiet"]:
        Console(highlight=False).print(job.table(manifest))
        for finding in manifest.get("verdict", {}).get("findings", ()):
            click.echo(finding)
        click.echo(job.where.format(folder))


@cli.group()
def train() -> None:
    """Learn what an explanation needs from pictures of your own."""


train.add_command(sampler)


@cli.command("list")
@click.argument("kind", type=click.Choice(["methods", "infills", "classifiers"]))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def list_(kind: str, *, as_json: bool) -> int:
    """List what there is, with settings and their defaults."""
    rows = {name: _facts(entry) for name, entry in registry.table(kind).items()}
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return _DONE
    for name, facts in rows.items():
        click.echo(f"{name}: {facts['summary']}")
        for setting, allowed in facts["settings"].items():
            click.echo(f"    {setting}={allowed['default']}  ({allowed['type']})")
        for key in ("paper", "needs", "extra", "infill", "cost"):
            if facts.get(key):
                click.echo(f"    {key}: {facts[key]}")
    return _DONE


def _facts(entry: registry.Method | registry.Part) -> dict[str, Any]:
    """A row of a table as plain data."""
    function = entry.run if isinstance(entry, registry.Method) else entry.build
    defaults = registry.resolved(function, {})
    settings = {
        name: {"type": describe(hint), "default": defaults[name]} for name, (hint, _) in schema(function).items()
    }
    facts: dict[str, Any] = {"summary": entry.summary, "paper": entry.paper, "settings": settings}
    if isinstance(entry, registry.Method):
        return facts | {
            "needs": entry.access.name,
            "infill": entry.infill,
            "cost": f"{entry.cost} queries at 224 × 224",
        }
    return facts | {"extra": entry.extra}


@cli.command()
@click.option("--tune", is_flag=True, help="Find the fastest runtime, with no limit of time, for later runs to use.")
@click.option("--classifier", default=registry.DEFAULT_CLASSIFIER, show_default=True, help="What --tune is for.")
@click.option("--device", help="Where torch computes: cpu, cuda, …")
@click.option("--trust", is_flag=True, help="Allow a Spec that runs code from a file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def doctor(*, tune: bool, classifier: str, device: str | None, trust: bool, as_json: bool) -> int:
    """Say what is installed, how fast it is here, and which extras are missing."""
    chosen = asdict(tune_here(classifier, device=device, trust=trust)) if tune else None
    facts = examine() if chosen is None else {"tuned": chosen}
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return _DONE
    if chosen is not None:
        Console(highlight=False).print(runtimes(chosen))
        return _DONE
    for name, value in facts.items():
        click.echo(f"{name}:")
        for key, detail in value.items():
            click.echo(f"    {key}: {detail}")
    return _DONE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    try:
        status = cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        status = problem.exit_code
    except RequestError as problem:
        click.echo(f"error: {problem}", err=True)
        status = _WRONG
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: nothing was finished", err=True)
        status = _INTERRUPTED
    sys.exit(status or _DONE)
