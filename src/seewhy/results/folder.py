"""The folders that results are kept in: claimed before the work, written whole, read back."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from seewhy.core.errors import RequestError
from seewhy.core.metric import plain
from seewhy.results.codec import Json, JsonObject


@runtime_checkable
class Saveable(Protocol):
    """A result that writes itself into a folder."""

    def save(self, folder: str | Path) -> Path:
        """Write the result's files; return the folder."""
        ...


def claim(out: Path, images: Sequence[Path], record: str) -> list[Path]:
    """Choose a folder for each image under ``out`` and make sure, before any work starts, that all can be written.

    Args:
        out: the parent folder; it need not exist.
        images: each gets a folder named after its file; equal names are numbered.
        record: the file that marks a folder as an earlier result of this kind, which may be replaced.

    Raises:
        RequestError: ``out`` cannot be written, or a folder holds something other than a result of this kind.
    """
    _try_writing(out)
    folders: list[Path] = []
    for image in images:
        folder, number = out / image.stem, 1
        while folder in folders:
            number += 1
            folder = out / f"{image.stem}-{number}"
        check_free(folder, record)
        folders.append(folder)
    return folders


def check_free(folder: Path, record: str) -> None:
    """Refuse a folder that holds something other than an earlier result of the same kind.

    Args:
        folder: folder to write the results to.
        record: the file by which such results are known.

    Raises:
        RequestError: it does.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / record).exists()):
        raise RequestError(f"{folder} exists and holds no {record}; choose another --out")


def _try_writing(out: Path) -> None:
    """Write and remove something in the nearest folder that exists, so that a failure leaves nothing behind."""
    nearest = next(parent for parent in (out.absolute(), *out.absolute().parents) if parent.exists())
    try:
        tempfile.TemporaryDirectory(dir=nearest, prefix=".seewhy-").cleanup()
    except OSError as problem:
        raise RequestError(f"cannot write to {out}: {problem.strerror}; choose another --out") from problem


def publish(result: Saveable, folder: Path) -> Path:
    """Write a result beside its place, then move it there in one step, over an earlier one.

    Raises:
        RequestError: the folder cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".seewhy-") as partial:
        written = result.save(Path(partial) / folder.name)
        if folder.exists():
            shutil.rmtree(folder)
        written.rename(folder)
    return folder


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


def read_json(file: Path, what: str, version: int) -> JsonObject:
    """Read a record and check its version.

    Args:
        file: the record.
        what: the folder ought to hold, for messages.
        version: the version that this release reads.

    Raises:
        RequestError: the file is missing, is damaged, or has another version.
    """
    try:
        data: JsonObject = json.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise RequestError(f"expected {what} in {file.parent}, got {problem.strerror}: {file}") from problem
    except ValueError as problem:
        raise RequestError(f"{file} is damaged: {problem}; make it again") from problem
    found = data.get("schema_version") if isinstance(data, dict) else None
    if found != version:
        raise RequestError(
            f"expected schema_version {version} in {file}, got {found}; use the seewhy version that wrote it"
        )
    return data


def table_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Json]]) -> bytes:
    r"""Write rows as UTF-8 with a line of column names; a value that is None or not a number is left empty.

    Example:
        >>> table_csv(["name", "value"], [{"name": "a", "value": 0.5}, {"name": "b", "value": float("nan")}])
        b'name,value\na,0.5\nb,\n'
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: plain(value) if isinstance(value, float) else value for name, value in row.items()})
    return text.getvalue().encode()
