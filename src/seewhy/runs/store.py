"""Where answers go: one folder a picture, checked before the work and written whole."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from seewhy.core.errors import RequestError
from seewhy.runs.comparison import Comparison
from seewhy.runs.explanation import MANIFEST, Explanation


def claim(out: Path, images: Sequence[Path], record: str = MANIFEST) -> list[Path]:
    """Choose a folder for each picture under ``out``, and make sure that all can be written, before any work starts.

    Args:
        out: the parent folder; it need not exist.
        images: one folder each, named after the file; equal names are numbered.
        record: the file that marks a folder as an earlier answer of this kind, which may be replaced.

    Raises:
        RequestError: ``out`` cannot be written, or a folder holds something that is not an answer of this kind.
    """
    _try_writing(out)
    folders: list[Path] = []
    for image in images:
        folder, number = out / image.stem, 1
        while folder in folders:
            number += 1
            folder = out / f"{image.stem}-{number}"
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / record).exists()):
            raise RequestError(f"{folder} exists and holds no {record}; choose another --out")
        folders.append(folder)
    return folders


def _try_writing(out: Path) -> None:
    """Write and remove something in the nearest folder that exists, so that a failure leaves nothing behind."""
    nearest = next(parent for parent in (out.absolute(), *out.absolute().parents) if parent.exists())
    try:
        tempfile.TemporaryDirectory(dir=nearest, prefix=".seewhy-").cleanup()
    except OSError as problem:
        raise RequestError(f"cannot write to {out}: {problem.strerror}; choose another --out") from problem


def publish(answer: Explanation | Comparison, folder: Path) -> Path:
    """Write an answer beside its place, then move it there in one step, over an earlier one.

    Raises:
        RequestError: the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".seewhy-") as partial:
        written = answer.save(Path(partial) / folder.name)
        if folder.exists():
            shutil.rmtree(folder)
        written.rename(folder)
    return folder
