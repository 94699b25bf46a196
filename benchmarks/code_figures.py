"""Measure the shape of the code: lengths of files and functions, types, docstrings, cycles, suppressions.

Protocol: every Python file of the package is parsed. *Code* is a function's length in lines without its docstring. *Annotated* is
the share of parameters (self and cls aside) and returns with an annotation. *Documented* is the share of public modules, classes
and functions with a docstring; protocol members of one line and overloads do not count. A *cycle* is a set of modules that import
each other at module level. *Depth* is the longest chain of classes of the package that inherit from each other, protocols and typed
dictionaries aside. *Any* counts lines that name ``Any``, imports aside; *subscripts* counts lines that read a record by subscript.
"""

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

Function = ast.FunctionDef | ast.AsyncFunctionDef
Figures = dict[str, object]


def quantiles(values: Sequence[int]) -> list[int]:
    """Return median, 90 % quantile and maximum."""
    return [int(np.quantile(values, share, method="higher")) for share in (0.5, 0.9, 1.0)]


def functions(tree: ast.Module) -> Iterator[Function]:
    """Yield every function of a module."""
    yield from (node for node in ast.walk(tree) if isinstance(node, Function))


def code_length(function: Function) -> int:
    """Count the lines of a function without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0)


def annotations(function: Function) -> Iterator[bool]:
    """Yield, for each parameter and the return, whether it is annotated."""
    arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    arguments += [each for each in (function.args.vararg, function.args.kwarg) if each]
    yield from (each.annotation is not None for each in arguments if each.arg not in {"self", "cls"})
    yield function.returns is not None


def documented(tree: ast.Module) -> Iterator[bool]:
    """Yield, for each public object of a module, whether it has a docstring."""
    yield ast.get_docstring(tree) is not None
    inner = {id(node) for each in functions(tree) for node in ast.walk(each) if node is not each}
    for node in ast.walk(tree):
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_") and id(node) not in inner:
            yield ast.get_docstring(node) is not None


def cycles(trees: dict[str, ast.Module]) -> list[int]:
    """Return the sizes of the sets of modules that import each other at module level."""
    names = sorted(trees)
    place = {name: number for number, name in enumerate(names)}
    edges = np.zeros((len(names), len(names)), dtype=bool)
    for name, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                imported = {each if each in place else node.module for each in whole}
                for each in imported & set(place) - {name}:
                    edges[place[name], place[each]] = True
    _, component = connected_components(csr_matrix(edges), connection="strong")
    return sorted((int(size) for size in np.bincount(component) if size > 1), reverse=True)


def depth(trees: Sequence[ast.Module]) -> int:
    """Return the longest chain of classes of the package."""
    bases = {
        node.name: {ast.unparse(base).split("[")[0] for base in node.bases}
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }
    abstract = {name for name, own in bases.items() if own & {"Protocol", "TypedDict"}}

    def above(name: str) -> int:
        return 1 + max((above(base) for base in bases.get(name, set()) & set(bases) - abstract - {name}), default=0)

    return max(map(above, set(bases) - abstract))


def measure(package: Path, tests: Path | None) -> Figures:
    """Measure a package.

    Args:
        package: its folder.
        tests: the folder of its tests, for their share; None: not measured.
    """
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(package.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    lines = [line for text in texts.values() for line in text.splitlines()]
    every = [each for tree in trees.values() for each in functions(tree)]
    typed = [known for each in every for known in annotations(each)]
    public = [known for tree in trees.values() for known in documented(tree)]
    named = {".".join((package.name, *path.relative_to(package).with_suffix("").parts)): path for path in texts}
    modules = {name.removesuffix(".__init__"): trees[path] for name, path in named.items()}
    handlers = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler)]
    broad = [each for each in handlers if each.type is None or "Exception" in ast.unparse(each.type).split(".")]
    tested = 0 if tests is None else sum(len(path.read_text("utf-8").splitlines()) for path in tests.rglob("*.py"))
    return {
        "files": len(texts),
        "lines": len(lines),
        "file_lines": quantiles([len(text.splitlines()) for text in texts.values()]),
        "code": quantiles([code_length(each) for each in every]),
        "annotated": round(100 * sum(typed) / len(typed), 1),
        "documented": round(100 * sum(public) / len(public), 1),
        "cycles": cycles(modules),
        "depth": depth(list(trees.values())),
        "broad_handlers": len(broad),
        "tests_per_line": round(tested / len(lines), 2),
        "noqa": sum("# noqa" in line for line in lines),
        "type_ignore": sum("# type: ignore" in line for line in lines),
        "any": sum(bool(re.search(r"\bAny\b", line)) and "import" not in line for line in lines),
        "subscripts": sum(bool(re.search(r"\b(manifest|record)\[", line)) for line in lines),
    }


@click.command()
@click.argument("package", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--tests", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Folder of its tests.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object as the last line.")
def main(package: Path, tests: Path | None, *, as_json: bool) -> None:
    """Measure the shape of the code of PACKAGE, the folder of a Python package."""
    figures = measure(package, tests)
    for name, value in figures.items():
        print(f"{name}: {value}")
    if as_json:
        print(json.dumps({"protocol": __doc__, "package": package.name, **figures}))


if __name__ == "__main__":
    main()
