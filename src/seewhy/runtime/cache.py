"""A folder of the user's where what took long to find is kept: choices of runtimes and converted networks."""

import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_SUMS = "checksums.json"


def cache_folder() -> Path:
    """Return the folder: ``$SEEWHY_CACHE``, or the platform's usual place.

    Example:
        >>> cache_folder().is_absolute()
        True
    """
    if own := os.environ.get("SEEWHY_CACHE"):
        return Path(own).absolute()
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", home / "AppData/Local")) / "seewhy"
    if sys.platform == "darwin":
        return home / "Library/Caches/seewhy"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "seewhy"


@dataclass(frozen=True)
class Cache:
    """Entries, each a folder of files that appears whole or not at all; the oldest go when there is no more room.

    Args:
        folder: of all entries.
        room: bytes that all entries together may take.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as home:
        ...     cache = Cache(Path(home))
        ...     _ = cache.put("key", lambda entry: (entry / "name").write_text("value"))
        ...     (cache.get("key") / "name").read_text()
        'value'
    """

    folder: Path
    room: int = 2**30

    def get(self, key: str) -> Path | None:
        """Return an entry's folder; None where there is none, or where a file is not what was put there."""
        entry = self.folder / key
        try:
            sums = json.loads((entry / _SUMS).read_text(encoding="utf-8"))
            sound = sums == _sums(entry)
            os.utime(entry)  # the entries used last stay longest
        except (OSError, ValueError):
            return None
        return entry if sound else None

    def put(self, key: str, fill: Callable[[Path], object]) -> Path | None:
        """Make or replace an entry.

        Args:
            key: a name for a folder.
            fill: writes files into the folder that it is given.

        Returns:
            the entry's folder; None where it cannot be written.
        """
        entry = self.folder / key
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as work:
                made = Path(work) / key
                made.mkdir()
                fill(made)
                (made / _SUMS).write_text(json.dumps(_sums(made)), encoding="utf-8")
                shutil.rmtree(entry, ignore_errors=True)
                made.replace(entry)
            self._trim(entry)
        except OSError:  # no room, no right to write, or another process was faster
            return self.get(key)
        return entry

    def need(self, key: str, fill: Callable[[Path], object]) -> Path:
        """Return an entry's folder, made now where there is none.

        Raises:
            OSError: the cache cannot be written.
        """
        entry = self.get(key) or self.put(key, fill)
        if entry is None:
            raise OSError(f"expected to write into the cache {self.folder}; set SEEWHY_CACHE to a folder that can be")
        return entry

    def _trim(self, newest: Path) -> None:
        """Delete the entries that were used longest ago until all fit; the newest stays."""
        others = [entry for entry in self.folder.iterdir() if entry != newest and not entry.name.startswith(".new-")]
        left = self.room - _bytes(newest)
        for entry in sorted(others, key=lambda entry: entry.stat().st_mtime, reverse=True):
            left -= _bytes(entry)
            if left < 0:
                shutil.rmtree(entry, ignore_errors=True)


def _sums(entry: Path) -> dict[str, str]:
    """File name → SHA-256, for all files of an entry but the list itself."""
    files = sorted(path for path in entry.iterdir() if path.name != _SUMS)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _bytes(entry: Path) -> int:
    """The bytes that an entry takes."""
    return sum(path.stat().st_size for path in entry.iterdir())


def default_cache() -> Cache:
    """Return the user's own cache of runtimes.

    Example:
        >>> default_cache().folder.name
        'runtimes'
    """
    return Cache(cache_folder() / "runtimes")
