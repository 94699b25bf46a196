"""Does a rule about a classifier hold? Change many pictures as the rule says, and count how often the answer breaks it."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy import registry
from seewhy.classifiers.selftest import self_test
from seewhy.classifiers.tuning import Log, RuntimeRequest, no_log, tune
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import Progress, as_distributions, no_progress
from seewhy.core.seeds import derive
from seewhy.core.view import View
from seewhy.draw.rule import Example
from seewhy.images.labelled import Labelled, list_labelled, region
from seewhy.images.view import apply_view
from seewhy.registry import Rule
from seewhy.runs.door import Door
from seewhy.runs.explanation import SCHEMA_VERSION
from seewhy.runs.manifest import Facts, label
from seewhy.runs.rule_report import Row, RuleReport, keep_worst, summarise

_TOGETHER = 64
"""About so many pictures are made before they are shown: whole batches, whatever the number of rules."""


def rule_error(
    classifier: object,
    source: str | Path,
    rules: str | Sequence[str] = "flip",
    *,
    limit: int | None = None,
    only: str | Path | None = None,
    infill: str = "gray",
    seed: int = 0,
    batch_size: int | None = None,
    runtime: str = "auto",
    device: str | None = None,
    trust: bool = True,
    max_megapixels: float = 200.0,
    log: Log = no_log,
    progress: Progress = no_progress,
) -> RuleReport:
    """Measure how often rules about a classifier fail on the pictures of a folder.

    An explanation can be a rule that foretells what the classifier does, and is as good as its expected error is small
    (faithfulness; Fong, Vedaldi, ICCV 2017). Here a rule says that the likeliest class stays, or changes, when a picture is
    changed in a certain way; its error is the share of pictures where that is not so.

    Args:
        classifier: as for `seewhy.explain`.
        source: a folder of pictures, perhaps with ``labels.csv``, see `seewhy.images.labelled.list_labelled`.
        rules: Specs, ``"rotation:strengths=5+15"`` say; see ``seewhy list rules``.
        limit: only the first pictures.
        only: a text file with the names of the pictures to take.
        infill: Spec of what stands where a rule removes a region.
        seed: of what is drawn: angles, directions, noise, in-fills; each picture has its own.
        batch_size: pictures shown at once; None: the fastest.
        runtime: as for `seewhy.explain`.
        device: where torch computes; None: where the classifier is.
        trust: allow Specs that run code from a file.
        max_megapixels: larger pictures are refused before they are decoded.
        log: told of a search for the fastest runtime.
        progress: called with (pictures done, pictures in all).

    Returns:
        Errors with 95 % Wilson intervals, overall and for each class, and the worst counter-examples. A picture that cannot be
        read is a row with a note.

    Raises:
        RequestError: a rule, a setting or the folder is wrong, a rule about regions finds no boxes, or no picture can be read.
        ClassifierError: the classifier contradicts its own description.

    Cost in queries: at most two for each picture, rule and strength, what is the same shown once; seven for the self-test.
    """
    asked = registry.classifier(classifier, trust=trust, device=device)
    questions = _questions([rules] if isinstance(rules, str) else rules)
    infill_spec, filler = registry.infill(infill, asked, trust=trust)
    photos = list_labelled(source, only)[:limit]
    if any(question.rule.region for question in questions) and not any(photo.boxes for photo in photos):
        raise RequestError(
            f"expected boxes for a rule about regions, got none; give {source}/labels.csv with boxes_norm"
        )
    test = _Test(
        questions, asked, filler, seed, RuntimeRequest(runtime, batch_size), 2 * len(questions) * len(photos), log
    )
    together = max(1, _TOGETHER // (2 * len(questions)))
    for start in range(0, len(photos), together):
        progress(start, len(photos))
        test.take(photos[start : start + together], max_megapixels)
    progress(len(photos), len(photos))
    return test.report({"source": str(source), "pictures": len(photos), "infill": str(infill_spec), "seed": seed})


@dataclass(frozen=True, eq=False)
class _Question:
    """One rule at one strength."""

    spec: str
    rule: Rule
    settings: Mapping[str, object]
    strength: float

    def pair(self, shot: "_Shot", infill: Infill, seed: int) -> tuple[Image, Image]:
        """Make the picture that is held against the changed one, and the changed one."""
        before = self.rule.before(shot.image, self.strength) if self.rule.before else shot.image
        about = (torch.from_numpy(shot.where), infill) if self.rule.region else ()
        after = self.rule.run(shot.image, self.strength, seed, *about, **self.settings)
        return before, after


def _questions(specs: Sequence[str]) -> list[_Question]:
    """Read the rules; each strength is a question."""
    if not specs:
        raise RequestError("expected at least one rule, got none; see seewhy list rules")
    found = []
    for text in specs:
        spec, rule, settings, strengths = registry.rule(text)
        found += [_Question(str(spec), rule, settings, strength) for strength in strengths]
    return found


@dataclass(frozen=True, eq=False)
class _Shot:
    """A picture as the classifier sees it, and where its object is."""

    photo: Labelled
    image: Image
    where: Bool[np.ndarray, "h w"] | None
    seed: int

    @classmethod
    def of(cls, photo: Labelled, view: View, seed: int, max_megapixels: float) -> "_Shot":
        """Open a picture; its seed comes from its content, so that it is changed alike in any company."""
        picture = photo.open(max_megapixels=max_megapixels)
        image, frame = apply_view(picture, view)
        own = int(derive(seed, torch.tensor(int(picture.sha256[:15], 16))))
        return cls(photo, image, region(photo.boxes, frame), own)

    def unfit(self, question: _Question) -> str:
        """Say why a question cannot be put to this picture; empty if it can."""
        if not question.rule.region:
            return ""
        if self.where is None:
            return "no boxes"
        return "" if self.where.any() and not self.where.all() else "the boxes hold none or all of what is seen"


class _Gallery:
    """Pictures to be shown; one that is there already is not shown again."""

    def __init__(self) -> None:
        self.images: list[Image] = []
        self._places: dict[bytes, int] = {}

    def add(self, image: Image) -> int:
        """Round to 8-bit levels, as a file would hold it, and return the picture's place."""
        rounded = (image * 255).round() / 255
        key = rounded.numpy().tobytes() + bytes(str(tuple(rounded.shape)), "ascii")
        if key not in self._places:
            self._places[key] = len(self.images)
            self.images.append(rounded)
        return self._places[key]


