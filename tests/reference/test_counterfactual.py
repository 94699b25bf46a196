"""Test the generated images: generators with a known edit, and random generators against the formulas."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import seewhy
from games import OpenGame, picture
from seewhy.core.attribution import Attribution
from seewhy.core.budget import Budget
from seewhy.core.errors import RequestError
from seewhy.core.probe import Probe
from seewhy.core.target import ClassEvidence, Contrast, Target
from seewhy.infills.plain import constant
from seewhy.methods.counterfactual.generated import counterfactual
from seewhy.nets.counterfactual_generators import Arm, CounterfactualGenerators, save_generators

FACTS = {"fingerprint": "open game", "classifier": "x"}
ARTEFACT = 0.125
"""The artefact that the generator of `dimming` with two heads adds to both of its images."""


class Bright(nn.Module):
    """A classifier: class 1 if the excess over a brightness of 0.55 is at least 1 pixel in 600, else class 0.

    Classes 2 and 3 are never predicted.
    """

    def __init__(self, classes: int = 2) -> None:
        super().__init__()
        self.register_buffer("rest", torch.linspace(-8, -9, classes - 2) if classes > 2 else torch.zeros(0))
        self.eval()

    def forward(self, images: Tensor) -> Tensor:
        """Return class scores."""
        score = 600 * (images - 0.55).clamp(min=0).mean((1, 2, 3)) - 1
        rest = self.get_buffer("rest").expand(len(images), -1)
        return torch.cat([torch.stack([-score / 2, score / 2], 1), rest], 1)


def dimming(
    arm: Arm = "cyce", *, classes: tuple[int, int] = (0, 1), size: tuple[int, int] = (12, 10)
) -> CounterfactualGenerators:
    """Generators that bring what is brighter than 0.5 down to it, and leave pictures of the first class alone."""
    generators = CounterfactualGenerators(
        arm=arm, classes=classes, channels=1, size=size, widths=(2, 2), last=1, norm="none"
    )
    with torch.no_grad():
        for name, weights in generators.named_parameters():
            weights.fill_(1.0 if name.endswith("factor") else 0.0)
        net: Any = generators.nets[-1]
        net.first.blocks[0].affine.offset.fill_(-0.5)
        net.first.blocks[0].conv.weight[0, 0, 1, 1] = net.first.blocks[1].conv.weight[0, 0, 1, 1] = 1
        for place, layer in enumerate(head := net.heads[-1]):
            centre = layer.weight.shape[2] // 2
            layer.weight[0, 0, centre, centre] = -1 if place == len(head) - 1 else 1
        for head in net.heads if arm == "sagen" else ():
            head[-1].bias.fill_(ARTEFACT)
    return generators


def spot() -> Tensor:
    """Return a dim gradient with two bright pixels."""
    image = torch.linspace(0, 0.375, 120).reshape(12, 10)
    image[3, 4], image[7, 2] = 1.0, 0.75
    return image.expand(3, -1, -1).clone()


def make_probe(image: Tensor, network: nn.Module | None = None, **settings: Any) -> Probe:
    """Return a probe of `Bright`."""
    return Probe(OpenGame(network or Bright()), constant(value=0.25), image, **settings)


def run(
    generators: CounterfactualGenerators,
    folder: Path,
    probe: Probe,
    *targets: Target,
    facts: dict[str, Any] | None = None,
    **settings: Any,
) -> Attribution:
    """The method with generators that were written to a folder; the class 1 and its contrast unless other targets are named."""
    save_generators(folder, generators, {**FACTS, **(facts or {})})
    return counterfactual(probe, targets or (ClassEvidence(1), Contrast(1, 0)), weights=str(folder), **settings)


def test_the_map_is_the_generators_edit(tmp_path: Path) -> None:
    """The generator removes brightness above 0.5, so the prediction becomes class 0; CyCE's stable image is the input."""
    probe = make_probe(spot())
    maps = run(dimming(), tmp_path, probe)
    truth = (spot()[0] - 0.5).clamp(min=0).numpy()
    np.testing.assert_allclose(maps.values["class:1"], truth, atol=1e-6)
    np.testing.assert_allclose(maps.values["contrast:1/0"], truth, atol=1e-6)
    np.testing.assert_allclose(maps.generated["adversarial"], spot().clamp(max=0.5), atol=1e-6)
    assert list(maps.generated) == ["adversarial", "cycle"]
    assert maps.values["class:1"].dtype == np.float32
    assert (maps.unit, probe.queries.forward_images, probe.queries.backward_images) == ("intensity", 2, 0)
    assert maps.findings[0] == (
        "The counterfactual is classified as class 0, with p = 0.73, against 0.10 for the image."
    )
    assert "at most; 2% of the pixels change by more than 0.1" in maps.findings[1]
    assert len(maps.findings) == 2


