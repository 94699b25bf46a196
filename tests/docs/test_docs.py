"""The pages say what there is: every command, option, registry row, setting and manifest key."""

import json
import re
from pathlib import Path

import click
import numpy as np
import pytest

import seewhy
from seewhy import registry
from seewhy.cli import cli
from seewhy.core.settings import REQUIRED, schema

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CLI = (DOCS / "reference/cli.md").read_text(encoding="utf-8")
FILES = (DOCS / "reference/files.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
METHODS = "\n".join(path.read_text(encoding="utf-8") for path in sorted((DOCS / "explanation").glob("*.md")))
INFILLS = (DOCS / "explanation/infills.md").read_text(encoding="utf-8")
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)


def leaves(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    """Every command by its full name, ``train sampler`` say."""
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            found |= leaves(command, f"{prefix}{name} ")
        else:
            found[prefix + name] = command
    return found


COMMANDS = leaves(cli)


def section(page: str, heading: str) -> str:
    """The text below a second-level heading."""
    found = re.search(rf"^## {re.escape(heading)}$(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    assert found is not None, f"no section {heading!r}"
    return found[1]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_of_a_command_is_described(name: str) -> None:
    """One row an option in the command's section, and no row for an option that is not there."""
    described = set(re.findall(r"^\| `(--[a-z-]+)", section(CLI, f"seewhy {name}"), re.MULTILINE))
    there = {option for item in COMMANDS[name].params if isinstance(item, click.Option) for option in item.opts}
    assert described == there


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_defaults_of_options_are_stated(name: str) -> None:
    """What the table gives as default of a number or a name is the default."""
    rows = dict(re.findall(r"^\| `(--[a-z-]+)[^|]*\| `?([^|`]*)`? \|", section(CLI, f"seewhy {name}"), re.MULTILINE))
    for item in COMMANDS[name].params:
        if isinstance(item, click.Option) and isinstance(item.default, int | float | str | Path) and not item.is_flag:
            assert rows[item.opts[0]].strip() == (
                f"{item.default:g}" if isinstance(item.default, float) else str(item.default)
            )


def test_no_command_is_described_that_is_not_there() -> None:
    """Sections of the command line page are commands."""
    assert set(re.findall(r"^## seewhy (.+)$", CLI, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(registry.METHODS))
def test_every_method_is_described_with_its_settings(name: str) -> None:
    """A section with one row a setting; a row in the README that says what the registry says."""
    found = registry.METHODS[name]
    described = re.findall(r"^\| `([a-z_0-9]+)` \|", section(METHODS, name), re.MULTILINE)
    assert described == list(schema(found.run))
    row = f"| `{name}` | {found.summary} | {found.paper} | `{found.infill}` | {found.cost} |"
    assert row in section(README, "Methods")


@pytest.mark.parametrize("name", sorted(registry.INFILLS))
def test_every_infill_is_described_with_its_settings(name: str) -> None:
    """A row with its settings and whether it is random; a row in the README that says what the registry says."""
    found = registry.INFILLS[name]
    (row,) = re.findall(rf"^\| `{name}` \|.*$", INFILLS, re.MULTILINE)
    random, settings = (cell.strip() for cell in row.split("|")[3:5])
    assert re.findall(r"`([a-z_]+)", settings) == list(schema(found.build))
    if all(default is not REQUIRED for _, default in schema(found.build).values()):
        built = registry.infill(name, seewhy.classifier(lambda pictures: [[0.5, 0.5]] * len(pictures)))[1]
        assert random == ("yes" if built.stochastic else "no")
    paper = f" {found.paper}" if found.paper else ""
    assert f"| `{name}` | {found.summary} |{paper} |" in section(README, "In-fills")


@pytest.mark.parametrize("name", sorted(registry.CLASSIFIERS))
def test_every_classifier_is_described(name: str) -> None:
    """A row with the extra that it needs."""
    (row,) = re.findall(rf"^\| `{name}` \|.*$", CLI, re.MULTILINE)
    extra = registry.CLASSIFIERS[name].extra
    assert extra is None or f"extra `{extra}`" in row


def test_every_public_name_is_in_the_reference() -> None:
    """What the package exports stands on the Python page."""
    page = (DOCS / "reference/python.md").read_text(encoding="utf-8")
    assert [name for name in seewhy.__all__ if not re.search(rf"seewhy\.{name}\b", page)] == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a small run writes."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    classifier = seewhy.classifier(lambda pictures: [[p.mean() / 255, 1 - p.mean() / 255] for p in pictures])
    return seewhy.explain(classifier, picture).save(tmp_path_factory.mktemp("run") / "out")


def test_every_file_is_described(folder: Path) -> None:
    """One row a file, and no row for a file that is not written."""
    described = FILES.partition("\n## ")[0]
    assert set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", described, re.MULTILINE)) == {
        path.name for path in folder.iterdir()
    }


def test_every_key_of_the_manifest_is_described(folder: Path) -> None:
    """One row a key, and each key inside it named in the row."""
    manifest = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", section(FILES, "explanation.json"), re.MULTILINE))
    assert set(rows) == set(manifest)
    for key in set(manifest) - {"watched"}:
        value = manifest[key][-1] if key in {"predicted", "targets"} else manifest[key]
        inner = value if isinstance(value, dict) and key != "settings" else {}
        assert [name for name in inner if f"`{name}`" not in rows[key]] == []


def test_a_comparison_is_described(tmp_path: Path) -> None:
    """One row a file and a key, and each key of an in-fill and a target named in the row."""
    picture = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    classifier = seewhy.classifier(lambda pictures: [[p.mean() / 255, 1 - p.mean() / 255] for p in pictures])
    folder = seewhy.compare_infills(classifier, picture, ["gray", "blur"]).save(tmp_path / "out")
    files = set(re.findall(r"^\| `([a-z]+\.[a-z]+)` \|", section(FILES, "A comparison"), re.MULTILINE))
    assert files == {path.name for path in folder.iterdir() if path.is_file()}
    record = json.loads((folder / "comparison.json").read_text(encoding="utf-8"))
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (.*) \|$", section(FILES, "comparison.json"), re.MULTILINE)
    described = {key: text for keys, text in rows for key in re.findall(r"[a-z_]+", keys)}
    assert set(described) == set(record)
    for key in ("infills", "targets"):
        assert [name for name in record[key][-1] if f"`{name}`" not in described[key]] == []


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_files_that_pages_name_exist(path: Path) -> None:
    """Links and code to files of this repository lead somewhere."""
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"\b(?:src|docs|examples|benchmarks|scripts)/[\w./-]+\.\w+\b", text)
    missing = [
        name
        for name in named
        if not (ROOT / name).exists() and "/_build/" not in name and not name.endswith("/name.py")
    ]
    assert missing == []


@pytest.mark.parametrize("path", [*PAGES, ROOT / "README.md"], ids=lambda path: path.name)
def test_no_page_needs_a_network(path: Path) -> None:
    """No address of a host: sources are named by DOI and arXiv number."""
    assert re.findall(r"https?://\S+", path.read_text(encoding="utf-8")) == []
