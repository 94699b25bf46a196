"""The answer that a user holds, and the folder that it is kept in."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from safetensors.numpy import save as write_tensors

from seewhy.core.attribution import BoolMap, GeneratedPixels, Map, Region, RegionMap
from seewhy.core.budget import Queries
from seewhy.core.errors import RequestError, did_you_mean
from seewhy.core.view import Frame
from seewhy.explaining.targets import TargetLike, as_list
from seewhy.results import wording
from seewhy.results.codec import JsonObject, json_bytes, to_json
from seewhy.results.command import explain_command
from seewhy.results.folder import read_record, read_tensors, write_files
from seewhy.results.record import ClassProbability, Record, TargetInfo
from seewhy.results.report_data import ReportData, report_data
from seewhy.results.samples import Array, QuerySamples

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from xarray import Dataset

FILE = "explanation.json"
_MAPS, _SAMPLES = "maps.safetensors", "answers.safetensors"
_STDERR, _OUTLINE, _GENERATED, _REGIONS = "stderr/", "outline/", "generated/", "regions"


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
        region_map: ``(h, w)`` number of the region of each pixel, where the method returns `regions`; else None.
    """

    maps: Mapping[str, Map]
    stderr: Mapping[str, Map]
    record: Record
    samples: QuerySamples
    outlines: Mapping[str, BoolMap] = field(default_factory=dict)
    generated: Mapping[str, GeneratedPixels] = field(default_factory=dict)
    region_map: RegionMap | None = None

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
        """The classifier's most probable classes on the full image, best first: ``index``, ``label`` and ``probability``."""
        return self.record.predicted

    @property
    def targets(self) -> tuple[TargetInfo, ...]:
        """What each map explains, in order: ``key``, ``label``, ``kind``, the ``highest`` and ``lowest`` point of the map."""
        return self.record.targets

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions of the image in the order of a search, target by target; empty for methods that do not search.

        Each has the ``evidence`` that it adds in nats, what is ``shown`` and ``hidden`` so far, and whether that ``suffices``;
        ``explanation.region_map == region.number`` is where it lies.
        """
        return self.record.regions

    @property
    def findings(self) -> tuple[str, ...]:
        """How far to trust the maps, and what was found on the way: sentences for a reader, the most important first."""
        return self.record.diagnostics.findings

    def __getitem__(self, target: TargetLike) -> Map:
        """Return the map of a class, a contrast or the information, ``(h, w)`` in the classifier's view.

        Args:
            target: a key (``"class:967"``), the name or index of a class, ``"information"`` or ``("contrast", a, b)``.

        Raises:
            RequestError: there is no such map; the nearest names are offered.

        Example:
            ``explanation["espresso"]``, ``explanation[967]`` and ``explanation["class:967"]`` are the same map.
        """
        return self.maps[self._key(target)]

    def __repr__(self) -> str:
        first, record = self.predicted[0], self.record
        maps = f"{len(self.maps)} map{'' if len(self.maps) == 1 else 's'}" + (f" in {self.unit}" if self.unit else "")
        cost = wording.queries(self.queries)
        return f"Explanation({record.image.name}: {first.label} {first.probability:.3f}; {record.method.name}, {maps}, {cost})"

    def _repr_html_(self) -> str:
        """Show the overview and the findings in a notebook."""
        from seewhy.pages.report import notebook_html  # noqa: PLC0415 - Jinja2 is loaded when a page is made

        return notebook_html(self.overview(), self.findings)

    def _key(self, target: TargetLike) -> str:
        """Find the key of the only map that a target means."""
        (target,) = as_list(target)
        infos = {info.key: info for info in self.targets}
        if isinstance(target, tuple):
            known: dict[str, int | None] = {part.label.lower(): part.index for part in self.predicted}
            known |= {info.label.lower(): info.index for info in self.targets if info.kind == "class"}
            target = "contrast:" + "/".join(str(known.get(str(end).lower(), end)) for end in target[1:])
        text, number = str(target), f"class:{target}"
        named = [key for key, info in infos.items() if text.lower() in {info.label.lower(), key}]
        meant = {*(named if isinstance(target, str) else []), *({number} & infos.keys())}
        if not meant:
            names = [name for key, info in infos.items() for name in (info.label, key)]
            raise RequestError(f"expected a target with a map, got {text!r}; {did_you_mean(text, names)}")
        if len(meant) > 1:
            keys = " or ".join(sorted(meant))
            raise RequestError(f"expected one map, got {text!r}, which may mean {keys}; write one of these")
        return meant.pop()

    def plot(self, targets: Sequence[TargetLike] | None = None, ax: "Axes | None" = None) -> "Figure | Axes":
        """Draw the image and its maps.

        Args:
            targets: as in ``explanation[target]``, in order; None for all.
            ax: matplotlib axes for a single map; None draws the whole overview.

        Returns:
            The matplotlib figure, or ``ax``.

        Raises:
            RequestError: there is no such map, or ``ax`` is given for more than one.
        """
        from seewhy.plots.overview import overview_figure, plot_on_axes  # noqa: PLC0415 - loads matplotlib

        keys = [self._key(target) for target in targets] if targets is not None else None
        if ax is None:
            return overview_figure(self.report_data(), keys)
        chosen = keys if keys is not None else list(self.maps)[:1]
        if len(chosen) != 1:
            raise RequestError(f"expected one target for one pair of axes, got {len(chosen)}; leave ax out for several")
        return plot_on_axes(ax, self.report_data(), chosen[0])

    def overlay(self, target: TargetLike) -> UInt8[np.ndarray, "height width 3"]:
        """Return the map of ``explanation[target]`` in colour over the greyed image, RGB, at the size at which it is shown."""
        from seewhy.plots.overview import overlay  # noqa: PLC0415 - loads matplotlib

        return overlay(self.report_data(), self._key(target))

    def to_xarray(self) -> "Dataset":
        """Return maps and standard errors as an ``xarray.Dataset``, with coordinates in pixels of the user's image.

        The dimensions are ``target``, ``row`` and ``column``; ``stderr`` is NaN where a target has none. Needs the extra
        ``notebook``.

        Raises:
            RequestError: xarray is not installed.
        """
        from seewhy.results.tables import as_dataset  # noqa: PLC0415 - loads xarray

        return as_dataset(self.maps, self.stderr, self.record)

    def reliability(self, key: str) -> float | None:
        """Return the share of a map's variance that is not error; None without standard errors."""
        expected = self.record.diagnostics.expected_correlation[key]
        return None if expected is None else expected**2

    def overview(self) -> bytes:
        """Draw the image and all maps side by side; PNG."""
        from seewhy.plots.overview import overview_png  # noqa: PLC0415 - matplotlib is loaded when something is drawn

        return overview_png(self.report_data())

    def report(self, overview: bytes | None = None) -> str:
        """Write the self-contained page, HTML; ``overview`` saves drawing it a second time."""
        from seewhy.pages.report import report_html  # noqa: PLC0415 - Jinja2 is loaded when a page is made

        return report_html(self.report_data(), overview)

    def report_data(self) -> ReportData:
        """Arrange the explanation for drawing."""
        return report_data(
            self.maps, self.stderr, self.record, self.samples, outlines=self.outlines, generated=self.generated
        )

    def save(self, folder: str | Path) -> Path:
        """Write the explanation's folder, over an earlier one; each file appears whole or not at all, the record last.

        Returns:
            The folder, made if it was missing.

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
            **({} if self.region_map is None else {_REGIONS: self.region_map.astype(np.int32)}),
        }


def _png(image: GeneratedPixels) -> bytes:
    """Write an image in [0, 1] as a PNG file."""
    pixels = np.ascontiguousarray((image.transpose(1, 2, 0) * 255).round().astype(np.uint8))
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def read_explanation(folder: Path) -> Explanation:
    """Read an explanation's folder back."""
    record = read_record(Record, folder / FILE)
    tensors, samples = read_tensors(folder / _MAPS), read_tensors(folder / _SAMPLES)
    try:
        # the file sorts its tensors; the record knows their order
        maps = {target.key: tensors[target.key] for target in record.targets}
        generated = {image.name: tensors[_GENERATED + image.name] for image in record.generated.images}
        shown = QuerySamples.from_tensors(samples)
    except KeyError as problem:
        raise RequestError(f"the explanation in {folder} is damaged: it lacks {problem}; make it again") from problem
    for key, values in tensors.items():
        if values.shape[-2:] != record.view.size:
            raise RequestError(
                f"the explanation in {folder} is damaged: expected {key} of size {record.view.size}, as its record says, "
                f"got {values.shape}; make it again"
            )
    stderr = {key: tensors[_STDERR + key] for key in maps if _STDERR + key in tensors}
    outlines = {key.removeprefix(_OUTLINE): where for key, where in tensors.items() if key.startswith(_OUTLINE)}
    return Explanation(maps, stderr, record, shown, outlines, generated, tensors.get(_REGIONS))
