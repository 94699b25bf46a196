"""Images that let a reader check a map: sampled queries with their in-fills, and the images that the method made."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import UInt8

from seewhy.core.attribution import GeneratedPixels, SampledQueries
from seewhy.core.features import Windows
from seewhy.core.probe import Probe
from seewhy.core.target import Target
from seewhy.explaining.facts import class_probabilities
from seewhy.results.record import GeneratedImage, GeneratedImages
from seewhy.results.samples import QuerySamples, display_copy


def collect_samples(photo: UInt8[np.ndarray, "H W 3"], probe: Probe, sampled: SampledQueries | None) -> QuerySamples:
    """Gather the image and the sampled windows; no query, as the in-fills are made again from their seeds."""
    patches = None if sampled is None else _patches(probe, sampled)
    return QuerySamples(display_copy(photo), probe.image.cpu().numpy(), sampled, patches)


def _patches(probe: Probe, sampled: SampledQueries) -> UInt8[np.ndarray, "m s a a 3"]:
    """Make the in-fills of the sampled windows again, a few windows at a time."""
    size, samples = sampled.size, sampled.seeds.shape[1]
    positions = torch.from_numpy(sampled.positions).to(probe.image.device)
    seeds = torch.from_numpy(sampled.seeds).to(positions.device)
    reach = torch.arange(size, device=positions.device)
    drawn = []
    for part in torch.split(torch.arange(len(positions)), max(1, probe.rows // samples)):
        where = positions[part].repeat_interleave(samples, dim=0)
        filled = probe.infill(probe.image, Windows(size, size).keep(where, *probe.size), seeds[part].flatten())
        rows = torch.arange(len(where), device=where.device)[:, None, None]
        down, across = where[:, :1, None] + reach[:, None], where[:, 1:, None] + reach
        drawn.append((filled[rows, :, down, across] * 255).round().to(torch.uint8).cpu())
    return torch.cat(drawn).view(len(positions), samples, size, size, 3).numpy()


def checked_images(images: Mapping[str, GeneratedPixels], size: tuple[int, int]) -> dict[str, GeneratedPixels]:
    """Copy the images that a method made, after a check: ``(3, *size)`` in [0, 1], with names that can be file names.

    Raises:
        AssertionError: the method breaks this contract.
    """
    for name, image in images.items():
        if not name.isidentifier() or name == "input":
            raise AssertionError(
                f"a method named an image {name!r}; expected letters, digits and underscores, not input"
            )
        if image.shape != (3, *size) or not ((image >= 0) & (image <= 1)).all():
            raise AssertionError(f"a method returned {name} of shape {image.shape}; expected (3, {size}) in [0, 1]")
    return {name: np.array(image, np.float32, order="C") for name, image in images.items()}


def ask_generated(probe: Probe, targets: Sequence[Target], images: Mapping[str, GeneratedPixels]) -> GeneratedImages:
    """Ask the classifier about the images that a method made: one query each, beyond the budget and counted apart.

    Watched are the classes of the targets, and the predicted class of the image and of each generated image.
    """
    if not images:
        return GeneratedImages()
    classifier = probe.classifier
    second = Probe(classifier, probe.infill, probe.image, batch_size=probe.batch_size)
    answers = second.show(torch.from_numpy(np.stack(list(images.values()))).to(probe.image.device))
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
        queries=second.queries.forward_images,
    )
