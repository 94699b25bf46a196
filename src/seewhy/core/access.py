"""What a classifier lets us see."""

from enum import IntEnum


class Access(IntEnum):
    """What a classifier lets us see, from the least to the most; each level includes those before it.

    Example:
        >>> Access.PROBABILITIES >= Access.LABEL
        True
    """

    LABEL = 1
    TOP_K = 2
    PROBABILITIES = 3
    GRADIENTS = 4
    INTERNALS = 5