def test_common_artefacts_cancel(tmp_path: Path) -> None:
    """The generator with two heads brightens both images; only ``definition=input`` shows the artefact."""
    truth = (spot()[0] - 0.5).clamp(min=0)
    maps = run(dimming("sagen"), tmp_path, make_probe(spot()))
    stable = (spot()[0] + ARTEFACT).clamp(max=1)
    adversarial = spot()[0] - truth + ARTEFACT
    np.testing.assert_allclose(maps.values["class:1"], (stable - adversarial).abs(), atol=1e-6)
    assert list(maps.generated) == ["adversarial", "stable"]
    findings = run(dimming("sagen"), tmp_path, make_probe(spot()), definition="input")
    np.testing.assert_allclose(findings.values["contrast:1/0"], truth - ARTEFACT, atol=1e-6)
    np.testing.assert_allclose(findings.values["class:1"], (truth - ARTEFACT).abs(), atol=1e-6)


@pytest.mark.parametrize("classes", [(0, 1), (2, 0, 1)])
@pytest.mark.parametrize("arm", ["syce", "cyce"])
def test_the_maps_match_the_papers_formulas(tmp_path: Path, arm: Arm, classes: tuple[int, ...]) -> None:
    """SyCE: x_a = g(x), x_s = g(g(x)) with the generator of the image's class, or one conditional generator."""
    image = picture(12, 10)
    probe = make_probe(image, Bright(3))
    generators = CounterfactualGenerators(
        arm=arm, classes=classes, channels=3, size=(12, 10), widths=(4, 4), residual=False, seed=3
    )
    maps = run(generators, tmp_path, probe)
    nets: Any = generators.nets
    with torch.no_grad():
        to, back = (nets[1], nets[0]) if len(classes) == 2 else (nets[0], nets[0])
        findings = (0, 0) if len(classes) == 2 else (classes.index(0), classes.index(1))
        adversarial = to(image[None], findings[0])[0].clamp(0, 1)
        undone = to(adversarial, 0) if len(classes) == 2 else back(adversarial, findings[1])
        stable = undone[0].clamp(0, 1)[0] if arm == "syce" else image
        cycle = back(adversarial, findings[1])[0].clamp(0, 1)[0]
    truth = np.zeros((12, 10), np.float32)
    for channel in range(3):
        truth += np.abs(stable[channel].numpy() - adversarial[0, channel].numpy()) / 3
    np.testing.assert_allclose(maps.values["class:1"], truth, atol=1e-6)
    np.testing.assert_allclose(maps.values["contrast:1/0"], (stable - adversarial[0]).mean(0), atol=1e-6)
    np.testing.assert_allclose(maps.generated["cycle"], cycle, atol=1e-6)
    assert probe.queries.forward_images == (3 if arm == "syce" else 2)


def test_it_is_deterministic_and_has_no_side_effects(tmp_path: Path) -> None:
    """Seed and batch size do not matter; the image and torch's random state are unchanged."""
    image, state = spot(), torch.get_rng_state()
    maps = [run(dimming(), tmp_path, make_probe(image, seed=seed, batch_size=1 + seed)) for seed in (0, 6)]
    assert np.array_equal(maps[0].values["class:1"], maps[1].values["class:1"])
    assert torch.equal(image, spot())
    assert torch.equal(torch.get_rng_state(), state)


