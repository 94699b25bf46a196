"""The command line: each command reads its arguments and calls one function."""

import logging
import sys
from collections.abc import Sequence

import click

from seewhy.cli.audit_counterfactual import counterfactual as audit_counterfactual
from seewhy.cli.audit_rules import rules
from seewhy.cli.compare import compare
from seewhy.cli.compare_infills import compare_infills
from seewhy.cli.doctor import doctor
from seewhy.cli.explain import explain
from seewhy.cli.list import list_
from seewhy.cli.options import DONE, INTERRUPTED, WRONG
from seewhy.cli.region import region
from seewhy.cli.score import score
from seewhy.cli.train_classifier import classifier
from seewhy.cli.train_counterfactual import counterfactual
from seewhy.cli.train_layers import iba, readout
from seewhy.cli.train_sampler import sampler
from seewhy.core.errors import RequestError
from seewhy.explaining.announcement import logger
from seewhy.runtime.machine import keep_freed_memory


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="seewhy")
def cli() -> None:
    """Show which parts of an image drive a classifier's prediction.

    Begin with `seewhy explain photo.jpg`. The exit status is 0 when all is done, 2 when the request is wrong, 3 when some images
    failed, and 130 after an interruption.
    """
    keep_freed_memory()
    if logging.lastResort is not None:  # to stderr
        logger.addHandler(logging.lastResort)


@cli.group()
def train() -> None:
    """Train samplers, generators and small classifiers."""


@cli.group()
def audit() -> None:
    """Audit a classifier, or generators, on many images."""


for command in (sampler, counterfactual, classifier, iba, readout):
    train.add_command(command)
for command in (rules, audit_counterfactual):
    audit.add_command(command)
for command in (explain, score, region, compare, compare_infills, list_, doctor):
    cli.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit status."""
    try:
        status = cli.main(args=None if arguments is None else list(arguments), standalone_mode=False)
    except click.ClickException as problem:
        problem.show()
        status = problem.exit_code
    except RequestError as problem:
        click.echo(f"error: {problem}", err=True)
        status = WRONG
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted: nothing was finished", err=True)
        status = INTERRUPTED
    sys.exit(status or DONE)
