"""``seewhy list``: the methods, in-fills, classifiers, metrics and rules that there are."""

import click

from seewhy import registry
from seewhy.cli import options
from seewhy.cli.progress import print_json
from seewhy.core.settings import describe, schema
from seewhy.registry.tables import TABLES


@click.command("list")
@click.argument("kind", type=click.Choice(tuple(TABLES)))
@options.json_option
def list_(kind: str, *, as_json: bool) -> None:
    """List methods, in-fills, classifiers, metrics or rules.

    Each entry is shown with its settings and their defaults. The number of queries holds for an image of 224 × 224 pixels.
    """
    rows: dict[str, registry.Row] = registry.table(kind)
    if as_json:
        print_json(
            {name: {"summary": row.summary, "settings": _settings(row), **row.facts()} for name, row in rows.items()}
        )
        return
    for name, row in rows.items():
        click.echo(f"{name}: {row.summary}")
        for setting, about in _settings(row).items():
            click.echo(f"    {setting}={about['default']}  ({about['type']})")
        for key, fact in row.facts().items():
            if fact:
                click.echo(f"    {key}: {fact}")


def _settings(row: registry.Row) -> dict[str, dict[str, str]]:
    """Return the settings of a row with their types and defaults."""
    types = schema(row.run)
    settings = {
        name: {"type": describe(types[name][0]), "default": default}
        for name, default in registry.resolved(row, {}).items()
    }
    if isinstance(row, registry.Rule):
        tried = "+".join(f"{strength:g}" for strength in row.strengths)
        settings["strengths"] = {"type": row.unit or "none", "default": tried}
    return settings
