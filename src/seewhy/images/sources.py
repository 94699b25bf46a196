"""List the image files that a user named directly or by folder."""

from collections.abc import Sequence
from pathlib import Path

from seewhy.core.errors import RequestError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""File name suffixes of images in a folder; a file that is named directly may have any suffix."""


def list_images(paths: Sequence[str | Path]) -> list[Path]:
    """List the image files of the given paths.

    Args:
        paths: files and folders, in order. A file is listed directly; a folder is replaced by its images, sorted by name,
            without those of its subfolders.

    Raises:
        RequestError: a path does not exist, a folder contains no image, or there is no path.

    Example:
        ``list_images(["photo.jpg", "holiday/"])`` returns the photo, then the images of the folder.
    """
    if not paths:
        raise RequestError("expected at least one image or folder, got none; name one")
    return [image for path in paths for image in _images(Path(path))]


def pictures_in(folder: Path) -> list[Path]:
    """List the images of a folder, sorted by name, without hidden files; the list may be empty.

    Example:
        ``pictures_in(Path("holiday"))`` returns ``[Path("holiday/beach.jpg"), …]``.
    """
    inside = [each for each in folder.iterdir() if each.suffix.lower() in SUFFIXES and not each.name.startswith(".")]
    return sorted(each for each in inside if each.is_file())


def _images(path: Path) -> list[Path]:
    """List one file, or the images of one folder."""
    if not path.exists():
        raise RequestError(f"expected an image or a folder, got {path}, which does not exist; check the path")
    if not path.is_dir():
        return [path]
    found = pictures_in(path)
    if not found:
        kinds = ", ".join(SUFFIXES)
        raise RequestError(
            f"expected images ({kinds}) in the folder {path}, got none; name the folder that contains them"
        )
    return found
