"""The methods, in-fills and metrics that there are, as tables that a person can read."""

from collections.abc import Collection
from html import escape
from typing import TypeVar

from seewhy.registry.rows import Facts, InfillRow, Method, Metric
from seewhy.registry.tables import table

R = TypeVar("R", Method, InfillRow, Metric)


class Listing(dict[str, R]):
    """Name → row. It prints as a table, also in a notebook; the numbers of queries hold for an image of 224 × 224 pixels."""

    def _lines(self, *, without: Collection[str] = ()) -> list[list[str]]:
        """Return the heading and the rows of the table, without the columns that are empty throughout."""
        facts: list[Facts] = [{"name": name, **row.facts(), "summary": row.summary} for name, row in self.items()]
        filled = [column for column in (facts[0] if facts else {}) if any(row[column] for row in facts)]
        columns: list[str] = [column for column in filled if column not in without]
        return [columns, *([row[column] or "" for column in columns] for row in facts)]

    def __repr__(self) -> str:
        lines = self._lines(without=("paper", "family", "infill", "extra"))  # what fits a terminal
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        padded = [[text.ljust(width) for text, width in zip(line, widths, strict=True)] for line in lines]
        return "\n".join("  ".join(line).rstrip() for line in padded)

    def _repr_html_(self) -> str:
        """Return the table as HTML, for a notebook."""
        head, *body = [[escape(text) for text in line] for line in self._lines()]
        rows = "".join(f"<tr><td>{'</td><td>'.join(line)}</td></tr>" for line in body)
        return f"<table><thead><tr><th>{'</th><th>'.join(head)}</th></tr></thead><tbody>{rows}</tbody></table>"


def methods() -> Listing[Method]:
    """Return all methods, those of installed packages included: name → row.

    A row tells what the map shows (`summary`), the `paper`, the `access` to the classifier that the method needs, its usual
    in-fill and its `cost`. Printed, the result is a table.

    Example:
        >>> methods()["rise"].paper
        'Petsiuk, Das, Saenko, BMVC 2018'
    """
    return Listing(table("methods"))


def infills() -> Listing[InfillRow]:
    """Return all in-fills, those of installed packages included: name → row. Printed, the result is a table.

    Example:
        >>> infills()["gray"].summary
        "the mean colour of the classifier's training images"
    """
    return Listing(table("infills"))


def metrics() -> Listing[Metric]:
    """Return all metrics, those of installed packages included: name → row. Printed, the result is a table.

    Example:
        >>> metrics()["deletion"].higher_is_better
        False
    """
    return Listing(table("metrics"))
