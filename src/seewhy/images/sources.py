"""List the image files that a user named directly or by folder."""

from collections.abc import Sequence
from pathlib import Path

from seewhy.core.errors import RequestError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
"""File name suffixes of images in a folder; a file that is named directly may have any suffix."""


def list_images(paths: Sequence[str | Path]) -> list[Path]:
    """List the given files in order; a folder is replaced by its images, sorted by name, without those of its subfolders.

    Raises:
        RequestError: a path does not exist, a folder contains no image, or there is no path.
    """
    if not paths:
        raise RequestError("expected at least one image or folder, got none; name one")
    return [image for path in paths for image in _images(Path(path))]


def images_in(folder: Path) -> list[Path]:
    """List the images of a folder, sorted by name, without hidden files; the list may be empty."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def _images(path: Path) -> list[Path]:
    """List one file, or the images of one folder."""
    if not path.exists():
        raise RequestError(f"expected an image or a folder, got {path}, which does not exist; check the path")
    images = images_in(path) if path.is_dir() else [path]
    if not images:
        raise RequestError(
            f"expected images ({', '.join(SUFFIXES)}) in the folder {path}, got none; "
            "name the folder that contains them"
        )
    return images