@dataclass(eq=False)
class _Test:
    """A test in progress: what was found so far."""

    questions: Sequence[_Question]
    classifier: Classifier
    infill: Infill
    seed: int
    runtime_request: RuntimeRequest
    expected: int
    log: Log
    door: Door | None = None
    queries: int = 0
    rows: list[Row] = field(default_factory=list)
    examples: dict[str, list[Example]] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def take(self, photos: Sequence[Labelled], max_megapixels: float) -> None:
        """Put every question to some pictures, all shown together."""
        gallery, asked = _Gallery(), list[tuple[_Shot, _Question, int, int]]()
        for photo in photos:
            try:
                shot = _Shot.of(photo, self.classifier.view, self.seed, max_megapixels)
            except RequestError as problem:
                self.rows.append(Row(photo.path.name, note=f"error: {problem}"))
                continue
            for question in self.questions:
                if unfit := shot.unfit(question):
                    self.rows.append(Row(photo.path.name, question.spec, question.strength, note=unfit))
                else:
                    before, after = (gallery.add(image) for image in question.pair(shot, self.infill, shot.seed))
                    asked.append((shot, question, before, after))
        answers = self._ask(gallery.images)
        for shot, question, before, after in asked:
            pictures, said = [gallery.images[place] for place in (before, after)], (answers[before], answers[after])
            self._judge(shot, question, pictures, said)

    def _ask(self, images: Sequence[Image]) -> list[Float[Tensor, " k"]]:
        """Show pictures, those of one size in batches; the first one opens the door."""
        if not images:
            return []
        self.door = door = self.door or self._open(images[0])
        answers: list[Float[Tensor, " k"]] = []
        for _, alike in groupby(images, key=lambda image: image.shape):
            for batch in torch.split(torch.stack(list(alike)), door.choice.batch_size):
                with torch.no_grad():
                    said = door.classifier(batch.to(self.classifier.device))
                answers += as_distributions(said, len(batch)).cpu()
        self.queries += len(images)
        return answers

    def _open(self, image: Image) -> Door:
        """Test the classifier and choose how it is run."""
        tested = self_test(self.classifier, image)
        fast, choice = tune(self.classifier, image, self.runtime_request, queries=self.expected, log=self.log)
        return Door(self.classifier, tested, fast, choice)

    def _judge(
        self,
        shot: _Shot,
        question: _Question,
        pictures: Sequence[Image],
        said: tuple[Float[Tensor, " k"], Float[Tensor, " k"]],
    ) -> None:
        """Hold the two answers against what the rule says."""
        before, after = (int(answer.argmax()) for answer in said)
        p, p_after = (float(answer[before]) for answer in said)
        row = Row(
            shot.photo.path.name,
            question.spec,
            question.strength,
            said=label(before, self.classifier),
            p=p,
            said_after=label(after, self.classifier),
            p_after=p_after,
        )
        if question.rule.region and shot.photo.label not in {None, before}:
            self.rows.append(replace(row, note="the boxes are of another class than the answer"))
            return
        stays = question.rule.claim == "stays"
        holds = (before == after) is stays
        self.rows.append(replace(row, holds=holds))
        if not holds:
            badness = p - p_after if stays else p_after
            shown = [(picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy() for picture in pictures]
            words = (row.said, p), (row.said_after, float(said[1][after]))
            found = Example(row.file, question.strength, shown[0], shown[1], *words, badness)
            keep_worst(self.examples.setdefault(question.spec, []), found)

    def report(self, about: Facts) -> RuleReport:
        """Sum up."""
        if self.door is None:
            raise RequestError(f"expected pictures, got none that can be tested; {self.rows[0].note}")
        manifest = {
            "schema_version": SCHEMA_VERSION,
            **about,
            "failed": [{"file": row.file, "error": row.note} for row in self.rows if not row.rule],
            "classifier": {
                "spec": self.classifier.name,
                "fingerprint": self.classifier.fingerprint,
                "view": self.classifier.view.describe(),
            },
            "runtime": self.door.facts(),
            "warnings": list(self.door.tested.warnings),
            "rules": [self._rule(spec) for spec in dict.fromkeys(question.spec for question in self.questions)],
            "queries": self.queries,
            "seconds": round(time.monotonic() - self.started, 3),
        }
        return RuleReport(manifest, self.rows, self.examples)

    def _rule(self, spec: str) -> Facts:
        """Sum up one rule."""
        asked = [question for question in self.questions if question.spec == spec]
        rows = [row for row in self.rows if row.rule == spec]
        lines = [
            {"strength": question.strength, **summarise([row for row in rows if row.strength == question.strength])}
            for question in asked
        ]
        rule = asked[0].rule
        return {"spec": spec, "says": rule.summary, "claim": rule.claim, "unit": rule.unit, "strengths": lines}
