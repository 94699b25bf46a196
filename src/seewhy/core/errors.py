"""User-facing errors. Each message states what was expected, the value received, and how to fix it."""

import difflib
from collections.abc import Iterable


class RequestError(ValueError):
    """The request is invalid and cannot be carried out. The command line exits with status 2 and writes nothing."""


class ClassifierError(RequestError):
    """The classifier's output contradicts its declared settings, so an explanation of it would be meaningless."""


def did_you_mean(name: str, choices: Iterable[str], *, limit: int = 3) -> str:
    """Return a clause for an error message about an unknown name: the closest choices, or all if none is close."""
    pool = sorted(set(choices))
    near = difflib.get_close_matches(name.lower(), pool, n=limit, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose from {', '.join(pool)}"