def test_findings_report_failures(tmp_path: Path) -> None:
    """Findings report a missing flip, a stable image of another class, lost colours and warnings from training."""
    coloured = spot()
    coloured[1, 3, 4] = 0.9
    untrained = CounterfactualGenerators(arm="cyce", classes=(0, 1), channels=1, size=(12, 10), widths=(2, 2))
    facts = {"validation": {"flip": 0.31, "stable": 0.984}, "collapsed": "the generators hardly edit"}
    findings = run(untrained, tmp_path, make_probe(coloured), facts=facts).findings
    assert findings[0].startswith(
        "The counterfactual did not flip the prediction to class 0: the classifier predicts class 1, and p of class 0 is only"
    )
    assert findings[2] == (
        "On images held out from training, 31% of the adversarial images were classified as the other class and 98% of the "
        "stable images kept their class."
    )
    assert findings[3] == "Do not trust this map: the generators hardly edit."
    assert "this colour image are gray" in findings[4]
    broken = dimming("syce")  # applied twice, it dims the stable image as well
    assert (
        "The stable image is classified as class 0, not class 1"
        in run(broken, tmp_path, make_probe(spot())).findings[1]
    )


@pytest.mark.parametrize(
    ("generators", "targets", "message"),
    [
        (dimming(), (ClassEvidence(0),), "expected class:1, the predicted class"),
        (dimming(), (Contrast(0, 1),), "expected class:1"),
        (dimming(), (Contrast(1, 2),), "expected class 0 as the other class.*request contrast:1/0"),
        (dimming(), (Contrast(1, 0), Contrast(1, 2)), "one other class, got class 0 or class 2"),
        (
            dimming(classes=(0, 2)),
            (ClassEvidence(1),),
            "classified as class 0 or class 2, the classes that .* got class 1",
        ),
        (dimming(size=(12, 12)), (ClassEvidence(1),), "image of 12 x 12 pixels.* got 12 x 10"),
    ],
)
def test_what_the_generators_cannot_do_is_refused(
    tmp_path: Path, generators: CounterfactualGenerators, targets: tuple[Target, ...], message: str
) -> None:
    """The error comes before any query beyond the prediction."""
    probe = make_probe(spot(), Bright(4))
    with pytest.raises(RequestError, match=message):
        run(generators, tmp_path, probe, *targets)
    assert probe.queries.forward_images <= 1


def test_foreign_weights_and_small_budgets_are_rejected(tmp_path: Path) -> None:
    """The message contains the command that trains generators."""
    with pytest.raises(RequestError, match="got none; train one with: seewhy train counterfactual"):
        counterfactual(make_probe(spot()), [ClassEvidence(1)])
    with pytest.raises(RequestError, match=r"expected card.json in .*seewhy train counterfactual"):
        counterfactual(make_probe(spot()), [ClassEvidence(1)], weights=str(tmp_path / "none"))
    with pytest.raises(RequestError, match="generators of this classifier, got those of another"):
        run(dimming(), tmp_path, make_probe(spot()), facts={"fingerprint": "z", "classifier": "another"})
    with pytest.raises(RequestError, match="budget of 1"):
        run(dimming(), tmp_path, make_probe(spot(), budget=Budget(queries=1)))


def test_the_contrast_class_is_a_trained_class(tmp_path: Path) -> None:
    """With four classes and generators for the most and the least probable, the default contrast is with the latter."""
    classifier = seewhy.classifier(Bright(4), size=None, labels=["dim", "bright", "third", "fourth"])
    save_generators(tmp_path, dimming(classes=(3, 1)), {"fingerprint": classifier.fingerprint, "classifier": "x"})
    found = seewhy.explain(classifier, spot(), method=f"counterfactual:weights={tmp_path}", check=False)
    assert list(found.maps) == ["class:1", "contrast:1/3"]
    assert next(text for text in found.findings if "flip" in text).startswith(
        "The counterfactual did not flip the prediction to 'fourth': the classifier predicts 'dim'"
    )
    with pytest.raises(RequestError, match=r"expected card.json"):
        seewhy.explain(classifier, spot(), method=f"counterfactual:weights={tmp_path / 'none'}")


def test_labels_are_sufficient(tmp_path: Path) -> None:
    """One-hot outputs give the same map."""
    hard = OpenGame(Bright())
    hard.scores = lambda images: 1e4 * Bright()(images)  # type: ignore[method-assign]
    save_generators(tmp_path, dimming(), FACTS)
    maps = counterfactual(Probe(hard, constant(value=0.0), spot()), [ClassEvidence(1)], weights=str(tmp_path))
    np.testing.assert_allclose(maps.values["class:1"], (spot()[0] - 0.5).clamp(min=0), atol=1e-6)
