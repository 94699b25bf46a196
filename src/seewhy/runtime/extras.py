"""The optional dependency groups, read from the metadata of the installed package; pyproject.toml is their only list."""

import re
from importlib.metadata import packages_distributions, requires

_NOT_FOR_USERS = {"", "all", "dev", "docs", "rivals"}
"""What is always required, the extra that comprises others, and those for developers."""


def extras() -> dict[str, tuple[str, ...]]:
    """Return the extras that users install, with the packages of each; those for developers are left out."""
    groups = sorted(_groups().items())
    return {extra: tuple(sorted(packages)) for extra, packages in groups if extra not in _NOT_FOR_USERS}


def optional_modules() -> tuple[str, ...]:
    """Return the top-level modules of all installed packages that only an extra requires, those for developers included."""
    groups = _groups()
    optional = set().union(*groups.values()) - groups.get("", set())
    owners = packages_distributions().items()
    modules = {module for module, packages in owners if optional & set(map(_normal, packages))}
    return tuple(sorted(module for module in modules if "__" not in module))


def _groups() -> dict[str, set[str]]:
    """Return extra → names of its packages; the packages that are always required stand under the empty name."""
    groups: dict[str, set[str]] = {}
    for line in requires("seewhy") or ():
        extra = re.search(r"extra == ['\"]([^'\"]+)", line)
        name = re.match(r"[\w.-]+", line)
        if name is not None:
            groups.setdefault(extra[1] if extra else "", set()).add(_normal(name[0]))
    return groups


def _normal(name: str) -> str:
    """Return a package's name as registries compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
