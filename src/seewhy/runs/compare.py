"""Ask about the same windows under several in-fills: where do the maps agree, and where does the answer hang on the in-fill?"""

import shlex
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from seewhy import registry
from seewhy.core.errors import ClassifierError, RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Progress, no_progress
from seewhy.images.open import Picture, open_picture
from seewhy.runs.agreement import AGREE, CERTAIN, PARTLY, VISIBLE, agreement, disagreement, in_words, sign_conflict
from seewhy.runs.comparison import SCHEMA_VERSION, Comparison
from seewhy.runs.door import Door, test_door
from seewhy.runs.explain import answer
from seewhy.runs.explanation import Explanation
from seewhy.runs.request import Request, follow, prepare
from seewhy.runs.targets import Asked

INFILLS = ("patch-sampler", "exemplar", "telea", "donor", "gray")
"""Compared where none are named; those that cannot fill the method's holes are skipped, and said to be."""

Watch = Callable[[str], Progress]
"""In-fill → what is told of its batches."""


@dataclass(frozen=True, eq=False)
class Rival:
    """One in-fill of a comparison.

    Args:
        name: of its folder, and its key in the comparison.
        title: the in-fill as the user wrote it.
        request: the question with this in-fill.
        optional: whether it may be skipped where it cannot fill the holes.
    """

    name: str
    title: str
    request: Request
    optional: bool


def compare_infills(
    classifier: object,
    image: object,
    infills: Sequence[str | Infill] | None = None,
    *,
    method: str = registry.DEFAULT_METHOD,
    targets: Asked | Sequence[Asked] | None = None,
    budget: int | None = None,
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    max_megapixels: float = 200.0,
    progress: Progress = no_progress,
) -> Comparison:
    """Ask about the same windows under several in-fills and say how far the maps agree.

    Stride and samples are settled once, so all in-fills are asked about the same windows as often; one that is the same
    every time is asked once a window.

    Args:
        classifier: as for `seewhy.explain`.
        image: as for `seewhy.explain`.
        infills: two or more Specs or in-fills; None: those of `INFILLS` that can fill the method's holes.
        method: a Spec.
        targets: what is compared; None: the likeliest class, and the information where the method has it.
        budget: queries for each in-fill.
        seed: the same seed gives the same maps.
        batch_size: as for `seewhy.explain`.
        runtime: as for `seewhy.explain`.
        max_megapixels: larger pictures are refused before they are decoded.
        progress: called with (queries done, queries planned) of each in-fill in turn.

    Raises:
        RequestError: anything is wrong with the request, or an in-fill that was named cannot fill the holes.
        ClassifierError: the classifier contradicts its own description.

    Warns:
        UserWarning: the classifier looks as if it was wired up wrongly, or an in-fill was skipped.

    Cost in queries: the method's for each in-fill, and seven for the self-test at the door.

    Example:
        >>> halves = lambda pictures: [[p[:8].mean() / 255, 1 - p[:8].mean() / 255] for p in pictures]
        >>> photo = np.arange(768, dtype=np.uint8).reshape(16, 16, 3)
        >>> found = compare_infills(halves, photo, ["gray", "telea"], method="occlusion:size=4", targets=0)
        >>> [infill["queries"]["forward_images"] for infill in found.manifest["infills"]]
        [50, 50]
    """
    same = {"method": method, "targets": targets, "budget": budget, "seed": seed}
    same |= {"batch_size": batch_size, "runtime": runtime}
    rivals = line_up(classifier, infills, **same)
    source = str(image) if isinstance(image, str | Path) else None
    picture = open_picture(image, max_megapixels=max_megapixels)
    door = test_door(rivals[0].request, picture)
    comparison = compare(rivals, picture, door=door, source=source, watch=lambda _: progress)
    for text in comparison.manifest["warnings"]:
        if text not in picture.notes:
            warnings.warn(text, stacklevel=2)
    return comparison


def line_up(classifier: object, infills: Sequence[str | Infill] | None, **same: Any) -> list[Rival]:  # noqa: ANN401
    """Check a comparison before any work starts.

    Args:
        classifier: as for `seewhy.explain`.
        infills: Specs or in-fills; None: `INFILLS`.
        same: what is the same for all: the other arguments of `seewhy.runs.request.prepare`.

    Raises:
        RequestError: there are fewer than two in-fills, or anything else is wrong with the request.
    """
    asked = INFILLS if infills is None else infills
    if len(asked) < 2:
        raise RequestError(f"expected at least two in-fills to compare, got {len(asked)}; name another with --infill")
    first = prepare(classifier, infill=asked[0], verdict=False, **same)
    same.pop("device", None)  # the classifier is opened once, and then is where it is
    rest = [
        replace(prepare(first.classifier, infill=infill, verdict=False, **same), origin=first.origin)
        for infill in asked[1:]
    ]
    rivals: list[Rival] = []
    for infill, request in zip(asked, [first, *rest], strict=True):
        title = infill if isinstance(infill, str) else request.infill_spec.name
        before = sum(rival.request.infill_spec.name == request.infill_spec.name for rival in rivals)
        name = request.infill_spec.name + (f"-{before + 1}" if before else "")
        rivals.append(Rival(name, title, request, optional=infills is None))
    return rivals


