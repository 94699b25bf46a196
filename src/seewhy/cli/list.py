"""``seewhy list``: the methods, in-fills, classifiers, metrics and rules that there are."""

import json

import click

from seewhy import registry
from seewhy.cli.options import DONE
from seewhy.core.settings import describe, schema
from seewhy.results.codec import JsonObject

_KINDS = ("methods", "infills", "classifiers", "metrics", "rules")
_BETTER = {True: "higher is better", False: "lower is better", None: "neither direction is better"}


@click.command("list")
@click.argument("kind", type=click.Choice(_KINDS))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_(kind: str, *, as_json: bool) -> int:
    """List methods, in-fills, classifiers, metrics or rules.

    Each is shown with its settings, their defaults and its cost.
    """
    rows = {name: _facts(row) for name, row in registry.table(kind).items()}
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False))
        return DONE
    for name, facts in rows.items():
        _show(name, facts)
    return DONE


def _show(name: str, facts: JsonObject) -> None:
    """Print one row."""
    click.echo(f"{name}: {facts['summary']}")
    settings = facts["settings"]
    for setting, allowed in settings.items() if isinstance(settings, dict) else ():
        click.echo(f"    {setting}={allowed['default']}  ({allowed['type']})" if isinstance(allowed, dict) else "")
    for key in ("paper", "direction", "needs", "extra", "infill", "cost"):
        if facts.get(key):
            click.echo(f"    {key}: {facts[key]}")


def _facts(row: registry.Row) -> JsonObject:
    """Return a row as plain data."""
    facts: JsonObject = {"summary": row.summary, "settings": _settings(row)}
    if isinstance(row, registry.Method):
        needs = row.access.name
        return facts | {"paper": row.paper, "needs": needs, "infill": row.infill, "cost": _queries(str(row.cost()))}
    if isinstance(row, registry.Metric):
        return facts | {
            "paper": row.paper,
            "direction": _BETTER[row.higher_is_better],
            "needs": "the region of the object" if row.region else None,
            "infill": row.infill if row.asks else None,
            "cost": str(row.cost()) if row.reexplains else _queries(str(row.cost())),
        }
    if isinstance(row, registry.Rule):
        return facts | {"needs": "boxes" if row.region else None}
    return facts | {"paper": row.paper, "extra": row.extra}


def _settings(row: registry.Row) -> JsonObject:
    """Return the settings of a row with their types and defaults."""
    function = registry.function_of(row)
    defaults = registry.resolved(function, {})
    settings: JsonObject = {
        name: {"type": describe(hint), "default": defaults[name]} for name, (hint, _) in schema(function).items()
    }
    if isinstance(row, registry.Rule):
        tried = "+".join(f"{strength:g}" for strength in row.strengths)
        settings["strengths"] = {"type": row.unit or "none", "default": tried}
    return settings


def _queries(cost: str) -> str:
    """Return a cost with what it counts."""
    return f"{cost} queries at 224 × 224"
