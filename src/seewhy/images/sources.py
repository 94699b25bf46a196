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


def _images(path: Path) -> list[Path]:
    """List one file or the pictures of one folder."""
    if not path.exists():
        raise RequestError(f"expected a picture or a folder, got {path}, which does not exist; check the path")
    if not path.is_dir():
        return [path]
    inside = [entry for entry in path.iterdir() if entry.suffix.lower() in SUFFIXES and not entry.name.startswith(".")]
    found = sorted(entry for entry in inside if entry.is_file())
    if not found:
        kinds = ", ".join(SUFFIXES)
        raise RequestError(
            f"expected pictures ({kinds}) in the folder {path}, got none; name the folder that holds them"
        )
    return found
