"""Files and folders become a list of pictures, or a reason why not."""

from pathlib import Path

import pytest

from seewhy.core.errors import RequestError
from seewhy.images.sources import list_images


def test_files_and_folders(tmp_path: Path) -> None:
    """Files come as named, folders by name; other files, hidden ones and folders below are left out."""
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt", "strange"):
        (tmp_path / name).touch()
    below = tmp_path / "below.png"
    below.mkdir()
    (below / "c.png").touch()
    strange = tmp_path / "strange"
    assert list_images([strange, str(tmp_path)]) == [strange, tmp_path / "a.png", tmp_path / "b.JPG"]


def test_nothing_found(tmp_path: Path) -> None:
    """A missing path, a folder without pictures and no path at all are refused."""
    with pytest.raises(RequestError, match=r"which does not exist; check the path"):
        list_images([tmp_path / "none.png"])
    with pytest.raises(RequestError, match=r"expected pictures \(.bmp, .*\) in the folder .*, got none"):
        list_images([tmp_path])
    with pytest.raises(RequestError, match=r"at least one picture or folder, got none"):
        list_images([])
