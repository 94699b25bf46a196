"""The answer a user holds, and the folder it is kept in."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from seewhy.core.attribution import BoolMap, GeneratedPixels, Map
from seewhy.core.budget import Queries
from seewhy.core.errors import RequestError
from seewhy.core.view import Frame
from seewhy.explaining.report_data import report_data
from seewhy.results.codec import JsonObject, from_json, json_bytes, to_json
from seewhy.results.command import explain_command
from seewhy.results.folder import read_json, write_files
from seewhy.results.record import SCHEMA_VERSION, ClassProbability, Record
from seewhy.results.report_data import ReportData
from seewhy.results.samples import Array, QuerySamples

FILE = "explanation.json"
_MAPS, _SAMPLES = "maps.safetensors", "answers.safetensors"
_STDERR, _OUTLINE, _GENERATED = "stderr/", "outline/", "generated/"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What in an image drove a classifier's prediction.

    Args:
        maps: target → ``(h, w)`` float32 in the classifier's view; keys are ``information``, ``class:INDEX``, ``woe:INDEX`` and
            ``contrast:INDEX/OTHER``.
        stderr: target → its standard error, for the targets that have one.
        record: all facts about the run.
        samples: the image and some of the queries behind the maps.
        outlines: ``TARGET/NAME`` → a region that is drawn on the target's map, where the method finds regions.
        generated: name → an image that the method made, such as a counterfactual, ``(3, h, w)`` in [0, 1] in the classifier's
            view; ``record.generated`` has the classifier's answers to it.
    """

    maps: Mapping[str, Map]
    stderr: Mapping[str, Map]
    record: Record
    samples: QuerySamples
    outlines: Mapping[str, BoolMap] = field(default_factory=dict)
    generated: Mapping[str, GeneratedPixels] = field(default_factory=dict)

    @property
    def frame(self) -> Frame:
        """The part of the image that the classifier saw."""
        return self.record.frame

    @property
    def unit(self) -> str:
        """The unit of the maps and their standard errors."""
        return self.record.unit

    @property
    def queries(self) -> Queries:
        """What was asked of the classifier."""
        return self.record.queries

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of explaining; start-up and drawing excluded."""
        return self.record.seconds

    @property
    def stopped_because(self) -> str:
        """``complete``, ``queries``, ``seconds`` or ``tolerance``."""
        return self.record.stopped_because

    @property
    def predicted(self) -> tuple[ClassProbability, ...]:
        """The most probable classes, best first: index, label, probability."""
        return self.record.predicted

    @property
    def findings(self) -> tuple[str, ...]:
        """How far to trust the maps, in sentences."""
        return self.record.diagnostics.findings

    def reliability(self, key: str) -> float | None:
        """Return the share of a map's variance that is not error; None without standard errors."""
        expected = self.record.diagnostics.expected_correlation[key]
        return None if expected is None else expected**2

    def overview(self) -> bytes:
        """Draw the image and all maps side by side; PNG."""
        from seewhy.plots.overview import overview_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        return overview_png(self.report_data())

    def report(self, overview: bytes | None = None) -> str:
        """Write the self-contained page; HTML.

        Args:
            overview: from `overview`; None: it is drawn.
        """
        from seewhy.pages.report import report_html  # noqa: PLC0415 - Jinja2 is loaded when a page is made

        return report_html(self.report_data(), overview)

    def report_data(self) -> ReportData:
        """Arrange the explanation for drawing."""
        return report_data(
            self.maps, self.stderr, self.record, self.samples, outlines=self.outlines, generated=self.generated
        )

    def save(self, folder: str | Path) -> Path:
        """Write the explanation's folder; each file appears whole or not at all, the record last.

        Args:
            folder: made if it is missing; the files of an earlier explanation in it are replaced.

        Returns:
            The folder.

        Raises:
            RequestError: the folder cannot be written.
        """
        overview = self.overview()  # drawn once: the report has it too
        files = {
            _MAPS: write_tensors(self._tensors()),
            _SAMPLES: write_tensors(self.samples.tensors()),
            "overview.png": overview,
            "report.html": self.report(overview).encode(),
            **{f"generated_{name}.png": _png(image) for name, image in self.generated.items()},
            FILE: json_bytes(self.to_json()),
        }
        return write_files(Path(folder), files)

    def to_json(self) -> JsonObject:
        """Return the record as plain data, with the command that repeats the run."""
        return {**to_json(self.record), "command": explain_command(self.record)}

    def _tensors(self) -> dict[str, Array]:
        """Name every array of the maps' file."""
        return {
            **self.maps,
            **{_STDERR + key: values for key, values in self.stderr.items()},
            **{_OUTLINE + key: where for key, where in self.outlines.items()},
            **{_GENERATED + name: image for name, image in self.generated.items()},
        }


def _png(image: GeneratedPixels) -> bytes:
    """Write an image in [0, 1] as a PNG file."""
    pixels = np.ascontiguousarray((image.transpose(1, 2, 0) * 255).round().astype(np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def load(folder: str | Path) -> Explanation:
    """Read an explanation's folder back.

    Args:
        folder: written by `Explanation.save` or the command line.

    Raises:
        RequestError: there is no explanation in it, a file is damaged, or it was written by another version.
    """
    source = Path(folder)
    data = read_json(source / FILE, "an explanation", SCHEMA_VERSION)
    record = from_json(Record, data, f"the record of {source}")
    tensors, samples = (_read(source / name) for name in (_MAPS, _SAMPLES))
    try:
        # the file sorts its tensors; the record knows their order
        maps = {target.key: tensors[target.key] for target in record.targets}
        generated = {each.name: tensors[_GENERATED + each.name] for each in record.generated.images}
        shown = QuerySamples.from_tensors(samples)
    except KeyError as problem:
        raise RequestError(f"the explanation in {source} is damaged: it lacks {problem}; make it again") from problem
    stderr = {key: tensors[_STDERR + key] for key in maps if _STDERR + key in tensors}
    outlines = {key.removeprefix(_OUTLINE): where for key, where in tensors.items() if key.startswith(_OUTLINE)}
    return Explanation(maps, stderr, record, shown, outlines, generated)


def _read(file: Path) -> dict[str, Array]:
    """Read a file of tensors."""
    try:
        return read_tensors(file.read_bytes())
    except OSError as problem:
        raise RequestError(f"expected an explanation in {file.parent}, got {problem.strerror}: {file}") from problem
    except SafetensorError as problem:
        raise RequestError(f"{file} is damaged: {problem}; make it again") from problem
