"""Counterfactual generators for the benchmark scripts: trained once, saved, and tested in a few columns."""

from collections.abc import Sequence
from pathlib import Path

import click
from common import Row

from seewhy.audit.counterfactual import audit_counterfactual
from seewhy.core.classifier import Classifier
from seewhy.images.collection import Collection
from seewhy.nets.checkpoints import CARD
from seewhy.training.counterfactual.plan import make_plan, read_changes
from seewhy.training.counterfactual.train import train_counterfactual
from seewhy.training.loop import CHECKPOINT

set_option = click.option(
    "--set", "changes", multiple=True, help="Training setting of the generators, as NAME=VALUE; repeatable."
)
arm_option = click.option(
    "--arm",
    "arms",
    multiple=True,
    default=("syce", "cyce"),
    show_default=True,
    type=click.Choice(["syce", "cyce", "sagen"]),
    help="Generator system to train; repeatable.",
)

FIGURES = ("flip", "oracle_flip", "oracle_agrees", "stable", "cycle", "error_stable", "error_cycle", "l1", "sparsity")
"""Figures of each direction in a test; see `seewhy.results.audit_counterfactual.Figures`."""


def trained_generators(
    classifier: Classifier, pictures: Collection, folder: Path, *, arm: str, seed: int, changes: Sequence[str]
) -> Path:
    """Train generators for the first two classes, resume their training, or find them trained; return their folder.

    Args:
        classifier: the classifier that is explained.
        pictures: training images.
        folder: folder of the generators.
        arm: ``syce``, ``cyce`` or ``sagen``.
        seed: seed of the training.
        changes: changes to the default plan, each as NAME=VALUE; a later one overrides an earlier one.
    """
    if (folder / CARD).exists() and not (folder / CHECKPOINT).exists():
        return folder
    plan = make_plan(arm, seed=seed, **read_changes(changes))  # type: ignore[arg-type]
    run = train_counterfactual(classifier, pictures, folder, classes=(0, 1), plan=plan)
    click.echo(f"{folder.name}: {run.stopped}, {run.kept}", err=True)
    return folder


def direction_rows(classifier: Classifier, oracle: Classifier, pictures: Collection, folder: Path) -> list[Row]:
    """Test generators on unseen images and return one row per direction; ``examples.png`` shows some images."""
    report = audit_counterfactual(classifier, folder, pictures, oracle=oracle)
    (folder / "examples.png").write_bytes(report.sheet())
    rows = []
    for way in report.record.directions:
        figures = {name: getattr(way.figures, name) for name in FIGURES}
        row: Row = {"run": folder.name, "from": way.source.label, "to": way.target.label, "n": way.figures.n}
        row |= {name: None if figure is None else figure.value for name, figure in figures.items()}
        row |= {"diversity": way.diversity.ratio, "undone_real": way.undone_real}
        rows.append(row | {"seconds": report.record.seconds_per_explanation})
    return rows
