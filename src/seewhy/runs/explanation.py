"""The answer a user holds, and the folder it is kept in."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors import SafetensorError
from safetensors.numpy import load as read_tensors
from safetensors.numpy import save as write_tensors

from seewhy.core.budget import Queries
from seewhy.core.errors import RequestError
from seewhy.core.maps import BoolMap, Companion, Map
from seewhy.core.view import Frame
from seewhy.draw.overview import overview_png
from seewhy.draw.page import as_pixels, png
from seewhy.draw.report import report_html
from seewhy.draw.scene import Scene
from seewhy.runs.evidence import Evidence
from seewhy.runs.scene import scene

SCHEMA_VERSION = 1
MANIFEST = "explanation.json"
_STDERR, _OUTLINE, _COMPANION = "stderr/", "outline/", "companion/"


@dataclass(frozen=True, eq=False)
class Explanation:
    """What in a picture made a classifier say what it said.

    Args:
        maps: target → ``(h, w)`` float32 in the classifier's view; keys are ``information``, ``class:INDEX`` and
            ``contrast:INDEX/OTHER``.
        stderr: target → its standard error, for the targets that have one.
        manifest: all that is written to ``explanation.json``.
        frame: what part of the picture the classifier saw.
        evidence: the picture and some of the questions behind the maps.
        outlines: ``TARGET/NAME`` → a region that is drawn on the target's map, where the method finds regions.
        companions: name → a picture that belongs to the answer, such as a counterfactual, ``(3, h, w)`` in [0, 1] in the
            classifier's view; the manifest's ``companions`` says what the classifier says of it.
    """

    maps: Mapping[str, Map]
    stderr: Mapping[str, Map]
    manifest: Mapping[str, Any]
    frame: Frame
    evidence: Evidence
    outlines: Mapping[str, BoolMap] = field(default_factory=dict)
    companions: Mapping[str, Companion] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """The unit of the maps and their errors."""
        return str(self.manifest["unit"])

    @property
    def queries(self) -> Queries:
        """What was asked of the classifier."""
        return Queries(**self.manifest["queries"])

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of explaining; start-up and drawing excluded."""
        return float(self.manifest["seconds"])

    @property
    def stopped_because(self) -> str:
        """``complete``, ``queries``, ``seconds`` or ``tolerance``."""
        return str(self.manifest["stopped_because"])

    @property
    def predicted(self) -> list[dict[str, Any]]:
        """The likeliest classes: index, label, probability."""
        return list(self.manifest["predicted"])

    def reliability(self, key: str) -> float | None:
        """The share of a map's variance that is not error; None without standard errors."""
        expected = self.manifest["verdict"]["expected_correlation"][key]
        return None if expected is None else float(expected) ** 2

    def overview(self) -> bytes:
        """Draw the picture and all maps side by side; PNG."""
        return overview_png(self._scene())

    def report(self) -> str:
        """Write the self-contained page; HTML."""
        return report_html(self._scene())

    def _scene(self) -> Scene:
        """Arrange it for drawing."""
        return scene(
            self.maps,
            self.stderr,
            self.manifest,
            self.frame,
            self.evidence,
            outlines=self.outlines,
            companions=self.companions,
        )

    def save(self, folder: str | Path) -> Path:
        """Write the explanation's folder; each file appears whole or not at all, the manifest last.

        Args:
            folder: made if it is missing; the files of an earlier explanation in it are replaced.

        Returns:
            The folder.

        Raises:
            RequestError: the folder cannot be written.
        """
        errors = {_STDERR + key: values for key, values in self.stderr.items()}
        outlines = {_OUTLINE + key: where for key, where in self.outlines.items()}
        companions = {_COMPANION + name: picture for name, picture in self.companions.items()}
        shown = {name: png(Image.fromarray(as_pixels(picture))) for name, picture in self.companions.items()}
        files = {
            "maps.safetensors": write_tensors({**self.maps, **errors, **outlines, **companions}),
            "evidence.safetensors": write_tensors(self.evidence.tensors()),
            "overview.png": self.overview(),
            "report.html": self.report().encode(),
            **{f"companion_{name}.png": picture for name, picture in shown.items()},
            MANIFEST: as_record(self.manifest),
        }
        return write_files(Path(folder), files)


def check_free(folder: Path, record: str) -> None:
    """Refuse a folder that holds something else than earlier results of the same kind.

    Args:
        folder: that results are to be written to.
        record: the file by which such results are known.

    Raises:
        RequestError: it does.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / record).exists()):
        raise RequestError(f"{folder} exists and holds no {record}; choose another --out")


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files one after the other, each whole or not at all.

    Args:
        folder: made if it is missing.
        files: name → content; the record last, so that a folder with a record is complete.

    Returns:
        The folder.

    Raises:
        RequestError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            partial = folder / f".{name}.partial"
            partial.write_bytes(content)
            partial.replace(folder / name)
    except OSError as problem:
        raise RequestError(f"cannot write to {folder}: {problem.strerror}; choose another folder") from problem
    return folder


def as_record(manifest: Mapping[str, Any]) -> bytes:
    """Write a record as JSON that a person can read."""
    return (json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def load(folder: str | Path) -> Explanation:
    """Read an explanation's folder back.

    Args:
        folder: written by `Explanation.save` or the command line.

    Raises:
        RequestError: there is no explanation in it, a file is damaged, or it was written by a later version.
    """
    source = Path(folder)
    try:
        manifest = json.loads((source / MANIFEST).read_text(encoding="utf-8"))
        tensors = read_tensors((source / "maps.safetensors").read_bytes())
        evidence = read_tensors((source / "evidence.safetensors").read_bytes())
    except OSError as problem:
        raise RequestError(
            f"expected an explanation in {source}, got {problem.strerror}: {problem.filename}"
        ) from problem
    except (ValueError, SafetensorError) as problem:
        raise RequestError(f"the explanation in {source} is damaged: {problem}; make it again") from problem
    if manifest.get("schema_version") != SCHEMA_VERSION:
        raise RequestError(
            f"expected schema_version {SCHEMA_VERSION} in {source}, got {manifest.get('schema_version')}; "
            "use the seewhy version that wrote it"
        )
    view, image = manifest["view"], manifest["image"]
    frame = Frame(tuple(view["box"]), tuple(view["size"]), (image["height"], image["width"]))
    maps: dict[str, Map] = {target["key"]: tensors[target["key"]] for target in manifest["targets"]}
    stderr: dict[str, Map] = {key: tensors[_STDERR + key] for key in maps if _STDERR + key in tensors}
    outlines: dict[str, BoolMap] = {
        key.removeprefix(_OUTLINE): where for key, where in tensors.items() if key.startswith(_OUTLINE)
    }
    # the file sorts its tensors; the manifest knows their order
    names = [said["name"] for said in manifest.get("companions", {}).get("pictures", [])]
    companions: dict[str, Companion] = {name: tensors[_COMPANION + name] for name in names}
    return Explanation(maps, stderr, manifest, frame, Evidence.from_tensors(evidence), outlines, companions)
