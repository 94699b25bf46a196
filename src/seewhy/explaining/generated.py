"""The images that a method makes, such as counterfactuals, and the classifier's answers to them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from seewhy.core.attribution import Companion
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.explaining.facts import class_probabilities
from seewhy.results.record import GeneratedImage, GeneratedImages


def checked_images(images: Mapping[str, Companion], size: tuple[int, int]) -> dict[str, Companion]:
    """Check that a method keeps its contract: images of the view's size in [0, 1], with names that can be file names.

    Args:
        images: as the method returned them.
        size: height and width of the classifier's view.

    Returns:
        The same images, float32, in memory of their own.
    """
    for name, image in images.items():
        if not name.isidentifier() or name == "input":
            raise AssertionError(
                f"a method named an image {name!r}; expected letters, digits and underscores, not input"
            )
        if image.shape != (3, *size) or not ((image >= 0) & (image <= 1)).all():
            raise AssertionError(f"a method returned {name} of shape {image.shape}; expected (3, {size}) in [0, 1]")
    return {name: np.array(image, np.float32, order="C") for name, image in images.items()}


def ask_generated(probe: Probe, targets: Sequence[Target], images: Mapping[str, Companion]) -> GeneratedImages:
    """Ask the classifier about the images that a method made, beyond the budget and counted apart.

    Args:
        probe: the question that was answered.
        targets: their classes are watched, besides the predicted class of the image and of each generated image.
        images: name → image in the classifier's view.

    Cost: one query per image.
    """
    if not images:
        return GeneratedImages()
    classifier = probe.classifier
    asked = Probe(classifier, probe.infill, probe.image, batch_size=probe.batch_size)
    answers = asked.show(torch.from_numpy(np.stack(list(images.values()))).to(probe.image.device))
    tops = [int(answer.argmax()) for answer in answers]
    named = [index for target in targets for index in target.classes]
    watched = list(dict.fromkeys([int(probe.prediction.argmax()), *named, *tops]))
    return GeneratedImages(
        input=class_probabilities(watched, classifier, probe.prediction),
        images=tuple(
            GeneratedImage(
                name,
                class_probabilities([top], classifier, answer)[0],
                class_probabilities(watched, classifier, answer),
            )
            for name, top, answer in zip(images, tops, answers, strict=True)
        ),
        queries=asked.queries.forward_images,
    )
