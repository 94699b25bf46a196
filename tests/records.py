"""Results whose every value is known, for tests of tables, figures and pages."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float32

from seewhy.core.budget import Budget, Queries
from seewhy.core.view import View
from seewhy.results.diagnostics import (
    AlternativeInfill,
    Chance,
    Diagnostics,
    FaithfulnessCheck,
    InfillAgreement,
    InfillCheck,
    RegionEffect,
)
from seewhy.results.infill_comparison import (
    AgreementProtocol,
    ComparedInfill,
    ComparedTarget,
    InfillComparisonRecord,
)
from seewhy.results.record import (
    ClassifierInfo,
    ClassProbability,
    Extreme,
    GeneratedImage,
    GeneratedImages,
    ImageInfo,
    InfillInfo,
    MethodInfo,
    Record,
    RuntimeInfo,
    TargetInfo,
    ViewInfo,
)
from seewhy.results.report_data import ImagePanel, MapPanel, Photo, ReportData, SampleTable
from seewhy.runtime.tune import Timing

SIZE = 24
"""Side of the classifier's view, pixels."""

VIEW = View((SIZE, SIZE), short_side=28)

ESPRESSO = ClassProbability(7, "espresso", 0.7)
CUP = ClassProbability(8, "cup", 0.2)

CLASSIFIER = ClassifierInfo("tiny-net", "tiny-net", "abc123", 10, "PROBABILITIES")

RUNTIME = RuntimeInfo(
    name="fast",
    precision="float32",
    batch_size=32,
    queries_per_second=512.0,
    agreement=2e-6,
    why="the fastest that agrees",
    cached=False,
    tried=(
        Timing("fast", "float32", 32, 512.0, 2e-6),
        Timing("compiled", "bfloat16", None, None, 0.02, "differs by more than 0.001"),
    ),
    engine="torch 2.9 on cpu, float32",
    alone_or_in_batch=0.0,
    device="cpu",
    threads=2,
)

TARGETS = (
    TargetInfo("information", "Information", "information", Extreme(0.6, 0.05, 3, 4), Extreme(0.0, 0.05, 20, 1)),
    TargetInfo("class:7", "espresso", "class", Extreme(2.0, 0.05, 6, 2), Extreme(-1.5, 0.05, 9, 12), 7, None, 0.7),
    TargetInfo("class:8", "cup", "class", Extreme(0.5, None, 1, 0), Extreme(0.1, None, 2, 2), 8, None, 0.2),
    TargetInfo(
        "contrast:7/8", "espresso, not cup", "contrast", Extreme(2.2, None, 6, 2), Extreme(-2.1, None, 9, 12), 7, 8
    ),
)

FAITHFULNESS = FaithfulnessCheck(
    key="class:7",
    index=7,
    label="espresso",
    draws=20,
    before=0.7,
    removed=RegionEffect("gray", 0.1, 0.125, 0.4, Chance(0.6, 0.45, 0.69), 20),
    kept=RegionEffect("blur", 0.3, 0.5, 0.3, Chance(0.2, 0.003, 0.375), 20),
    queries=45,
)

INFILL_CHECK = InfillCheck(
    infills=(AlternativeInfill("patch:bank=64", None, {"window": 8}, 400, 1.5),),
    skipped=(),
    queries=400,
    targets=tuple(InfillAgreement(target.key, 0.81, 0.95, "agree", (0.81,)) for target in TARGETS),
)


def record(height: int = 60, width: int = 80) -> Record:
    """Build the record of a complete explanation of a photo; change it with `dataclasses.replace`.

    Args:
        height: of the photo, pixels.
        width: of the photo, pixels.
    """
    return Record(
        image=ImageInfo("photo.jpg", "5a" * 32, width, height, ("turned upright",), "photos/photo.jpg"),
        view=ViewInfo("short side 28, centre crop 24 × 24", (SIZE, SIZE), VIEW.frame(height, width).box),
        classifier=CLASSIFIER,
        runtime=RUNTIME,
        predicted=(ESPRESSO, CUP),
        method=MethodInfo(
            "pmi", "pmi:window=8", {"window": 8, "tied": True}, "A. Author, Some Venue, 2020", signed=True
        ),
        infill=InfillInfo("mean", "mean", None, stochastic=False),
        targets=TARGETS,
        requested=None,
        seed=3,
        budget=Budget(),
        unit="nats",
        queries=Queries(forward_images=1234, forward_calls=20),
        seconds=4.25,
        stopped_because="complete",
        diagnostics=Diagnostics({target.key: None for target in TARGETS}, (), FAITHFULNESS, None, ()),
        sampled=(ESPRESSO, CUP),
        generated=GeneratedImages(),
        traces={},
        warnings=("the photo is dark",),
        versions={"seewhy": "0.1.0", "torch": "2.9"},
    )


def counterfactual_record(height: int = 60, width: int = 80) -> Record:
    """Build the record of an explanation with two generated images; see `record`."""
    flipped = (replace(ESPRESSO, probability=0.05), replace(CUP, probability=0.9))
    kept = (replace(ESPRESSO, probability=0.65), replace(CUP, probability=0.25))
    images = (GeneratedImage("adversarial", flipped[1], flipped), GeneratedImage("stable", kept[0], kept))
    made = GeneratedImages((ESPRESSO, CUP), images, queries=2)
    return replace(record(height, width), generated=made, unit="intensity")


