"""Tests of the project's coding conventions."""

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import seewhy
from seewhy import registry
from seewhy.runtime.extras import extras, optional_modules

SOURCE = Path(seewhy.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
HEAVY = (*optional_modules(), "matplotlib", "jinja2", "rich", "click", "cv2", "scipy")
"""What `import seewhy` must not load: every module that an extra brings, and what only drawing or the command line needs."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[Path, Function]]:
    """Yield every function of the package."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, Function):
                yield path, node


def code_lines(function: Function) -> int:
    """Count the lines of a function without its signature and docstring."""
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_functions_are_short() -> None:
    """A function has at most 50 lines of code, and 90 % of them have at most 17."""
    lengths = {f"{path.name}:{function.name}": code_lines(function) for path, function in functions()}
    assert not {name: length for name, length in lengths.items() if length > 50}
    assert sorted(lengths.values())[int(0.9 * len(lengths))] <= 17


def test_files_are_short() -> None:
    """A file has at most 400 lines."""
    assert not [path.name for path in FILES if len(path.read_text(encoding="utf-8").splitlines()) > 400]


def test_classes_are_abstract_or_final() -> None:
    """No class of the package inherits from another one, except the two errors; protocols and typed dictionaries are abstract."""
    ours = {
        node.name: [ast.unparse(base) for base in node.bases]
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    abstract = {name for name, bases in ours.items() if {"Protocol", "TypedDict"} & set(bases)}
    chains = {name: [base for base in bases if base in set(ours) - abstract] for name, bases in ours.items()}
    assert {name for name, bases in chains.items() if bases} <= {"ClassifierError"}


def test_public_names_have_docstrings() -> None:
    """Every public module, class and function has a docstring."""
    missing = []
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        inner = {id(node) for f in ast.walk(tree) if isinstance(f, Function) for node in ast.walk(f) if node is not f}
        nodes = [
            node
            for node in ast.walk(tree)
            if isinstance(node, Function | ast.ClassDef)
            and not node.name.startswith("_")
            and id(node) not in inner
            and "overload" not in map(ast.unparse, node.decorator_list)
        ]
        missing += [
            f"{path.name}:{getattr(node, 'name', '')}" for node in [tree, *nodes] if not ast.get_docstring(node)
        ]
    protocol_members = {"classifier.py:" + name for name in dir(seewhy.Classifier)}
    assert sorted(set(missing) - protocol_members) == []


def test_values_stay_typed() -> None:
    """`Any` stands in fewer than 40 lines, imports aside, and no result is read by subscript."""
    lines = [line for path in FILES for line in path.read_text(encoding="utf-8").splitlines()]
    assert sum(bool(re.search(r"\bAny\b", line)) and "import" not in line for line in lines) < 40
    assert not [line for line in lines if re.search(r"(manifest|record)\[", line)]


def test_no_product_name_looks_like_a_test() -> None:
    """Test runners collect names that start or end with *test*."""
    names = {path.stem for path in FILES} | {function.name for _, function in functions()}
    assert {name for name in names if name.startswith("test_") or name.endswith("_test")} == set()


def test_the_fields_words_are_used() -> None:
    """Words that a newcomer would have to look up stand in no name of the package."""
    private = re.compile(
        r"(?:^|_)(twins?|contests?|witness(es)?|seats?|scenes?|trials?|standings|doors?|companions?)(?:_|$)",
        re.IGNORECASE,
    )
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in FILES]
    defined = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, Function | ast.ClassDef)} | {
        path.stem for path in FILES
    }
    assert {name for name in defined if private.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))} == set()


def test_polarity_has_one_name() -> None:
    """No array is called a mask; it is keep, 1 = kept.

    RISE's setting keeps the paper's term for its number of grids.
    """
    named = re.compile(r"\b\w*masks?\b")
    for path, function in functions():
        names = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)} | {
            a.arg for a in function.args.args
        }
        assert not [name for name in names if named.fullmatch(name)] or path.name == "rise.py"


def test_nothing_catches_everything() -> None:
    """Broad exception handlers hide errors."""
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                assert node.type is not None
                assert "Exception" not in ast.unparse(node.type).split("."), path


def test_the_import_is_light() -> None:
    """`import seewhy` loads no optional dependency, and nothing that only drawing or the command line needs."""
    script = f"import sys, seewhy; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()
        == "[]"
    )


def test_the_light_import_test_can_fail() -> None:
    """The subprocess detects a heavy module."""
    script = f"import sys, onnxruntime, seewhy; print([name for name in {HEAVY!r} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "onnxruntime" in found


def test_extras_come_from_the_metadata() -> None:
    """Every extra that a row of the registry names is known, with its packages; nothing of it is always required."""
    rows = [row for kind in ("methods", "metrics", "infills", "classifiers") for row in registry.table(kind).values()]
    assert {row.extra for row in rows if row.extra} <= set(extras())
    assert not {"dev", "docs", "rivals", "all"} & set(extras())
    assert {"onnxruntime", "captum", "skimage"} <= set(optional_modules())


def test_all_is_what_is_there() -> None:
    """`__all__` lists exactly the names that the package re-exports."""
    modules = {name for name, value in vars(seewhy).items() if inspect.ismodule(value)}
    assert {name for name in vars(seewhy) if not name.startswith("_")} - modules == set(seewhy.__all__)


@pytest.mark.parametrize(
    "path", sorted((SOURCE.parents[1]).glob("src/**/*.safetensors")), ids=lambda path: path.parent.name
)
def test_weights_are_small(path: Path) -> None:
    """Weight files in the repository have at most 8 MB each."""
    assert path.stat().st_size <= 8_000_000
