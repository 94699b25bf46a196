"""The help pages in a terminal of 80 columns."""

import re

import click
import pytest

from seewhy.cli.app import cli


def pages(command: click.Command, name: str = "seewhy") -> dict[str, str]:
    """Return command → its help page, for a command and those below it."""
    context = click.Context(command, info_name=name, terminal_width=80, max_content_width=80)
    inner = command.commands if isinstance(command, click.Group) else {}
    below = [pages(child, f"{name} {word}") for word, child in inner.items()]
    return {name: command.get_help(context), **{key: text for found in below for key, text in found.items()}}


PAGES = pages(cli)


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_or_too_wide(name: str) -> None:
    """Short descriptions are whole, and lines fit; dots stand in the usage only, where arguments repeat."""
    usage, _, body = PAGES[name].partition("\n\n")
    assert usage.startswith("Usage: ")
    assert not re.search(r"\.\.\.|…", body)
    assert max(map(len, body.splitlines())) <= 80


@pytest.mark.parametrize("name", PAGES)
def test_descriptions_are_sentences(name: str) -> None:
    """Every description of an option and of a command begins with a capital and ends with a full stop."""
    text = re.sub(r"\n {3,}", " ", PAGES[name].partition("\nOptions:\n")[2])
    described = [re.sub(r" +\[[^\]]+\]$", "", line) for line in text.splitlines() if line.startswith("  ")]
    found = [re.split(r"  +", line.strip(), maxsplit=1)[-1] for line in described]
    assert found
    assert not [sentence for sentence in found if not re.fullmatch(r"[A-Z].*\.", sentence)]
