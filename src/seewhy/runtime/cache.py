"""A per-user cache folder for results that are expensive to compute: runtime choices and converted networks."""

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
    """Return the cache folder: ``$SEEWHY_CACHE``, or the platform's default location.

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
    """A folder of entries.

    Each entry is a folder of files that is written atomically; the least recently used are evicted.

    Args:
        folder: parent folder of all entries.
        room: maximum total size of all entries in bytes.

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
        """Return the folder of an entry, or None if it does not exist or a file was modified."""
        entry = self.folder / key
        try:
            sums = json.loads((entry / _SUMS).read_text(encoding="utf-8"))
            sound = sums == _sums(entry)
            os.utime(entry)  # marks the entry as recently used
        except (OSError, ValueError):
            return None
        return entry if sound else None

    def put(self, key: str, fill: Callable[[Path], object]) -> Path | None:
        """Create or replace an entry.

        Args:
            key: name of the entry's folder.
            fill: writes the files into the folder it receives.

        Returns:
            The entry's folder, or None if it cannot be written.
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
        except OSError:  # disk full, no write permission, or another process was faster
            return self.get(key)
        return entry

    def need(self, key: str, fill: Callable[[Path], object]) -> Path:
        """Return the folder of an entry, creating the entry if it does not exist.

        Raises:
            OSError: the cache cannot be written.
        """
        entry = self.get(key) or self.put(key, fill)
        if entry is None:
            raise OSError(f"expected a writable cache, got {self.folder}; set SEEWHY_CACHE to a writable folder")
        return entry

    def _trim(self, newest: Path) -> None:
        """Delete the least recently used entries until all fit; never delete the newest."""
        others = [entry for entry in self.folder.iterdir() if entry != newest and not entry.name.startswith(".new-")]
        left = self.room - _bytes(newest)
        for entry in sorted(others, key=lambda entry: entry.stat().st_mtime, reverse=True):
            left -= _bytes(entry)
            if left < 0:
                shutil.rmtree(entry, ignore_errors=True)


def _sums(entry: Path) -> dict[str, str]:
    """Return file name → SHA-256 for all files of an entry except the checksum list itself."""
    files = sorted(path for path in entry.iterdir() if path.name != _SUMS)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def _bytes(entry: Path) -> int:
    """Return the size of an entry in bytes."""
    return sum(path.stat().st_size for path in entry.iterdir())


def default_cache() -> Cache:
    """Return the user's runtime cache.

    Example:
        >>> default_cache().folder.name
        'runtimes'
    """
    return Cache(cache_folder() / "runtimes")
