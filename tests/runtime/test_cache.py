"""The cache: atomic entries and eviction."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from seewhy.runtime.cache import Cache, cache_folder


def write(text: str, name: str = "file") -> Callable[[Path], object]:
    """Fill an entry with one file."""
    return lambda entry: (entry / name).write_text(text)


def test_an_entry_is_found_again(tmp_path: Path) -> None:
    """A stored entry is found, a missing one is not, and storing again replaces it."""
    cache = Cache(tmp_path)
    assert cache.get("key") is None
    assert cache.put("key", write("one", "old")) == tmp_path / "key"
    cache.put("key", write("two", "new"))
    entry = cache.need("key", write("three"))
    assert (entry / "new").read_text() == "two"
    assert not (entry / "old").exists()


def test_an_entry_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """The error propagates, and no partial entry remains."""

    def fail(entry: Path) -> None:
        (entry / "half").write_text("")
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        Cache(tmp_path).put("key", fail)
    assert list(tmp_path.iterdir()) == []


def test_the_entries_used_last_stay(tmp_path: Path) -> None:
    """With room for about two entries, the least recently used one is evicted."""
    cache = Cache(tmp_path, room=2500)
    for place, key in enumerate(("a", "b")):
        cache.put(key, write("x" * 1000))
        os.utime(tmp_path / key, (place, place))
    cache.get("a")
    cache.put("c", write("x" * 1000))
    assert {entry.name for entry in tmp_path.iterdir()} == {"a", "c"}


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Nothing is stored, and code that requires the entry names the setting that helps."""
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "below")
    assert cache.put("key", write("one")) is None
    with pytest.raises(OSError, match="SEEWHY_CACHE"):
        cache.need("key", write("one"))


def test_the_usual_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform's cache folder, unless the user sets another one."""
    monkeypatch.delenv("SEEWHY_CACHE", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: tmp_path / name)
    assert cache_folder() == tmp_path / "seewhy"
    monkeypatch.setenv("SEEWHY_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
