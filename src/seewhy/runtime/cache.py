"""A per-user cache folder for what is expensive to compute: converted networks, and the runtime chosen for a classifier."""

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


def cache_folder() -> Path:
    """Return ``$SEEWHY_CACHE``, or the platform's usual cache folder."""
    import platformdirs  # noqa: PLC0415 - few calls need it

    own = os.environ.get("SEEWHY_CACHE")
    return Path(own).absolute() if own else platformdirs.user_cache_path("seewhy", appauthor=False)


@dataclass(frozen=True)
class Cache:
    """A folder of entries, each a folder of files that appears whole or not at all.

    Args:
        folder: parent folder of all entries.
        room: maximum total size in bytes; the least recently used entries are deleted first.
    """

    folder: Path
    room: int = 2**30

    def get(self, key: str) -> Path | None:
        """Return the folder of an entry, or None if it does not exist."""
        entry = self.folder / key
        try:
            os.utime(entry)  # marks the entry as recently used
        except OSError:
            return None
        return entry

    def put(self, key: str, fill: Callable[[Path], object]) -> Path | None:
        """Create or replace an entry; ``fill`` writes its files. Return None if the cache cannot be written."""
        entry = self.folder / key
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder, prefix=".new-") as work:
                made = Path(work) / key
                made.mkdir()
                fill(made)
                shutil.rmtree(entry, ignore_errors=True)
                made.replace(entry)
            self._trim(entry)
        except OSError:  # disk full, no write permission, or another process was faster
            return self.get(key)
        return entry

    def need(self, key: str, fill: Callable[[Path], object]) -> Path:
        """Return the folder of an entry, and create the entry if it does not exist.

        Raises:
            OSError: the cache cannot be written.
        """
        entry = self.get(key) or self.put(key, fill)
        if entry is None:
            raise OSError(f"expected a writable cache, got {self.folder}; set SEEWHY_CACHE to a writable folder")
        return entry

    def _trim(self, newest: Path) -> None:
        """Delete the least recently used entries until all fit; never the newest."""
        others = [entry for entry in self.folder.iterdir() if entry != newest and not entry.name.startswith(".new-")]
        left = self.room - _bytes(newest)
        for entry in sorted(others, key=lambda entry: entry.stat().st_mtime, reverse=True):
            left -= _bytes(entry)
            if left < 0:
                shutil.rmtree(entry, ignore_errors=True)


def _bytes(entry: Path) -> int:
    """Return the size of an entry in bytes."""
    return sum(path.stat().st_size for path in entry.iterdir())


def default_cache() -> Cache:
    """Return the user's cache of converted networks and runtime choices."""
    return Cache(cache_folder() / "runtimes")