def wave(scale: float, shift: float) -> Float32[np.ndarray, "h w"]:
    """A smooth map between -scale and +scale."""
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    values: Float32[np.ndarray, "h w"] = (scale * np.sin(6 * rows + shift) * np.cos(5 * columns)).astype(np.float32)
    return values


def maps() -> tuple[MapPanel, ...]:
    """Information, two classes of very different strength, and their contrast."""
    strong, weak = wave(2.0, 0.0), wave(0.5, 1.0)
    error = np.full((SIZE, SIZE), 0.05, np.float32)
    return (
        MapPanel("information", "Information", "all classes", np.abs(strong) / 3, error, diverging=False, unit="nats"),
        MapPanel("class:7", "espresso", "p = 0.700", strong, error, diverging=True, unit="nats"),
        MapPanel("class:8", "cup", "p = 0.200", weak, error, diverging=True, unit="nats"),
        MapPanel("contrast:7/8", "espresso, not cup", "", strong - weak, None, diverging=True, unit="nats"),
    )


def samples() -> SampleTable:
    """Nine windows of eight pixels, two samples each, two classes."""
    rng = np.random.default_rng(0)
    positions = np.array([(top, left) for top in (0, 8, 16) for left in (0, 8, 16)])
    patches = rng.integers(0, 256, (9, 2, 8, 8, 3), dtype=np.uint8)
    originals = rng.integers(0, 256, (9, 8, 8, 3), dtype=np.uint8)
    probabilities = rng.uniform(0.1, 0.6, (9, 2, 2))
    return SampleTable(8, positions, patches, originals, probabilities, ("espresso", "cup"), np.array([0.7, 0.2]))


def photo(height: int, width: int) -> Photo:
    """A photo of smooth colours with a bright disc."""
    rows, columns = np.mgrid[:height, :width]
    disc = np.hypot(rows - height / 2, columns - width / 2) < min(height, width) / 4
    channels = (180 * rows / height, 60 + 120 * columns / width, 90 + 0.0 * rows)
    return np.where(disc[:, :, None], 240, np.stack(channels, axis=2)).astype(np.uint8)


def images(source: Record) -> tuple[ImagePanel, ...]:
    """The image as the classifier sees it, then those that a method made, as `source` describes them."""
    first = source.predicted[0]
    panels = [ImagePanel("input", photo(SIZE, SIZE), first, None, source.generated.input)]
    for number, made in enumerate(source.generated.images, 1):
        pixels = np.roll(photo(SIZE, SIZE), 3 * number, axis=1)
        flipped = made.predicted.index != first.index
        panels.append(ImagePanel(made.name, pixels, made.predicted, flipped, made.probabilities))
    return tuple(panels)


def report_data(
    height: int = 60, width: int = 80, *, of: Record | None = None, panels: Sequence[MapPanel] | None = None
) -> ReportData:
    """Build what the overview and the report show.

    Args:
        height: of the photo, pixels.
        width: of the photo, pixels.
        of: the facts; None for those of `record`. Its generated images are shown, if it has any.
        panels: the maps; None for those of `maps`.
    """
    facts = of or record(height, width)
    made = images(facts) if facts.generated.images else ()
    shown = maps() if panels is None else tuple(panels)
    return ReportData(photo(height, width), VIEW.frame(height, width), shown, facts, samples(), made)


def compared_infill(title: str) -> ComparedInfill:
    """Build one in-fill of a comparison."""
    info = InfillInfo(title.partition(":")[0], title, None, stochastic=False)
    return ComparedInfill(info.name, title, info, {"window": 8}, Queries(forward_images=400), 1.5, "complete")


def compared_target(
    key: str, label: str, correlations: tuple[tuple[float | None, ...], ...], conflict: float | None = 0.125
) -> ComparedTarget:
    """Build the agreement of one target; maps have a reliability of 0.9."""
    probability = 0.7 if key.startswith("class") else None
    sure = (0.9,) * len(correlations)
    return ComparedTarget(key, label, probability, 0.55, 0.9, "in part", sure, correlations, conflict)


def comparison_record(titles: Sequence[str] = ("mean", "blur:sigma=10", "patch:bank=64")) -> InfillComparisonRecord:
    """Build the record of a comparison of in-fills: one class, and the information, which has no sign."""
    count, one = len(titles), record()
    table = tuple(tuple(1.0 if row == column else 0.55 for column in range(count)) for row in range(count))
    return InfillComparisonRecord(
        image=one.image,
        view=one.view,
        classifier=one.classifier,
        runtime=one.runtime,
        predicted=one.predicted,
        method=one.method.spec,
        paper=one.method.paper,
        infills=tuple(map(compared_infill, titles)),
        skipped=(),
        targets=(
            compared_target("class:7", "espresso", table),
            compared_target("information", "Information", table, None),
        ),
        requested=None,
        protocol=AgreementProtocol(0.7, 0.4, 2.0, 0.1),
        seed=3,
        budget=Budget(),
        unit="nats",
        queries=400 * count,
        seconds=4.5,
        warnings=(),
        versions={"seewhy": "0.1.0"},
    )
