"""What a user asks to have explained."""

from typing import Any

import numpy as np
import pytest
import torch

from seewhy.core.errors import RequestError
from seewhy.explaining.targets import TargetLike, check_classes, default_targets, parse_targets

LABELS = ["cat", "dog", "tabby cat", "sports car"]
PREDICTION = torch.tensor([0.1, 0.5, 0.3, 0.1])


def keys(asked: list[TargetLike], labels: list[str] | None = LABELS, *, information: bool = True) -> list[str]:
    """Return the targets' keys."""
    return [target.key for target in parse_targets(asked, labels, information=information)]


def usual(
    *, information: bool, classes: int = 3, contrast: bool = False, rivals: tuple[int, ...] | None = None
) -> list[str]:
    """Return the keys of the targets that are explained when none is named."""
    found = default_targets(PREDICTION, information=information, classes=classes, contrast=contrast, rivals=rivals)
    return [target.key for target in found]


def test_the_default_is_the_information_and_the_likeliest_classes() -> None:
    """Three classes in order of probability; no information where the method has none."""
    assert usual(information=True)[:3] == ["information", "class:1", "class:2"]
    assert usual(information=False)[0] == "class:1"


def test_classes_by_index_name_and_key() -> None:
    """Numbers, names in any letter case and keys mean the same; what is asked twice is answered once."""
    assert keys([2, "Tabby Cat", "class:2", "2"]) == ["class:2"]


def test_an_index_of_any_integer_type_is_one_target() -> None:
    """NumPy's integers are numbers too."""
    assert [target.key for target in parse_targets(np.int64(2), LABELS, information=True)] == ["class:2"]
    assert keys([np.uint8(1), ("contrast", np.int32(0), 1)]) == ["class:1", "contrast:0/1"]


@pytest.mark.parametrize(
    "target",
    [
        2,
        np.int64(2),
        np.array(2),
        np.uint8(2),
        torch.tensor(2),
        torch.tensor(2, dtype=torch.int16),
        np.str_("tabby cat"),
    ],
)
def test_one_target_of_any_integer_or_text_type(target: Any) -> None:
    """What an ``argmax`` returns is a target, alone, in a list and in a contrast."""
    for form in (target, [target], (target,), ("contrast", target, 1)):
        (parsed,) = parse_targets(form, LABELS, information=True)
        assert parsed.classes[0] == 2


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("targets", [np.array([2, 0]), torch.tensor([2, 0]), range(2, -1, -2), {2: "a", 0: "b"}.keys()])
def test_several_targets_in_any_sequence(targets: Any) -> None:
    """Arrays, tensors, ranges and views."""
    assert keys(targets) == ["class:2", "class:0"]


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize(
    "target",
    [
        2.0,
        np.float64(2),
        torch.tensor(2.0),
        True,
        np.bool_(True),
        torch.tensor(True),
        None,
        object(),
        b"cat",
        {"cat": 1},
        [[1]],
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_target(target: Any) -> None:
    """Floats, booleans and objects are refused, with the type in the message."""
    forms: list[Any] = [[target], ("contrast", target, 1)]
    for form in forms if target is None else [target, *forms]:
        with pytest.raises(RequestError, match=r"expected a class index, a class name or .information. as target, got"):
            parse_targets(form, LABELS, information=True)


def test_text_that_may_mean_two_things() -> None:
    """A name in two letter cases, a number that is also a name, and a class named information."""
    exact = parse_targets(["Crane", "crane"], ["Crane", "crane"], information=True)
    assert [target.key for target in exact] == ["class:0", "class:1"]
    for text, labels in (("CRANE", ["Crane", "crane"]), ("1", ["1", "0"]), ("a", ["a", "a"])):
        with pytest.raises(RequestError, match=r"write class:0 or class:1"):
            parse_targets(text, labels, information=True)
    assert parse_targets("1", ["0", "1"], information=True)[0].key == "class:1"
    assert parse_targets("30", ["10", "20", "30"], information=True)[0].key == "class:2"
    with pytest.raises(RequestError, match=r"also the name of class 1; write class:1"):
        parse_targets("information", ["noise", "Information"], information=True)


def test_contrasts_by_text_and_tuple() -> None:
    """Both spellings, names or numbers."""
    assert keys(["contrast:cat/dog", ("contrast", 0, "dog")]) == ["contrast:0/1"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("tabby", "did you mean tabby cat"),
        ("dgo", "did you mean dog"),
        ("xylophone", "unknown class"),
        (4, "from 0 to 3, got 4"),
        (-1, "from 0 to 3, got -1"),
        ("contrast:cat", "contrast:a/b"),
        ("contrast:cat/cat", "different classes"),
        (("versus", 0, 1), "contrast"),
    ],
)
def test_what_does_not_exist_is_refused(asked: TargetLike, message: str) -> None:
    """With the nearest names, or the range."""
    with pytest.raises(RequestError, match=message):
        keys([asked])


def test_names_need_labels_and_information_a_method_that_has_it() -> None:
    """A classifier without names takes indices only."""
    with pytest.raises(RequestError, match="no class names"):
        keys(["dog"], None)
    with pytest.raises(RequestError, match="no information map"):
        keys(["information"], information=False)
    with pytest.raises(RequestError, match="at least one"):
        keys([])


def test_the_likeliest_class_is_held_against_the_runner_up_where_the_method_is_of_two() -> None:
    """The runner-up of all classes, or of those that the method knows; all the same where it knows none of the others."""

    def found(rivals: tuple[int, ...] | None) -> list[str]:
        return usual(information=False, classes=1, contrast=True, rivals=rivals)

    assert found(None) == ["class:1", "contrast:1/2"]
    assert found((1, 3)) == ["class:1", "contrast:1/3"]
    assert found((0, 3)) == ["class:1", "contrast:1/0"]
    assert found((1,)) == ["class:1", "contrast:1/2"]


def test_a_class_beyond_the_last_is_refused_when_the_number_of_classes_is_known() -> None:
    """Without labels that is after the first answer."""
    (target,) = parse_targets(4, None, information=False)
    assert target.classes == (4,)
    check_classes([target], 5)
    with pytest.raises(RequestError, match="from 0 to 3, got 4"):
        check_classes([target], 4)
