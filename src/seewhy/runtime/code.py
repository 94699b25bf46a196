"""Import user code named as ``module:attribute``, and say in an exception what was called."""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from seewhy.core.context import callers_defaults
from seewhy.core.errors import RequestError, did_you_mean


@contextmanager
def noting(note: str) -> Iterator[None]:
    """Run code that others wrote, with the caller's defaults of torch; add a note to any exception, and let it propagate."""
    try:
        with callers_defaults():
            yield
    except BaseException as error:
        error.add_note(note)
        raise


def find(text: str) -> object:
    """Import a user module, with the working directory first on the search path, and return an attribute: ``module:attribute``.

    This runs the module's code.

    Raises:
        RequestError: the module or attribute does not exist; the message suggests the closest names.
    """
    module_name, colon, attribute = text.partition(":")
    if not (module_name and colon and attribute):
        raise RequestError(f"expected module:attribute, got {text!r}; write my_code:net for net in my_code.py")
    module = _import(module_name)
    if not hasattr(module, attribute):
        names = [name for name in vars(module) if not name.startswith("_")]
        hint = did_you_mean(attribute, names) if names else "the module is empty"
        raise RequestError(f"expected an attribute of {module_name}, got {attribute!r}, which does not exist; {hint}")
    return getattr(module, attribute)


def _import(name: str) -> ModuleType:
    """Import a module, with the working directory first on the search path."""
    with _working_directory(), noting(f"while {name} was imported"):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            missing = error.name or name
            if not f"{name}.".startswith(f"{missing}."):
                raise RequestError(
                    f"expected to import {name}, got an import of {missing}, which is not installed; install it"
                ) from error
            here = [path.stem for path in Path.cwd().glob("*.py")]
            hint = did_you_mean(missing, here) if here else "change to the folder that contains it, or install it"
            raise RequestError(f"expected a module, got {missing!r}, which was not found; {hint}") from error


@contextmanager
def _working_directory() -> Iterator[None]:
    """Put the working directory first on the search path, and restore the path afterwards."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(here)