def compare(
    rivals: Sequence[Rival], picture: Picture, *, door: Door, source: str | None = None, watch: Watch
) -> Comparison:
    """Carry out a comparison on one picture.

    Args:
        rivals: from `line_up`.
        picture: from `open_picture`.
        door: the classifier, tested and made ready, from `test_door`.
        source: the picture's path as the user wrote it, for the commands that run it again.
        watch: is given each in-fill's title, and returns what is told of its batches.

    Raises:
        RequestError: the picture, the targets or the budget do not fit the method, or an in-fill cannot fill its holes.
        ClassifierError: the classifier contradicts its own description.
    """
    answers: dict[str, Explanation] = {}
    skipped: dict[str, RequestError] = {}
    leader: Rival | None = None
    for rival in sorted(rivals, key=_turn):
        request = rival.request if leader is None else _bound(rival.request, leader, answers[leader.name])
        try:
            answers[rival.name] = answer(request, picture, door=door, source=source, progress=watch(rival.title))
        except ClassifierError:
            raise
        except RequestError as problem:
            if not rival.optional:
                raise
            skipped[rival.title] = problem
        else:
            leader = leader or rival
    if leader is None or len(answers) < 2:
        raise next(iter(skipped.values()))
    present = [rival for rival in rivals if rival.name in answers]
    return _judge(present, {rival.name: answers[rival.name] for rival in present}, answers[leader.name], skipped)


def _turn(rival: Rival) -> tuple[bool, bool]:
    """Random in-fills first, for they settle the samples; of those the learned ones, for they may refuse the holes."""
    return not rival.request.infill.stochastic, rival.request.infill.checksum is None


def _bound(request: Request, leader: Rival, led: Explanation) -> Request:
    """Bind a request to what the first in-fill was asked."""
    return follow(request, leader.request.infill, led.manifest["method"]["settings"], led.queries.forward_images)


def _judge(
    rivals: Sequence[Rival],
    answers: Mapping[str, Explanation],
    led: Explanation,
    skipped: Mapping[str, RequestError],
) -> Comparison:
    """Hold the maps against each other."""
    asked = rivals[0].request.targets
    top = f"class:{led.predicted[0]['index']}"
    compared = [t for t in led.manifest["targets"] if asked is not None or t["key"] in {"information", top}]
    spread, conflict, said = {}, {}, []
    for target in compared:
        key = target["key"]
        maps = [each.maps[key] for each in answers.values()]
        errors = [each.stderr.get(key) for each in answers.values()]
        found = agreement(maps, [each.reliability(key) for each in answers.values()])
        spread[key] = disagreement(maps)
        if key != "information":
            conflict[key] = sign_conflict(maps, errors)
        name = {part: target[part] for part in ("key", "label", "index", "probability") if part in target}
        share = float(conflict[key].mean()) if key in conflict else None
        said.append({**name, **asdict(found), "words": in_words(found), "sign_conflict": share})
    return Comparison(answers, spread, conflict, _record(rivals, answers, led, skipped, said))


def _record(
    rivals: Sequence[Rival],
    answers: Mapping[str, Explanation],
    led: Explanation,
    skipped: Mapping[str, RequestError],
    said: list[dict[str, Any]],
) -> dict[str, Any]:
    """What is written to ``comparison.json``."""
    shared, spec = led.manifest, led.manifest["method"]["spec"]
    return {
        "schema_version": SCHEMA_VERSION,
        **{key: shared[key] for key in ("image", "view", "classifier", "predicted", "runtime")},
        "method": {"spec": spec, "name": shared["method"]["name"], "paper": shared["method"]["paper"]},
        "infills": [_about(rival, answers[rival.name].manifest) for rival in rivals],
        "skipped": [{"title": title, "because": str(problem)} for title, problem in skipped.items()],
        "targets": said,
        "protocol": {"agree": AGREE, "in_part": PARTLY, "standard_errors": CERTAIN, "visible": VISIBLE},
        "seed": shared["seed"],
        "budget": asdict(rivals[0].request.budget),
        "batch_size": shared["batch_size"],
        "unit": shared["unit"],
        "queries": {"forward_images": sum(each.queries.forward_images for each in answers.values())},
        "seconds": round(sum(each.seconds for each in answers.values()), 3),
        "versions": shared["versions"],
        "warnings": [*shared["warnings"], *(f"{title} was left out: {why}" for title, why in skipped.items())],
        "command": _command(shared["command"], [each.manifest for each in answers.values()]),
    }


def _about(rival: Rival, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """One in-fill and what it took."""
    return {
        "name": rival.name,
        "title": rival.title,
        **manifest["infill"],
        "settings": manifest["method"]["settings"],
        **{key: manifest[key] for key in ("queries", "seconds", "stopped_because")},
    }


def _command(led: str | None, manifests: Sequence[Mapping[str, Any]]) -> str | None:
    """Turn the command of the in-fill that was asked first into that of the comparison, where all have names."""
    if led is None or any(manifest["command"] is None for manifest in manifests):
        return None
    words = [word for word in shlex.split(led) if word != "--no-verdict"]  # a comparison has none
    place = words.index("--infill")
    named = [word for manifest in manifests for word in ("--infill", manifest["infill"]["spec"])]
    trust = any("--trust" in shlex.split(manifest["command"]) for manifest in manifests) and "--trust" not in words
    rest = [*words[place + 2 :], *(["--trust"] if trust else [])]
    return shlex.join([words[0], "compare-infills", *words[2:place], *named, *rest])
