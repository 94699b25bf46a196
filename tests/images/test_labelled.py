"""Annotated images: reading, invalid files, and the position of boxes in the view."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seewhy.core.errors import RequestError
from seewhy.core.view import Frame, View
from seewhy.images.labelled import Labelled, list_labelled, read_boxes, region

HEAD = "file,class_idx,orig_w,orig_h,boxes_norm\n"


def write(folder: Path, lines: str, *names: str) -> Path:
    """Write a folder with ``images/`` and ``labels.csv``."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels.csv").write_text(lines, encoding="utf-8")
    for name in names:
        Image.new("RGB", (10, 10)).save(folder / "images" / name)
    return folder


def test_all_annotations_are_read(tmp_path: Path) -> None:
    """Class, size and boxes are read; empty fields are unknown."""
    write(tmp_path, f"{HEAD}a.png,3,20,10,0 0 0.5 1;0.5 0.5 1 1\nb.png,,,,\n", "a.png", "b.png")
    one, two = list_labelled(tmp_path)
    boxes = ((0.0, 0.0, 0.5, 1.0), (0.5, 0.5, 1.0, 1.0))
    assert one == Labelled(tmp_path / "images" / "a.png", 3, boxes, (10, 20))
    assert two == Labelled(tmp_path / "images" / "b.png")
    assert one.open().pixels.shape == (10, 20, 3)
    assert two.open().pixels.shape == (10, 10, 3)


def test_a_folder_without_labels(tmp_path: Path) -> None:
    """The images are listed without annotations."""
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert list_labelled(tmp_path) == [Labelled(tmp_path / "a.png")]


def test_a_list_selects_images_in_its_order(tmp_path: Path) -> None:
    """Blank lines and repetitions are ignored; an unknown name is an error."""
    write(tmp_path, "file\na.png\nb.png\nc.png\n")
    chosen = tmp_path / "list.txt"
    chosen.write_text("c.png\n\na.png\nc.png\n", encoding="utf-8")
    assert [each.path.name for each in list_labelled(tmp_path, chosen)] == ["c.png", "a.png"]
    chosen.write_text("d.png\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"names d\.png, which is not in the folder"):
        list_labelled(tmp_path, chosen)
    chosen.write_text("\n", encoding="utf-8")
    with pytest.raises(RequestError, match="expected file names"):
        list_labelled(tmp_path, chosen)
    with pytest.raises(RequestError, match="one file name per line"):
        list_labelled(tmp_path, tmp_path / "missing.txt")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("name\na.png\n", "a column 'file'"),
        ("file\n", "lines and a column 'file'"),
        (f"{HEAD}a.png,cat,,,\n", "cannot read line 2 of labels.csv"),
        (f"{HEAD}a.png,,,,\nb.png,,,,0 0 1\n", "cannot read line 3 .* expected a box x0 y0 x1 y1, got '0 0 1'"),
        (f"{HEAD}a.png,,,,0 0 2 1\n", "0 <= x0 < x1 <= 1"),
    ],
)
def test_labels_that_cannot_be_read_say_where(tmp_path: Path, lines: str, message: str) -> None:
    """The error message states the line and the expected format."""
    with pytest.raises(RequestError, match=message):
        list_labelled(write(tmp_path, lines))


def test_boxes_lie_where_the_view_shows_them() -> None:
    """The region equals the white box of a painted image in the view; boxes cover whole pixels, so there is no blur."""
    frame = View((8, 8), short_side=8).frame(8, 16)
    white = np.zeros((8, 16), dtype=bool)
    white[2:6, 4:10] = True
    found = region([(4 / 16, 2 / 8, 10 / 16, 6 / 8)], frame)
    assert found is not None
    assert np.array_equal(found, white[:, 4:12])


def test_several_boxes_are_one_region() -> None:
    """The region is the union of the boxes, without parts outside the view."""
    frame = Frame((0.0, 0.0, 4.0, 4.0), (4, 4), (4, 8))
    found = region(read_boxes("0 0 0.125 0.25; 0.25 0.5 0.5 1; 0.75 0 1 1"), frame)
    assert found is not None
    assert found.astype(int).tolist() == [[1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]
