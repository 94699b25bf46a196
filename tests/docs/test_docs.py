"""The pages say what there is: every command, option, registry row, setting and key of the record."""

import json
import re
import runpy
from pathlib import Path

import click
import numpy as np
import pytest

import seewhy
from seewhy import registry
from seewhy.classifiers.views import make_view
from seewhy.cli.app import cli
from seewhy.core.settings import schema

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CLI = (DOCS / "reference/cli.md").read_text(encoding="utf-8")
FILES = (DOCS / "reference/files.md").read_text(encoding="utf-8")
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


def test_tables_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    """Writing the tables of the registry and of the options anew changes no page; else run scripts/tables."""
    status = runpy.run_path(str(ROOT / "scripts/tables"))["main"](["--check"])
    assert (status, capsys.readouterr().out) == (0, "")


def test_the_table_test_can_fail(tmp_path: Path) -> None:
    """A changed figure is written right again; the page's own last column stays."""
    page = tmp_path / "page.md"
    table = "| method | needs |\n|---|---|\n| [`rise`](x.md) | 5 | kept advice |"
    page.write_text(f"before\n\n<!-- table: choice -->\n\n{table}\n\n<!-- end -->\n\nafter\n", encoding="utf-8")
    written = runpy.run_path(str(ROOT / "scripts/tables"))["regenerated"](page)
    assert "| [`rise`](methods.md#rise) | labels | 4,001 | kept advice |\n" in written
    assert (written.startswith("before\n\n<!-- table"), written.endswith("<!-- end -->\n\nafter\n")) == (True, True)


def test_every_table_is_on_a_page() -> None:
    """One table of options for every command, and one of every other kind."""
    text = "\n".join(page.read_text(encoding="utf-8") for page in [*PAGES, ROOT / "README.md"])
    marked = re.findall(r"<!-- table: (.+?) -->\n\n[|#]", text)
    script = runpy.run_path(str(ROOT / "scripts/tables"))
    assert sorted(set(marked)) == sorted(
        [*script["TABLES"], *script["BLOCKS"], *(f"options {name}" for name in COMMANDS)]
    )


def test_no_command_is_described_that_is_not_there() -> None:
    """Sections of the command line page are commands."""
    assert set(re.findall(r"^## seewhy (.+)$", CLI, re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(registry.METHODS))
def test_every_method_is_described_with_its_settings(name: str) -> None:
    """A section of the reference with one row for each setting, in words."""
    wanted = list(schema(registry.METHODS[name].run))
    reference = section((DOCS / "reference/methods.md").read_text(encoding="utf-8"), name)
    assert re.findall(r"^\| `([a-z_0-9]+)` \| .+ \| .+ \|$", reference, re.MULTILINE) == wanted


def test_settings_of_views_in_the_table_are_accepted() -> None:
    """Every row from preprocessing to settings has settings that make a view."""
    page = (DOCS / "start/your-own-model.md").read_text(encoding="utf-8")
    table = page.split("| your preprocessing says | settings |")[1].split("\n\n")[0].splitlines()[2:]
    rows = [line.split("|")[2].strip() for line in table]
    assert len(rows) > 12
    for row in rows:
        if row != "the same":
            settings = eval(f"dict({row.split('`')[1]})", {"dict": dict})  # noqa: S307 - our own page
            assert "size" in settings, row
            assert make_view(**settings).describe()


def test_every_public_name_is_in_the_overview() -> None:
    """The overview of the Python page lists what the package exports, once; Sphinx documents each from its docstring."""
    page = (DOCS / "reference/python.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert sorted(re.findall(r"^   (\w+)$", page, re.MULTILINE)) == sorted(seewhy.__all__)


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


def test_every_key_of_the_record_is_described(folder: Path) -> None:
    """One row a key, and each key inside it named in the row."""
    record = json.loads((folder / "explanation.json").read_text(encoding="utf-8"))
    for heading, facts in (("explanation.json", record), ("diagnostics", record["diagnostics"])):
        rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*) \|$", section(FILES, heading), re.MULTILINE))
        assert set(rows) == set(facts)
        for key in set(facts) - {
            "traces",
            "expected_correlation",
        }:  # their keys are those of the method and of the maps
            value = facts[key][-1] if isinstance(facts[key], list) and facts[key] else facts[key]
            inner = value if isinstance(value, dict) else {}
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
