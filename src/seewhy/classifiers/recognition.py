"""Recognise what the answers of a classifier are, and refuse those that cannot be what they are read as."""

from seewhy.classifiers.answers import ONE_NUMBER, LabelLike, Outputs, Reading, Rows, make_reading
from seewhy.classifiers.endings import Ending
from seewhy.core.errors import ClassifierError
from seewhy.core.probe import SUM_TOLERANCE, rounding

_LOOKS = {
    "probabilities": "rows that are >= 0 and sum to 1, as after a softmax; pass outputs='probabilities'",
    "percentages": "rows that are >= 0 and sum to 100, like percentages; divide them by 100 and pass outputs='probabilities'",
    "bytes": "rows that are >= 0 and sum to 255, like those of a quantised network; divide them by 255 and pass "
    "outputs='probabilities'",
    "log-probabilities": "rows whose exponentials sum to 1, as after a log-softmax; pass outputs='log-probabilities'",
    "embeddings": "rows of length 1, like embeddings; return one score per class, and pass outputs='logits'",
    "sigmoid": "values that come out of a sigmoid; pass outputs='sigmoid'",
    "log-sigmoid": "values that come out of a log-sigmoid; remove it and pass outputs='logits'",
    "unit": "values in [0, 1] that do not sum to 1; pass outputs='sigmoid' if they are independent sigmoid outputs, "
    "or outputs='logits' if they are logits that happen to be small",
    "logits": "values that come out of a linear layer; these look like logits (no softmax): pass outputs='logits'",
    "scores": "values outside [0, 1]; these look like logits (no softmax): pass outputs='logits'",
}
"""Kinds of answer that can be told apart, and what to do about each; see `kind_of`."""

_FITTING = {
    "logits": {"logits", "scores", "log-probabilities"},
    "probabilities": {"probabilities"},
    "log-probabilities": {"log-probabilities"},
    "sigmoid": {"sigmoid", "unit", "logits"},
}
"""The kinds that each setting accepts: the softmax of log-probabilities is right, and a linear layer can learn probabilities."""

_TOTALS = (("probabilities", 1), ("percentages", 100), ("bytes", 255), ("bytes", 256))
"""What the rows of probabilities sum to, in several units."""

_RESOLVED: dict[str, Outputs] = {
    "logits": "logits",
    "scores": "logits",
    "probabilities": "probabilities",
    "log-probabilities": "log-probabilities",
    "sigmoid": "sigmoid",
}


def kind_of(answers: Rows, ending: Ending = (), slack: float = 1e-3) -> str | None:
    """Return what the raw answers for unrelated images are; None for values that are not finite.

    The end of the network decides if it is known. Values decide where they can: ``unit`` are sigmoids or small logits,
    ``scores`` are no probabilities of any kind. A sum of 1 counts within ``slack`` and the rounding of the answers.
    """
    if ending and ending[0] != "logits":
        return ending[0]
    kind = _by_values(answers, slack)
    return "logits" if kind == "unit" and ending else kind


def _by_values(answers: Rows, slack: float) -> str | None:
    """Return what the values show."""
    exact, classes = answers.double(), answers.shape[1]
    if not bool(exact.isfinite().all()):
        return None
    lowest, highest, sums = float(exact.min()), float(exact.max()), exact.sum(1)
    slack = slack if classes < 10 else SUM_TOLERANCE  # few small logits may sum to about 1
    if classes > 1 and lowest >= 0:
        for kind, total in _TOTALS:
            allowed = slack if total == 1 else SUM_TOLERANCE
            if float((sums / total - 1).abs().max()) <= max(allowed, rounding(exact / total)):
                return kind
    if classes > 1 and highest <= 1e-6 and float(exact.logsumexp(1).abs().max()) <= slack:
        return "log-probabilities"
    if classes > 2 and float((exact.norm(dim=1) - 1).abs().max()) <= slack / 10:
        return "embeddings"
    return "unit" if lowest >= 0 and highest <= 1 else "scores"


def check_reading(reading: Reading, answers: Rows, ending: Ending = ()) -> None:
    """Check that the raw answers for unrelated images can be what they are read as.

    Raises:
        ClassifierError: they cannot, or they could be several kinds and the user did not say which.
    """
    kind = kind_of(answers, ending, SUM_TOLERANCE if reading.outputs == "probabilities" else 1e-3)
    if kind is None:  # reported where the probabilities are checked
        return
    if answers.shape[1] == 1:
        _check_one_number(reading, answers, kind)
        return
    undecided = kind == "unit" and reading.outputs == "logits" and reading.stated
    if not undecided and kind not in _FITTING[reading.outputs]:
        said = f"outputs={reading.outputs!r}" + ("" if reading.stated else " (the default)")
        raise ClassifierError(f"expected answers that fit {said}, got {_LOOKS[kind]}")


def _check_one_number(reading: Reading, answers: Rows, kind: str) -> None:
    """Check the answers of a classifier that returns one number per image."""
    if bool((answers == 1).all()):
        raise ClassifierError(
            "expected an answer that depends on the image, got 1 for every image; "
            "a softmax over one output is always 1: remove it and pass outputs='logits'"
        )
    probability = kind in {"sigmoid", "probabilities"}  # the latter is a column of a softmax
    if not reading.stated:
        raise ClassifierError(_LOOKS_SIGMOID if probability else ONE_NUMBER + _whole(answers))
    positive = reading.outputs == "log-probabilities" and float(answers.max()) > 1e-6
    if reading.outputs == "logits":
        wrong = probability or kind == "log-sigmoid"
    else:
        wrong = positive or (kind in {"scores", "log-sigmoid"} and reading.outputs != "log-probabilities")
    if wrong:
        shown = "sigmoid" if probability else kind
        raise ClassifierError(
            f"expected one number per image that fits outputs={reading.outputs!r}, got {_LOOKS[shown]}"
        )


_LOOKS_SIGMOID = f"expected outputs= for a classifier that returns one number per image, got {_LOOKS['sigmoid']}"


def _whole(answers: Rows) -> str:
    """Return the further choice for whole numbers, which may be class indices."""
    whole = bool((answers == answers.round()).all()) and float(answers.min()) >= 0
    return "; for whole numbers that are class indices, a function takes outputs='labels'" if whole else ""


def recognise(
    answers: Rows, ending: Ending, labels: tuple[str, ...] | None = None, label: LabelLike | None = None
) -> Reading:
    """Return the reading of answers about which the user said nothing.

    Raises:
        ClassifierError: they could be several kinds, or are none that can be read.
    """
    kind = kind_of(answers, ending)
    if answers.shape[1] == 1:
        if kind in {"sigmoid", "probabilities"}:
            return make_reading("sigmoid", "sigmoid", labels, label)
        raise ClassifierError(ONE_NUMBER)
    if kind is None:
        raise ClassifierError("expected finite answers, got NaN or infinity; check the classifier")
    if kind not in _RESOLVED:
        raise ClassifierError(f"expected answers that can be recognised, or outputs=, got {_LOOKS[kind]}")
    return make_reading(_RESOLVED[kind], "logits", labels, label)
