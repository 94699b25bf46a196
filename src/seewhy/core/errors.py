"""The errors a user can meet. Each says what, which value, what to do."""

import difflib
from collections.abc import Iterable


class RequestError(ValueError):
    """The request cannot be carried out as it stands; the command line ends with status 2 and writes nothing."""


class ClassifierError(RequestError):
    """The classifier contradicts its own description, so that no explanation of it would mean anything."""


def did_you_mean(name: str, choices: Iterable[str], *, limit: int = 3) -> str:
    """Return a hint that names the nearest choices, or all of them when none is near.

    Args:
        name: what was asked for.
        choices: what there is.
        limit: how many near matches to offer.

    Returns:
        A sentence without its full stop, to end an error message with.

    Example:
        >>> did_you_mean("pim", ["pmi", "rise"])
        'did you mean pmi?'
    """
    pool = sorted(set(choices))
    near = difflib.get_close_matches(name.lower(), pool, n=limit, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"choose from {', '.join(pool)}"
