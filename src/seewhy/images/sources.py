"""Find the pictures that a user named: files, and folders of them."""

from collections.abc import Sequence
from pathlib import Path

from seewhy.core.errors import RequestError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""What counts as a picture in a folder; a file that is named itself is taken whatever it is called."""


def list_images(paths: Sequence[str | Path]) -> list[Path]:
    """List the pictures that the paths stand for.

    Args:
        paths: files, taken as they are, in the order given; and folders, for the pictures in them by name, not those in
            folders below.

    Raises:
        RequestError: a path does not exist, a folder holds no picture, or there is no path.

    Example:
        ``list_images(["photo.jpg", "holiday/"])`` returns the photo, then the pictures of the folder.
    """
    if not paths:
        raise RequestError("expected at least one picture or folder, got none; name one")
    return [image for path in paths for image in _images(Path(path))]


def pictures_in(folder: Path) -> list[Path]:
    """List the pictures of a folder by name, those that are not hidden; there may be none.

    Example:
        ``pictures_in(Path("holiday"))`` returns ``[Path("holiday/beach.jpg"), …]``.
    """
    inside = [each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")]
    return sorted(each for each in inside if each.is_file())


def _images(path: Path) -> list[Path]:
    """List one file or the pictures of one folder."""
    if not path.exists():
        raise RequestError(f"expected a picture or a folder, got {path}, which does not exist; check the path")
    if not path.is_dir():
        return [path]
    found = pictures_in(path)
    if not found:
        kinds = ", ".join(SUFFIXES)
        raise RequestError(
            f"expected pictures ({kinds}) in the folder {path}, got none; name the folder that holds them"
        )
    return found
