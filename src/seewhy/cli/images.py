"""Work on image after image: what is finished is on disk before the next begins."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import click
from rich.console import Console
from rich.table import Table

from seewhy.classifiers.tuning import no_log
from seewhy.cli.options import DONE, INTERRUPTED, SOME_FAILED, WRONG
from seewhy.cli.progress import Watch, bars, messages
from seewhy.core.errors import RequestError
from seewhy.explaining.explanation import Explanation
from seewhy.explaining.infill_comparison import InfillComparison
from seewhy.explaining.prepared import PreparedClassifier, Viewed, open_viewed, prepare_classifier
from seewhy.explaining.request import Request
from seewhy.results.folder import publish

R = TypeVar("R", Explanation, InfillComparison)


@dataclass(frozen=True)
class Job(Generic[R]):
    """What a command does with an image, and how it shows the result.

    Args:
        request: for preparing the classifier.
        work: makes the result.
        tables: the result for the terminal.
        findings: sentences below the tables.
        where: the line that names the page to open; ``{}`` is the folder.
    """

    request: Request
    work: Callable[[Viewed, PreparedClassifier, Watch], R]
    tables: Callable[[R], Sequence[Table]]
    findings: Callable[[R], Sequence[str]]
    where: str


@dataclass(frozen=True)
class Output:
    """How results are shown.

    Args:
        as_json: one JSON object per result to stdout.
        quiet: no progress and no table.
    """

    as_json: bool
    quiet: bool


def work_through(job: Job[R], folders: Mapping[Path, Path], *, max_megapixels: float, output: Output) -> int:
    """Carry out a job on each image.

    Args:
        job: what is done.
        folders: where a result is written → the image.
        max_megapixels: larger images are refused before they are decoded.
        output: how results are shown.

    Returns:
        The exit status.
    """
    failures: list[str] = []
    finished = 0
    prepared: PreparedClassifier | None = None
    for folder, path in folders.items():
        try:
            viewed = open_viewed(job.request.classifier, path, max_megapixels=max_megapixels)
            log = no_log if output.quiet else messages.print
            prepared = prepared or prepare_classifier(job.request, viewed.image, log)
            with bars(quiet=output.quiet) as watch:
                result = job.work(viewed, prepared, watch)
            publish(result.save, folder)
        except RequestError as problem:
            failures.append(f"{path}: {problem}")
        except KeyboardInterrupt:
            messages.print(f"interrupted: {finished} of {len(folders)} images done, in {folder.parent}")
            return INTERRUPTED
        else:
            finished += 1
            _show(result, folder, job, output)
    for failure in failures:
        click.echo(f"error: {failure}", err=True)
    if failures:
        return SOME_FAILED if finished else WRONG
    return DONE


def _show(result: R, folder: Path, job: Job[R], output: Output) -> None:
    """Print what was found and where it is."""
    for warning in result.record.warnings:
        click.echo(f"warning: {warning}", err=True)
    if output.as_json:
        hidden = {"schema_version", "sampled", "versions"}
        facts = {name: value for name, value in result.to_json().items() if name not in hidden}
        click.echo(json.dumps({**facts, "folder": str(folder)}, ensure_ascii=False, allow_nan=False))
    elif not output.quiet:
        for table in job.tables(result):
            Console(highlight=False).print(table)
        for finding in job.findings(result):
            click.echo(finding)
        click.echo(job.where.format(folder))
