"""The names of what there is, for people."""

from seewhy.registry.tables import table


def methods() -> tuple[str, ...]:
    """Return the names of all methods; `lookup` has their rows.

    Example:
        >>> "rise" in methods()
        True
    """
    return tuple(table("methods"))


def infills() -> tuple[str, ...]:
    """Return the names of all in-fills.

    Example:
        >>> "gray" in infills()
        True
    """
    return tuple(table("infills"))


def metrics() -> tuple[str, ...]:
    """Return the names of all metrics.

    Example:
        >>> "deletion" in metrics()
        True
    """
    return tuple(table("metrics"))
