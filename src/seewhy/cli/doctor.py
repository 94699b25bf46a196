"""``seewhy doctor``: what is installed, what is fast here, which extras are missing."""

import click

from seewhy.cli import options
from seewhy.cli.progress import print_json, show
from seewhy.cli.tables import runtime_table
from seewhy.explaining.doctor import examine, tune_here
from seewhy.results.codec import to_json


@click.command()
@click.option(
    "--tune", is_flag=True, help="Try every runtime without a time limit, and keep the fastest for later runs."
)
@options.classifier_option
@options.device_option
@options.trust_option
@options.json_option
def doctor(*, tune: bool, classifier: str, device: str | None, trust: bool, as_json: bool) -> None:
    """Check the installation and its speed.

    Shows what is installed, how fast the default classifier runs here, and which extras are missing. --classifier and --device
    matter for --tune only.
    """
    if tune:
        choice = tune_here(classifier, device=device, trust=trust)
        show({"tuned": to_json(choice)}, runtime_table(choice), as_json=as_json, quiet=False)
        return
    sections = examine()
    if as_json:
        print_json(sections)
        return
    for name, facts in sections.items():
        click.echo(f"{name}:")
        for key, fact in facts.items():
            click.echo(f"    {key}: {fact}")
