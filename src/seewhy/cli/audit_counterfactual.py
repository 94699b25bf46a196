"""``seewhy audit counterfactual``: what do trained generators do to many images?"""

from pathlib import Path
from typing import TypedDict, Unpack

import click

from seewhy import registry
from seewhy.audit.counterfactual import TAU, audit_counterfactual
from seewhy.audit.counterfactual_work import Codes
from seewhy.cli import options
from seewhy.cli.progress import bars, show, warn
from seewhy.cli.tables import counterfactual_table
from seewhy.core.classifier import Classifier
from seewhy.images.collection import Collection, read_collection
from seewhy.nets.counterfactual_generators import load_generators
from seewhy.results.audit_counterfactual import FILE
from seewhy.results.codec import to_json
from seewhy.results.folder import check_free
from seewhy.training.embedding import train_embedding


class _Options(TypedDict):
    """What the audit takes as it is."""

    limit: int | None
    tau: float
    seed: int
    batch_size: int


@click.command("counterfactual")
@options.result_argument
@options.source_argument
@click.option(
    "--classifier", metavar="SPEC", required=True, help="Use the classifier that the generators were trained for."
)
@click.option("--oracle", metavar="SPEC", help="Check with another classifier of the same classes, trained separately.")
@options.limit_option
@click.option(
    "--tau",
    metavar="X",
    type=float,
    default=TAU,
    show_default=True,
    help="Count a pixel as changed if its intensity changes by more than X.",
)
@options.count_option(
    "--embedding-steps", 1000, "Train the embedding for Fréchet distances for N steps; 0 skips them.", least=0
)
@options.seed_option
@options.device_option
@options.count_option("--batch-size", 64, "Process N images per call.")
@options.out_option("seewhy-counterfactuals", "Write to this folder.")
@options.trust_option
@options.output_options
def counterfactual(
    folder: Path,
    source: Path,
    *,
    classifier: str,
    oracle: str | None,
    embedding_steps: int,
    device: str | None,
    trust: bool,
    out: Path,
    as_json: bool,
    quiet: bool,
    **settings: Unpack[_Options],
) -> None:
    """Audit counterfactual generators on many images.

    DIR holds the generators that `seewhy train counterfactual` wrote. SOURCE holds the images. Every image counts, whether its
    prediction flips or not.
    """
    check_free(out, FILE)
    opened = registry.classifier(classifier, trust=trust, device=device)
    second = None if oracle is None else registry.classifier(oracle, trust=trust, device=device)
    load_generators(folder, fingerprint=opened.fingerprint)  # an error is raised before the embedding is trained
    images = read_collection(source, view=opened.view)
    codes = _train_codes(images, opened, embedding_steps, settings["seed"], quiet=quiet) if embedding_steps else None
    with bars(quiet=quiet, unit="images") as watch:
        report = audit_counterfactual(
            opened, folder, images, oracle=second, codes=codes, progress=watch("images"), **settings
        )
    report.save(out)
    warn(report.record.warnings)
    facts, sentences = {**to_json(report.record), "folder": str(out)}, report.record.findings
    table, where = counterfactual_table(report.record), f"examples: {out}/examples.png"
    show(facts, table, *sentences, where, as_json=as_json, quiet=quiet)


def _train_codes(images: Collection, classifier: Classifier, steps: int, seed: int, *, quiet: bool) -> Codes:
    """Train the embedding for Fréchet distances, with a progress bar."""
    with bars(quiet=quiet, unit="steps") as watch:
        move = watch("embedding")
        net = train_embedding(
            images,
            steps=steps,
            seed=seed,
            device=classifier.device,
            progress=lambda done, planned, *_: move(done, planned),
        )
    return net.codes
