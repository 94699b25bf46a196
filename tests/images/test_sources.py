"""Files and folders are listed as images, or refused with a reason."""

from pathlib import Path

import pytest

from seewhy.core.errors import RequestError
from seewhy.images.sources import list_images


def test_files_and_folders(tmp_path: Path) -> None:
    """Files keep their order and folders are sorted; other files, hidden files and subfolders are skipped."""
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt", "strange"):
        (tmp_path / name).touch()
    below = tmp_path / "below.png"
    below.mkdir()
    (below / "c.png").touch()
    strange = tmp_path / "strange"
    assert list_images([strange, str(tmp_path)]) == [strange, tmp_path / "a.png", tmp_path / "b.JPG"]


def test_nothing_found(tmp_path: Path) -> None:
    """A missing path, a folder without images and an empty list are refused."""
    with pytest.raises(RequestError, match=r"which does not exist; check the path"):
        list_images([tmp_path / "none.png"])
    with pytest.raises(RequestError, match=r"expected images \(.bmp, .*\) in the folder .*, got none"):
        list_images([tmp_path])
    with pytest.raises(RequestError, match=r"at least one image or folder, got none"):
        list_images([])
