"""``seewhy doctor``: what is installed, what is fast here, which extras are missing."""

import json

import click
from rich.console import Console

from seewhy.cli.options import DONE, classifier_option, device_option, trust_option
from seewhy.cli.tables import runtime_table
from seewhy.explaining.doctor import examine, tune_here
from seewhy.results.codec import to_json


@click.command()
@click.option(
    "--tune", is_flag=True, help="Benchmark every runtime (no time limit) and cache the fastest for later runs."
)
@classifier_option
@device_option
@trust_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def doctor(*, tune: bool, classifier: str, device: str | None, trust: bool, as_json: bool) -> int:
    """Check the installation and its speed.

    Shows what is installed, how fast the default classifier runs here, and which extras are missing.
    """
    if tune:
        choice = tune_here(classifier, device=device, trust=trust)
        if as_json:
            click.echo(json.dumps({"tuned": to_json(choice)}, ensure_ascii=False))
        else:
            Console(highlight=False).print(runtime_table(choice))
        return DONE
    facts = examine()
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return DONE
    for name, section in facts.items():
        click.echo(f"{name}:")
        for key, detail in section.items():
            click.echo(f"    {key}: {detail}")
    return DONE
