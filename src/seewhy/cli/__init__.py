"""The command line: each command reads its arguments and calls one function."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from seewhy import registry
from seewhy.classifiers.tuning import unsaid
from seewhy.cli.contest import compare as compare_methods
from seewhy.cli.judge import judge
from seewhy.cli.options import asked, how, out_option, shared
from seewhy.cli.progress import bars, messages
from seewhy.cli.region import region
from seewhy.cli.test_counterfactual import test_counterfactual
from seewhy.cli.test_rule import test_rule
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
from seewhy.train.classifier_command import classifier
from seewhy.train.command import sampler
from seewhy.cli.train_counterfactual import counterfactual
from seewhy.train.inside import iba, readout

_DONE, _WRONG, _SOME_FAILED, _INTERRUPTED = 0, 2, 3, 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="seewhy")
def cli() -> None:
    """What in this picture made the classifier say that?

    Exit status: 0 done; 2 the request is wrong; 3 some pictures failed; 130 interrupted.
    """
    keep_freed_memory()


@cli.command()
@asked
@click.option("--infill", help="Spec; the method's usual one if left out.")
@click.option("--budget", type=int, help="Queries at most, the unmodified picture included.")
@click.option("--seconds", type=float, help="Stop after this long, once the picture is covered.")
@click.option("--tolerance", type=float, help="Stop when errors are at most this part of the map's own spread.")
@click.option("--check-infill", is_flag=True, help="Ask again with two other in-fills: does the map stay?")
@click.option("--no-verdict", is_flag=True, help="Do not put the map on trial; saves 45 queries.")
@how
@out_option("seewhy-out")
def explain(images: tuple[Path, ...], **options: Any) -> int:  # noqa: ANN401 - click's own types, read above
    """Explain each IMAGE (files or folders) and write its folder under --out."""
    paths = list_images(images)
    folders = claim(options["out"], paths)
    limits = Budget(options["budget"], options["seconds"], options["tolerance"])
    checked = {"check_infill": options["check_infill"], "verdict": not options["no_verdict"]}
    request = prepare(options["classifier"], infill=options["infill"], budget=limits, **shared(options), **checked)

    def work(path: Path, picture: Picture, door: Door, watch: Watch) -> Explanation:
        return answer(request, picture, source=str(path), door=door, progress=watch(path.name))

    return _each(
        request, dict(zip(folders, paths, strict=True)), options, _Job(work, summary, "report: {}/report.html")
    )


@cli.command("compare-infills")
@asked
@click.option("--infill", "infills", multiple=True, help="Spec; give two or more. Left out: five usual ones.")
@click.option("--budget", type=int, help="Queries at most for each in-fill, the unmodified picture included.")
@how
@out_option("seewhy-compared")
def compare_infills(images: tuple[Path, ...], **options: Any) -> int:  # noqa: ANN401 - click's own types, read above
    """Ask about the same windows of each IMAGE under several in-fills, and say how far their maps agree."""
    paths = list_images(images)
    folders = claim(options["out"], paths, record=RECORD)
    infills, limits = options["infills"] or None, Budget(options["budget"])
    rivals = line_up(options["classifier"], infills, budget=limits, **shared(options))

    def work(path: Path, picture: Picture, door: Door, watch: Watch) -> Comparison:
        return compare(rivals, picture, source=str(path), door=door, watch=lambda t: watch(f"{path.name} · {t}"))

    job = _Job(work, agreement, "picture: {}/comparison.png")
    return _each(rivals[0].request, dict(zip(folders, paths, strict=True)), options, job)


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
            with bars(quiet=options["quiet"]) as watch:
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


train.add_command(classifier)
train.add_command(sampler)
train.add_command(counterfactual)
train.add_command(iba)
train.add_command(readout)
cli.add_command(test_rule)
cli.add_command(test_counterfactual)
cli.add_command(region)
cli.add_command(compare_methods)
cli.add_command(judge)


@cli.command("list")
@click.argument("kind", type=click.Choice(["methods", "infills", "classifiers", "metrics", "rules"]))
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
        for key in ("paper", "direction", "needs", "extra", "infill", "cost"):
            if facts.get(key):
                click.echo(f"    {key}: {facts[key]}")
    return _DONE


def _facts(entry: registry.Method | registry.Part | registry.Metric | registry.Rule) -> dict[str, Any]:
    """A row of a table as plain data."""
    function = entry.build if isinstance(entry, registry.Part) else entry.run
    defaults = registry.resolved(function, {})
    settings = {
        name: {"type": describe(hint), "default": defaults[name]} for name, (hint, _) in schema(function).items()
    }
    if isinstance(entry, registry.Rule):
        tried = "+".join(f"{strength:g}" for strength in entry.strengths)
        settings["strengths"] = {"type": entry.unit or "none", "default": tried}
        return {"summary": entry.summary, "settings": settings, "needs": "boxes" if entry.region else None}
    facts: dict[str, Any] = {"summary": entry.summary, "paper": entry.paper, "settings": settings}
    if isinstance(entry, registry.Method):
        return facts | {
            "needs": entry.access.name,
            "infill": entry.infill,
            "cost": f"{entry.cost} queries at 224 × 224",
        }
    if isinstance(entry, registry.Metric):
        better = {True: "higher is better", False: "lower is better", None: "neither direction is better"}
        return facts | {
            "direction": better[entry.higher_is_better],
            "needs": "where the object is" if entry.region else None,
            "infill": entry.infill if entry.asks else None,
            "cost": entry.cost if entry.again else f"{entry.cost} queries at 224 × 224",
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
