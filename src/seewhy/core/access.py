"""Access levels: how much of a classifier's output and internals can be used."""

from enum import IntEnum


class Access(IntEnum):
    """Access level of a classifier, in increasing order; each level includes all lower ones.

    Attributes:
        LABEL: only the predicted class.
        TOP_K: the most probable classes with their probabilities.
        PROBABILITIES: the probabilities of all classes.
        GRADIENTS: also gradients of the class scores with respect to the image.
        INTERNALS: also the activations of the layers.

    Example:
        >>> Access.PROBABILITIES >= Access.LABEL
        True
    """

    LABEL = 1
    TOP_K = 2
    PROBABILITIES = 3
    GRADIENTS = 4
    INTERNALS = 5
