"""``seewhy doctor``: what is installed, what is fast here, which extras are missing."""

import click

from seewhy.cli import options
from seewhy.cli.progress import print_json, show
from seewhy.cli.tables import runtime_table
from seewhy.explaining.doctor import check_here, examine, tune_here
from seewhy.results.codec import to_json


@click.command()
@click.option(
    "--tune", is_flag=True, help="Try every runtime without a time limit, and keep the fastest for later runs."
)
@click.option(
    "--check",
    metavar="PICTURES",
    help="Check the classifier on pictures of known class: imagenet for four in the package, or a folder with a subfolder per "
    "class or a labels.csv.",
)
@options.classifier_option
@options.device_option
@options.trust_option
@options.json_option
def doctor(*, tune: bool, check: str | None, classifier: str, device: str | None, trust: bool, as_json: bool) -> None:
    """Check the installation and its speed, or a classifier.

    Shows what is installed, how fast the default classifier runs here, and which extras are missing. --classifier and --device
    matter for --check and --tune only.
    """
    if check is not None:
        said = check_here(classifier, check, device=device, trust=trust)
        show({"checked": said}, said, as_json=as_json, quiet=False)
        return
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
