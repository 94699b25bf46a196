"""Does a rule about a classifier hold? Change many images as the rule says, and count how often the prediction breaks it."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from seewhy import registry
from seewhy.audit.rules_report import RulesReport, keep_worst, summarise
from seewhy.classifiers.tuning import Log, RuntimeRequest, no_log
from seewhy.core.arrays import Image
from seewhy.core.classifier import Classifier
from seewhy.core.context import plain_torch
from seewhy.core.errors import RequestError
from seewhy.core.infill import Infill
from seewhy.core.probe import as_distributions
from seewhy.core.seeds import derive
from seewhy.core.view import View
from seewhy.explaining.announcement import announce
from seewhy.explaining.facts import classifier_info, label
from seewhy.explaining.prepared import PreparedClassifier, validate_and_tune
from seewhy.explaining.progress import ProgressLike, showing
from seewhy.images.labelled import Labelled, list_labelled, region
from seewhy.images.view import apply_view
from seewhy.registry import Bound, ClassifierLike, Rule
from seewhy.results.audit_rules import CounterExample, RuleResult, RuleRow, RulesRecord, Unreadable

_TOGETHER = 64
"""About this many images are made before they are shown: whole batches, whatever the number of rules."""


@plain_torch()
def audit_rules(
    classifier: ClassifierLike,
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
    progress: ProgressLike = False,
) -> RulesReport:
    """Measure how often rules about a classifier fail on the images of a folder.

    An explanation can be a rule that predicts what the classifier does; it is faithful if its expected error is small (Fong,
    Vedaldi, ICCV 2017). Here a rule says that the predicted class stays, or changes, when an image is changed in a certain way
    (an invariance or metamorphic test); its error is the share of images where it does not.

    Args:
        classifier: as for `seewhy.explain`.
        source: a folder of images, optionally with ``labels.csv``, see `seewhy.images.labelled.list_labelled`.
        rules: Specs, such as ``"rotation:strengths=5+15"``; see ``seewhy list rules``.
        limit: use at most this many images.
        only: a text file with the names of the images to use.
        infill: Spec of what stands where a rule removes a region.
        seed: seed of angles, directions, noise and in-fills; each image has its own.
        batch_size: images per call; None: the fastest.
        runtime: as for `seewhy.explain`.
        device: where torch computes; None: where the classifier is.
        trust: allow Specs that run code from a file.
        max_megapixels: larger images are refused before they are decoded.
        log: told of a search for the fastest runtime.
        progress: True shows a bar on stderr; or a function that is called with (images done, images in all).

    Returns:
        Error rates with 95 % Wilson intervals, overall and for each class, and the worst counter-examples. An image that cannot be
        read becomes a row with a note.

    Raises:
        RequestError: a rule, a setting or the folder is wrong, a rule about regions finds no boxes, or no image can be read.
        ClassifierError: the classifier contradicts its own description.

    Cost in queries: at most two for each image, rule and strength (identical images are shown once); seven for the self-test.
    """
    asked = registry.classifier(classifier, trust=trust, device=device)
    specs = [rules] if isinstance(rules, str) else dict.fromkeys(rules)
    bound = [registry.lookup("rules", spec) for spec in specs]
    questions = [_Question(rule, str(rule.spec), strength) for rule in bound for strength in rule.row.strengths]
    if not questions:
        raise RequestError("expected at least one rule, got none; see seewhy list rules")
    infill_spec, filler = registry.infill(infill, asked, trust=trust)
    photos = list_labelled(source, only, limit)
    if any(rule.row.region for rule in bound) and not any(photo.boxes for photo in photos):
        raise RequestError(
            f"expected boxes for a rule about regions, got none; give {source}/labels.csv with boxes_norm"
        )
    audit = _Audit(
        questions, asked, filler, seed, RuntimeRequest(runtime, batch_size), 2 * len(questions) * len(photos), log
    )
    together = max(1, _TOGETHER // (2 * len(questions)))
    with showing(progress, "audit") as tick:
        for start in range(0, len(photos), together):
            tick(start, len(photos))
            audit.take(photos[start : start + together], max_megapixels)
        tick(len(photos), len(photos))
    return audit.report(str(source), len(photos), str(infill_spec))


@dataclass(frozen=True, eq=False)
class _Question:
    """One rule at one strength."""

    rule: Bound[Rule]
    spec: str
    strength: float

    def pair(self, shot: "_Shot", infill: Infill) -> tuple[Image, Image]:
        """Make the image that the changed one is compared with, and the changed one."""
        row = self.rule.row
        before = row.before(shot.image, self.strength) if row.before else shot.image
        about = (torch.from_numpy(shot.where), infill) if row.region else ()
        return before, row.run(shot.image, self.strength, shot.seed, *about, **self.rule.settings)


@dataclass(frozen=True, eq=False)
class _Shot:
    """An image as the classifier sees it, and where its object is."""

    photo: Labelled
    image: Image
    where: Bool[np.ndarray, "h w"] | None
    seed: int

    @classmethod
    def of(cls, photo: Labelled, view: View, seed: int, max_megapixels: float) -> "_Shot":
        """Open an image; its seed comes from its content, so that it is changed the same way in every run."""
        picture = photo.open(max_megapixels=max_megapixels)
        image, frame = apply_view(picture, view)
        own = int(derive(seed, torch.tensor(int(picture.sha256[:15], 16))))
        return cls(photo, image, region(photo.boxes, frame), own)

    def unfit(self, rule: Rule) -> str:
        """Say why a rule cannot be tested on this image; empty if it can."""
        if not rule.region:
            return ""
        if self.where is None:
            return "no boxes"
        return "" if self.where.any() and not self.where.all() else "the boxes cover none or all of the view"


_Key = tuple[torch.Size, bytes]


def _add(gallery: dict[_Key, Image], image: Image) -> _Key:
    """Add an image to those that are shown, at 8-bit levels as a file would hold it; identical ones are shown once."""
    rounded = (image * 255).round() / 255
    key = rounded.shape, rounded.numpy().tobytes()
    gallery.setdefault(key, rounded)
    return key


@dataclass(eq=False)
class _Audit:
    """An audit in progress: what was found so far."""

    questions: Sequence[_Question]
    classifier: Classifier
    infill: Infill
    seed: int
    runtime_request: RuntimeRequest
    expected: int
    log: Log
    prepared: PreparedClassifier | None = None
    queries: int = 0
    classes: int = 0
    rows: list[RuleRow] = field(default_factory=list)
    examples: dict[str, list[CounterExample]] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    def take(self, photos: Sequence[Labelled], max_megapixels: float) -> None:
        """Test every rule on some images, all shown together."""
        gallery, pairs = dict[_Key, Image](), list[tuple[_Shot, _Question, _Key, _Key]]()
        for photo in photos:
            try:
                shot = _Shot.of(photo, self.classifier.view, self.seed, max_megapixels)
            except RequestError as problem:
                self.rows.append(RuleRow(photo.path.name, note=f"error: {problem}"))
                continue
            for question in self.questions:
                if unfit := shot.unfit(question.rule.row):
                    self.rows.append(RuleRow(photo.path.name, question.spec, question.strength, note=unfit))
                else:
                    before, after = (_add(gallery, image) for image in question.pair(shot, self.infill))
                    pairs.append((shot, question, before, after))
        answers = dict(zip(gallery, self._ask(list(gallery.values())), strict=True))
        for shot, question, before, after in pairs:
            self._compare(shot, question, (gallery[before], gallery[after]), (answers[before], answers[after]))

    def _prepare(self, image: Image) -> PreparedClassifier:
        """Test the classifier, choose how it is run, and say what a long audit costs."""
        expected = self.expected
        prepared = validate_and_tune(self.classifier, image, self.runtime_request, queries=expected, log=self.log)
        announce("audit", image, queries=expected, pace=prepared.pace, batch=prepared.choice.batch_size)
        self.prepared = prepared
        return prepared

    def _ask(self, images: Sequence[Image]) -> list[Float[Tensor, " k"]]:
        """Show images, those of one size in batches; the first one prepares the classifier."""
        if not images:
            return []
        prepared = self.prepared or self._prepare(images[0])
        answers: list[Float[Tensor, " k"]] = []
        for _, alike in groupby(images, key=lambda image: image.shape):
            for batch in torch.split(torch.stack(list(alike)), prepared.choice.batch_size):
                with torch.no_grad():
                    said = prepared.classifier(batch.to(self.classifier.device))
                answers += as_distributions(said, len(batch)).cpu()
        self.queries += len(images)
        self.classes = len(answers[0])
        return answers

    def _compare(
        self,
        shot: _Shot,
        question: _Question,
        pictures: Sequence[Image],
        said: tuple[Float[Tensor, " k"], Float[Tensor, " k"]],
    ) -> None:
        """Compare the two answers with what the rule says."""
        before, after = (int(answer.argmax()) for answer in said)
        p, p_after = (float(answer[before]) for answer in said)
        names = label(before, self.classifier), label(after, self.classifier)
        rule, file = question.rule.row, shot.photo.path.name
        row = RuleRow(
            file, question.spec, question.strength, predicted=names[0], p=p, predicted_after=names[1], p_after=p_after
        )
        if rule.region and shot.photo.label not in {None, before}:
            self.rows.append(replace(row, note="the boxes belong to another class than the predicted one"))
            return
        stays = rule.claim == "stays"
        holds = (before == after) is stays
        self.rows.append(replace(row, holds=holds))
        if not holds:
            first, last = ((picture * 255).round().to(torch.uint8).permute(1, 2, 0).numpy() for picture in pictures)
            words = (names[0], p), (names[1], float(said[1][after]))
            example = CounterExample(file, question.strength, first, last, *words, p - p_after if stays else p_after)
            keep_worst(self.examples.setdefault(question.spec, []), example)

    def report(self, source: str, images: int, infill: str) -> RulesReport:
        """Summarise what was found."""
        if self.prepared is None:
            raise RequestError(f"expected images, got none that can be tested; {self.rows[0].note}")
        record = RulesRecord(
            source=source,
            images=images,
            infill=infill,
            seed=self.seed,
            failed=tuple(Unreadable(row.file, row.note) for row in self.rows if not row.rule),
            classifier=classifier_info(self.classifier, self.classes),
            view=self.classifier.view.describe(),
            runtime=self.prepared.info(),
            warnings=tuple(self.prepared.validation.warnings),
            rules=tuple(self._result(list(alike)) for _, alike in groupby(self.questions, lambda each: each.spec)),
            queries=self.queries,
            seconds=round(time.monotonic() - self.started, 3),
        )
        return RulesReport(record, self.rows, self.examples)

    def _result(self, questions: Sequence[_Question]) -> RuleResult:
        """Summarise one rule at its strengths."""
        spec, rule = questions[0].spec, questions[0].rule.row
        rows = [row for row in self.rows if row.rule == spec]
        strengths = [question.strength for question in questions]
        results = tuple(summarise(each, [row for row in rows if row.strength == each]) for each in strengths)
        return RuleResult(spec, rule.summary, rule.claim, rule.unit, results)
