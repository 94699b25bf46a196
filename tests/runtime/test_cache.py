"""The cache: atomic entries, integrity checks, and eviction."""

import os
import sys
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
    found = cache.get("key")
    assert found is not None
    assert (found / "new").read_text() == "two"
    assert not (found / "old").exists()


@pytest.mark.parametrize("damage", ["changed", "missing", "no sums", "garbled sums", "one too many"])
def test_a_damaged_entry_is_none_and_is_made_anew(tmp_path: Path, damage: str) -> None:
    """A modified file and an unreadable checksum list are detected."""
    cache = Cache(tmp_path)
    cache.put("key", write("one"))
    entry = tmp_path / "key"
    if damage == "changed":
        (entry / "file").write_text("two")
    elif damage == "missing":
        (entry / "file").unlink()
    elif damage == "no sums":
        (entry / "checksums.json").unlink()
    elif damage == "garbled sums":
        (entry / "checksums.json").write_text("{")
    else:
        (entry / "more").write_text("")
    assert cache.get("key") is None
    assert (cache.need("key", write("one")) / "file").read_text() == "one"


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


@pytest.mark.parametrize(
    ("system", "variable", "expected"),
    [
        ("linux", "SEEWHY_CACHE", ""),
        ("linux", "XDG_CACHE_HOME", "seewhy"),
        ("win32", "LOCALAPPDATA", "seewhy"),
        ("darwin", "HOME", "Library/Caches/seewhy"),
        ("linux", "HOME", ".cache/seewhy"),
    ],
)
def test_the_usual_place(
    system: str, variable: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each platform has a default location, and the user's setting takes precedence."""
    for name in ("SEEWHY_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setattr(sys, "platform", system)
    assert cache_folder() == tmp_path / expected
