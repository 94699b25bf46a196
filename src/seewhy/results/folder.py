"""The folders that results are kept in: claimed before the work, written whole, read back."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from safetensors import SafetensorError
from safetensors.numpy import load as tensors_of

from seewhy.core.errors import RequestError
from seewhy.core.metric import plain
from seewhy.nets.checkpoints import write_whole
from seewhy.results.codec import SCHEMA_VERSION, Json, from_json
from seewhy.results.samples import Array

T = TypeVar("T")


def claim(out: Path, images: Sequence[Path], record: str) -> list[Path]:
    """Choose a folder for each image under ``out`` and make sure, before any work starts, that all can be written.

    Folders are named after the images' files, and equal names are numbered. An earlier result, known by its file ``record``, may be
    replaced.

    Raises:
        RequestError: ``out`` cannot be written, or a folder holds something other than a result of this kind.
    """
    check_writable(out)
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
    """Refuse a folder that holds something other than an earlier result, which is known by its file ``record``."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / record).exists()):
        raise RequestError(f"{folder} exists and holds no {record}; choose another --out")


def check_writable(out: Path) -> None:
    """Write and remove something in the nearest folder that exists, so that a failure leaves nothing behind."""
    nearest = next(parent for parent in (out.absolute(), *out.absolute().parents) if parent.exists())
    try:
        tempfile.TemporaryDirectory(dir=nearest, prefix=".seewhy-").cleanup()
    except OSError as problem:
        raise RequestError(f"cannot write to {out}: {problem.strerror}; choose another --out") from problem


def publish(save: Callable[[Path], Path], folder: Path) -> Path:
    """Have a result saved beside its place, then move it there in one step, over an earlier one."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".seewhy-") as partial:
        written = save(Path(partial) / folder.name)
        if folder.exists():
            shutil.rmtree(folder)
        written.rename(folder)
    return folder


def write_files(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files one after the other, each whole or not at all; the record last, so that a folder with a record is complete.

    Returns:
        The folder, which is made if it is missing.

    Raises:
        RequestError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_whole(folder / name, content)
    except OSError as problem:
        raise RequestError(f"cannot write to {folder}: {problem.strerror}; choose another folder") from problem
    return folder


def read_record(kind: type[T], file: Path) -> T:
    """Read a record back; a file that is missing, is damaged or has another version raises an error that says so."""
    try:
        data = json.loads(read_bytes(file))
    except ValueError as problem:
        raise RequestError(f"{file} is damaged: {problem}; make it again") from problem
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise RequestError(
            f"expected schema_version {SCHEMA_VERSION} in {file}, got {version}; use the seewhy version that wrote it"
        )
    return from_json(kind, data, str(file))


def read_tensors(file: Path) -> dict[str, Array]:
    """Read a file of tensors back."""
    try:
        return tensors_of(read_bytes(file))
    except SafetensorError as problem:
        raise RequestError(f"{file} is damaged: {problem}; make it again") from problem


def read_bytes(file: Path) -> bytes:
    """Read a file of a result, which must be there."""
    try:
        return file.read_bytes()
    except OSError as problem:
        raise RequestError(f"cannot read {file}: {problem.strerror}; make the result again") from problem


def table_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Json]]) -> bytes:
    """Write rows as UTF-8 with a line of column names; a value that is None or not a number is left empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: plain(value) if isinstance(value, float) else value for name, value in row.items()})
    return text.getvalue().encode()


def read_csv(file: Path) -> list[dict[str, Json]]:
    """Read a table of `table_csv` back as text; a truth value as it was."""
    words: dict[str, Json] = {"True": True, "False": False}
    lines = csv.DictReader(io.StringIO(read_bytes(file).decode()))
    return [{name: words.get(text, text) for name, text in line.items()} for line in lines]
