"""Counterfactual maps from generators that change the classifier's prediction (Charachon et al., FGCS 132, 2022)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from seewhy.core.attribution import Attribution, as_map
from seewhy.core.probe import Probe
from seewhy.core.target import Contrast, Target
from seewhy.methods._shared import quoted_class, reserve
from seewhy.methods.counterfactual._translation import flip_finding, translate
from seewhy.nets.checkpoints import CARD

_VISIBLE = 0.1
"""A pixel counts as changed if it changes by more than this fraction of full brightness."""


def counterfactual(
    probe: Probe,
    targets: Sequence[Target],
    *,
    weights: str | None = None,
    definition: Literal["stable", "input"] = "stable",
) -> Attribution:
    """Show the difference between an image that keeps the prediction and a generated one that changes it.

    Generators trained for the classifier turn the image x into an adversarial image ``x_a``, which should be
    classified as the other class t and look like a real image of that class, and into a stable image ``x_s``, which
    should keep the prediction of x. The map of a class is ``|x_s - x_a|``, that of a contrast ``x_s - x_a``, each the
    mean over the colour channels (Charachon, Cournède, Hudelot, Ardon, *Leveraging Conditional Generative Models in a
    General Explanation Framework of Classifier Decisions*, Future Generation Computer Systems 132, 2022). Details
    that the generators cannot reproduce are missing from both images and cancel. With CyCE the stable image is the
    input image itself. Nothing is random: repeated runs give the same map.

    Args:
        probe: the classifier, in-fill, image, seed and budget, bound together; the in-fill is not used.
        targets: the predicted class c, or ``contrast:c/t``. Without a contrast, t is the most probable of the other
            trained classes.
        weights: folder written by ``seewhy train counterfactual`` for this classifier.
        definition: ``stable``; or ``input``, which compares ``x_a`` with the input image instead of with ``x_s``.

    Returns:
        Maps of intensity, where full brightness is 1: 0 to 1 for a class, -1 to 1 for a contrast, where positive
        means brighter in the stable image. The generated images are generated. Findings report whether the
        prediction changed, and the flip rates measured after training.

    Raises:
        RequestError: no weights are given, they belong to another classifier, to other classes or to another image
            size, a target is not the predicted class, or the budget is too small.

    Cost: 3 queries (2 with CyCE), none of them backward, and up to three passes of a generator.
    """
    made = translate(probe, targets, weights)
    own = [made.adversarial] if made.plain else [made.adversarial, made.stable]
    reserve(probe, 1 + len(own), hint="another method")
    change = (probe.image if definition == "input" else made.stable) - made.adversarial
    extent, signed = change.abs().mean(0), change.mean(0)
    maps = {target.key: as_map(signed if isinstance(target, Contrast) else extent) for target in targets}
    answers = probe.show(torch.stack(own))
    findings = [flip_finding(probe, made.other, answers[0]), *_unstable(probe, answers[1:]), _extent(extent)]
    return Attribution(
        maps,
        {},
        "intensity",
        {"weights": weights, "definition": definition},
        "complete",
        findings=(*findings, *made.notes),
        generated=made.generated,
    )


def trained_classes(settings: Mapping[str, object]) -> tuple[int, ...] | None:
    """Return the classes that the generators in ``weights`` were trained for, or None if the card does not list them.

    The method itself rejects a folder without them.
    """
    card = Path(str(settings.get("weights"))) / CARD
    if not card.is_file():
        return None
    return tuple(json.loads(card.read_text(encoding="utf-8")).get("networks", {}).get("classes", ())) or None


def _unstable(probe: Probe, answers: Float[Tensor, "n k"]) -> list[str]:
    """Warn if the stable image is classified differently from the input image."""
    source = int(probe.prediction.argmax())
    text = "The stable image is classified as {}, not {}: the map also shows artefacts of the generators."
    others = [predicted for predicted in answers.argmax(1).tolist() if predicted != source]
    return [text.format(quoted_class(probe, other), quoted_class(probe, source)) for other in others]


def _extent(change: Float[Tensor, "h w"]) -> str:
    """State how much changes."""
    share = float((change > _VISIBLE).float().mean())
    return (
        f"The change is {float(change.mean()):.3f} of full brightness on average and {float(change.max()):.2f} at most; "
        f"{share:.0%} of the pixels change by more than {_VISIBLE}."
    )
