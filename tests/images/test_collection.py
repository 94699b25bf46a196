"""Collections: every format gives the same pixels, bad input is refused by name, and splits keep groups together."""

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seewhy.core.errors import RequestError
from seewhy.core.view import View
from seewhy.images import packed
from seewhy.images.collection import Collection, read_collection, split
from seewhy.images.open import open_image, open_levels
from seewhy.images.view import apply_view, resized

RNG = np.random.default_rng(7)
GRAY = RNG.integers(0, 256, (6, 5, 7), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (6, 5, 7, 3), dtype=np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2])


def idx(array: np.ndarray) -> bytes:
    """Return an idx file of bytes per its specification: two zeros, 8 for bytes, axes, big-endian sizes, content."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.astype(np.uint8).tobytes()


def pair(folder: Path, name: str = "a") -> Path:
    """Write compressed images and labels, and return the path of the images."""
    (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(GRAY)))
    (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    return folder / f"{name}-images-idx3-ubyte.gz"


def npz(folder: Path, **arrays: np.ndarray) -> Path:
    """Write an npz file and return its path."""
    np.savez_compressed(folder / "a.npz", **arrays)  # type: ignore[arg-type]
    return folder / "a.npz"


def save(pixels: np.ndarray, path: Path) -> Path:
    """Write an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def class_folders(folder: Path) -> Path:
    """Write the gray images into class folders, in the order of their numbers."""
    for number, (picture, label) in enumerate(zip(GRAY, LABELS.tolist(), strict=True)):
        save(picture, folder / ["ant", "bee", "cat"][label] / f"{number}.png")
    return folder


def test_gray_is_scaled_and_repeated() -> None:
    """255 and 65535 become 1, and all three channels are equal."""
    for pixels, white in ((GRAY, 255), (GRAY.astype(np.uint16) * 257 - (GRAY > 9).astype(np.uint16), 65535)):
        images = Collection(pixels[..., None]).images(np.array([4, 0]))
        assert images.shape == (2, 3, 5, 7)
        assert images.dtype == torch.float32
        for place, number in enumerate((4, 0)):
            for channel in range(3):
                for row in range(5):
                    for column in range(7):
                        true = np.float32(int(pixels[number, row, column]) / white)
                        assert images[place, channel, row, column].item() == true


def test_colour_keeps_its_channels() -> None:
    """Channels are last in the collection and first for the classifier."""
    images = Collection(COLOUR).images(slice(1, 3))
    np.testing.assert_array_equal((images * 255).round().numpy(), COLOUR[1:3].transpose(0, 3, 1, 2))


def test_a_subset_keeps_its_annotations() -> None:
    """Labels, groups and regions stay with their images."""
    regions = GRAY > 128
    whole = Collection(GRAY[..., None], LABELS, ("a", "b", "c"), LABELS.astype(str), regions, "here")
    part = whole.take(np.array([5, 1]))
    assert (len(part), part.channels, part.size, part.classes, part.source) == (2, 1, (5, 7), ("a", "b", "c"), "here")
    assert part.labels is not None
    assert part.labels.tolist() == [2, 1]
    assert part.groups is not None
    assert part.groups.tolist() == ["2", "1"]
    np.testing.assert_array_equal(part.regions, regions[[5, 1]])
    np.testing.assert_array_equal(part.pixels, GRAY[[5, 1], ..., None])


@pytest.mark.parametrize("make", [lambda folder: npz(folder, x=GRAY, y=LABELS), pair])
def test_array_files(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    """Npz and idx give the same collection."""
    found = read_collection(make(tmp_path))
    np.testing.assert_array_equal(found.pixels, GRAY[..., None])
    assert found.labels is not None
    assert found.labels.tolist() == LABELS.tolist()
    assert found.classes == ("0", "1", "2")
    assert (found.groups, found.regions) == (None, None)


def test_one_folder_per_class(tmp_path: Path) -> None:
    """Class folders are sorted by name; hidden folders and other files are ignored."""
    class_folders(tmp_path)
    (tmp_path / ".cache").mkdir()
    (tmp_path / "notes.txt").touch()
    found = read_collection(str(tmp_path))
    np.testing.assert_array_equal(found.pixels, GRAY[[0, 3, 1, 4, 2, 5], ..., None])
    assert found.labels is not None
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.classes == ("ant", "bee", "cat")


def test_a_flat_folder(tmp_path: Path) -> None:
    """There are no labels; one colour image gives three channels for all, and a folder without images is ignored."""
    save(GRAY[0], tmp_path / "a.png")
    save(COLOUR[1], tmp_path / "b.png")
    (tmp_path / "notes").mkdir()
    found = read_collection(tmp_path)
    assert (found.labels, found.classes) == (None, ())
    np.testing.assert_array_equal(found.pixels, np.stack([np.stack([GRAY[0]] * 3, axis=2), COLOUR[1]]))


def test_a_folder_with_a_list(tmp_path: Path) -> None:
    """``labels.csv`` gives the class and the original height and width; class names are the numbers."""
    save(GRAY[0], tmp_path / "a.png")
    save(GRAY[1], tmp_path / "b.png")
    table = tmp_path / "labels.csv"
    table.write_text("file,class_idx,orig_w,orig_h\nb.png,2,14,5\na.png,0,14,5\n", encoding="utf-8")
    found = read_collection(tmp_path)
    assert found.labels is not None
    assert found.labels.tolist() == [2, 0]
    assert found.classes == ("0", "1", "2")
    assert found.size == (5, 14)
    table.write_text("file\nb.png\n", encoding="utf-8")
    assert read_collection(tmp_path).labels is None
    table.write_text("file,class_idx\nb.png,1\na.png,\n", encoding="utf-8")
    with pytest.raises(RequestError, match=r"class_idx in every line .* got it in 1 of 2"):
        read_collection(tmp_path)


def test_files_are_seen_as_explain_sees_them(tmp_path: Path) -> None:
    """The pixels are identical, for gray and colour, cropped and stretched."""
    for view in (View((6, 6), short_side=8), View((4, 9), "stretch"), View((5, 7), "stretch")):
        for name, pixels in (("gray", GRAY[0]), ("colour", COLOUR[0])):
            path = save(np.repeat(pixels, 2, axis=0), tmp_path / name / "a.png")
            seen, _ = apply_view(open_image(path), view)
            assert torch.equal(read_collection(path.parent, view=view).images(slice(None))[0], seen)


def test_gray_of_16_bits_stays_so(tmp_path: Path) -> None:
    """16-bit gray is read, rotated upright and resized without conversion to 8 bits."""
    deep = (GRAY[0].astype(np.uint16) << 8) + np.arange(7, dtype=np.uint16)
    deep[0, 0] = 65535
    path = save(deep, tmp_path / "a.png")
    np.testing.assert_array_equal(open_levels(path), deep[..., None])
    turned = Image.Exif()
    turned[0x0112] = 6
    for kind in ("tif", "png"):  # Pillow rotates the first itself, but not the second
        Image.fromarray(deep).save(path.with_suffix(f".{kind}"), exif=turned)
        np.testing.assert_array_equal(open_levels(path.with_suffix(f".{kind}"))[..., 0], np.rot90(deep, -1))
    found = read_collection(tmp_path, view=View((10, 14), "stretch"))
    assert found.pixels.dtype == np.uint16


def test_levels_of_16_bits_are_resized() -> None:
    """A uniform image keeps its level; where bicubic interpolation overshoots, levels are clipped."""
    plain = np.full((4, 4, 3), 40001, np.uint16)
    assert (resized(plain, View((2, 2), "stretch")) == 40001).all()
    edge = np.zeros((4, 4, 1), np.uint16)
    edge[:, 2:] = 65535
    wide = resized(edge, View((4, 16), "stretch"))[0, :, 0]
    assert (wide[:8] < 32768).all()
    assert (wide[8:] > 32767).all()
    assert (wide[0], wide[-1]) == (0, 65535)


def test_one_channel_is_resized_as_three_are() -> None:
    """Resizing one channel gives the same result as resizing three equal channels."""
    view = View((9, 4), "stretch")
    three = resized(np.repeat(GRAY[0][..., None], 3, axis=2), view)
    np.testing.assert_array_equal(np.repeat(resized(GRAY[0][..., None], view), 3, axis=2), three)


@pytest.mark.parametrize(
    ("array", "true"),
    [
        (GRAY[..., None], GRAY[..., None]),
        (GRAY[:, None], GRAY[..., None]),
        (COLOUR, COLOUR),
        (COLOUR.transpose(0, 3, 1, 2), COLOUR),
        (np.repeat(GRAY[..., None], 3, axis=3), GRAY[..., None]),
        (GRAY.astype(">u2"), GRAY[..., None].astype(np.uint16) * 257),
        (GRAY > 99, ((GRAY > 99) * 255)[..., None].astype(np.uint8)),
        (GRAY / 255, GRAY[..., None].astype(np.uint16) * 257),
        ((GRAY / 255).astype(np.float32), GRAY[..., None].astype(np.uint16) * 257),
    ],
)
def test_layouts_and_types_of_arrays(tmp_path: Path, array: np.ndarray, true: np.ndarray) -> None:
    """All are converted to (n, h, w, c) with 8 or 16 bits."""
    found = read_collection(npz(tmp_path, images=array)).pixels
    assert found.dtype == true.dtype
    np.testing.assert_array_equal(found, true)


def test_regions_of_any_type(tmp_path: Path) -> None:
    """Bool and bytes give the same regions."""
    truth = GRAY > 100
    for given in (truth, truth * np.uint8(255)):
        found = read_collection(npz(tmp_path, images=GRAY, regions=given))
        np.testing.assert_array_equal(found.regions, truth)


def test_names_of_classes_and_groups(tmp_path: Path) -> None:
    """Labels may be names, ordered by ``classes``; a group may have a name of any type."""
    names = np.array(["dog", "cat", "dog", "cat", "dog", "dog"])
    found = read_collection(npz(tmp_path, x=GRAY, y=names, groups=LABELS))
    assert found.classes == ("cat", "dog")
    assert found.labels is not None
    assert found.labels.tolist() == [1, 0, 1, 0, 1, 1]
    assert found.groups is not None
    assert found.groups.tolist() == [str(label) for label in LABELS]
    found = read_collection(npz(tmp_path, x=GRAY, y=names, classes=np.array(["dog", "emu", "cat"])))
    assert found.classes == ("dog", "emu", "cat")
    assert found.labels is not None
    assert found.labels.tolist() == [0, 2, 0, 2, 0, 0]


def test_arrays_in_the_view(tmp_path: Path) -> None:
    """Arrays of the view's size are unchanged; others are cropped and resized together with their regions."""
    assert read_collection(pair(tmp_path), view=View((5, 7), short_side=20)).size == (5, 7)
    square = np.zeros((1, 8, 16), np.uint8)
    square[0, 2:6, 6:10] = 255
    found = read_collection(npz(tmp_path, x=square, regions=square), view=View((16, 16)))
    truth = np.zeros((16, 16), dtype=bool)
    truth[4:12, 4:12] = True  # the middle 8 × 8 of 8 × 16, twice as large
    assert found.regions is not None
    np.testing.assert_array_equal(found.regions[0], truth)
    np.testing.assert_array_equal(found.pixels[0, ..., 0] > 127, truth)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": GRAY}, "the key images or x .* got pictures; rename"),
        ({"x": GRAY, "y": LABELS[:5]}, r"labels of shape \(6,\) in .* got shape \(5,\)"),
        ({"x": GRAY, "groups": LABELS[:, None, None]}, "expected groups of shape"),
        ({"x": GRAY, "y": LABELS, "classes": np.array(["a", "b"])}, "labels from 0 to 1 .* got 0 to 2"),
        ({"x": GRAY, "y": LABELS - 1}, "got -1 to 1"),
        ({"x": GRAY, "y": LABELS + 10**6}, "got 1000000 to"),
        ({"x": GRAY, "y": np.array(list("abcabc")), "classes": np.array(["a", "b"])}, "among the classes .* got 'c'"),
        ({"x": GRAY, "y": LABELS / 2}, "class numbers or names .* got float64"),
        ({"x": GRAY / 200}, r"floats in \[0, 1\] .* got 0 to 1.2"),
        ({"x": np.where(GRAY > 9, np.nan, 0.5)}, r"floats in \[0, 1\] .* got nan"),
        ({"x": GRAY.astype(np.float32)}, "divide by 255"),
        ({"x": GRAY.astype(np.int64)}, "got int64; convert"),
        ({"x": GRAY.astype(object)}, "plain arrays, got .*a.npz: Object arrays"),
        ({"x": GRAY[0]}, r"got \(5, 7\); reshape"),
        ({"x": GRAY[:0]}, r"got \(0, 5, 7, 1\); reshape"),
        ({"x": GRAY[:, :1]}, "at least 2 × 2"),
        ({"x": GRAY, "regions": GRAY[:, :4] > 1}, r"regions of shape \(6, 5, 7\)"),
    ],
)
def test_arrays_that_do_not_fit(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    """Each is refused with its own message."""
    with pytest.raises(RequestError, match=message):
        read_collection(npz(tmp_path, **arrays))


def test_damaged_archives(tmp_path: Path) -> None:
    """Truncated files, other files and false headers raise an error with the file name."""
    whole = npz(tmp_path, x=GRAY).read_bytes()
    for content in (whole[:-30], b"no archive", b"", whole.replace(whole[200:210], b"0123456789")):
        (tmp_path / "b.npz").write_bytes(content)
        with pytest.raises(RequestError, match=r"plain arrays, got .*b.npz"):
            read_collection(tmp_path / "b.npz")


def test_damaged_idx_files(tmp_path: Path) -> None:
    """Truncated, overlong, different, headerless and truncated compressed files raise an error with the file name."""
    good = idx(GRAY)
    for content, message in (
        (good[:-1], "its whole content, got .*a-images-idx3-ubyte .* fewer bytes"),
        (good + b"0", "more bytes"),
        (idx(GRAY[:0]), "more bytes|fewer bytes"),
        (b"\0\0\x0d\x03" + good[4:], "magic number 0xd03"),
        (good[:9], "a complete idx file"),
        (b"", "a complete idx file"),
    ):
        path = tmp_path / "a-images-idx3-ubyte"
        path.write_bytes(content)
        with pytest.raises(RequestError, match=message):
            read_collection(path)
    for content in (gzip.compress(good)[:-20], good):
        path = tmp_path / "b.images.idx3-ubyte.gz"
        path.write_bytes(content)
        with pytest.raises(RequestError, match=r"a complete idx file, got .*b.images"):
            read_collection(path)


def test_idx_pairs_must_fit(tmp_path: Path) -> None:
    """A wrong number of labels is refused, and labels are optional."""
    path = pair(tmp_path, "train")
    beside = tmp_path / "train-labels-idx1-ubyte.gz"
    beside.write_bytes(gzip.compress(idx(LABELS[:4])))
    with pytest.raises(RequestError, match=r"expected 6 labels in .*train-labels.* got 4"):
        read_collection(path)
    beside.unlink()
    assert read_collection(path).labels is None


def test_too_much_is_refused_before_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is computed from the headers, or from the first image of a folder."""
    huge = tmp_path / "a-images-idx3-ubyte"
    huge.write_bytes(struct.pack(">BBBB3I", 0, 0, 8, 3, 2**31, 2**10, 2**10))
    with pytest.raises(RequestError, match=r"at most 8 GiB of pixels, got 2.1e.06 GiB in .*a-images"):
        read_collection(huge)
    monkeypatch.setattr(packed, "LARGEST", 200)
    with pytest.raises(RequestError, match=r"GiB of pixels"):
        read_collection(npz(tmp_path, x=GRAY))
    with pytest.raises(RequestError, match=r"in 6 files"):
        read_collection(class_folders(tmp_path / "folders"))


def test_folders_that_do_not_fit(tmp_path: Path) -> None:
    """Different sizes and depths, empty, mixed and missing folders are refused by name."""
    save(GRAY[0], tmp_path / "sizes/a.png")
    save(GRAY[1, :, :4], tmp_path / "sizes/b.png")
    with pytest.raises(
        RequestError,
        match=r"one size .*, got .*a.png with 7 × 5, 8 bits and .*b.png with 4 × 5, 8 bits; convert .*size=",
    ):
        read_collection(tmp_path / "sizes")
    assert read_collection(tmp_path / "sizes", view=View((4, 4))).size == (4, 4)
    save(GRAY[0], tmp_path / "depths/a.png")
    save(GRAY[0].astype(np.uint16), tmp_path / "depths/b.png")
    with pytest.raises(RequestError, match=r"bit depth, got .*a.png with .* 8 bits and .*b.png with .* 16 bits"):
        read_collection(tmp_path / "depths")
    (class_folders(tmp_path / "classes") / "dog").mkdir()
    with pytest.raises(RequestError, match=r"expected images .* in the folder .*dog, got none"):
        read_collection(tmp_path / "classes")
    save(GRAY[0], tmp_path / "classes/loose.png")
    with pytest.raises(RequestError, match=r"got both, loose.png and ant/"):
        read_collection(tmp_path / "classes")
    (tmp_path / "empty").mkdir()
    with pytest.raises(RequestError, match=r"expected images .* got none"):
        read_collection(tmp_path / "empty")
    (tmp_path / "empty/bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(RequestError, match=r"bad.png"):
        read_collection(tmp_path / "empty")
    with pytest.raises(RequestError, match=r"nowhere, which does not exist"):
        read_collection(tmp_path / "nowhere")
    with pytest.raises(RequestError, match=r"a folder, an .npz file or .* got the file .*a.png"):
        read_collection(tmp_path / "sizes/a.png")


def many(count: int, classes: int, groups: np.ndarray | None = None) -> Collection:
    """Return distinct images, each with its number in its first pixels."""
    pixels = np.zeros((count, 2, 2, 1), np.uint16)
    pixels[:, 0, 0, 0] = np.arange(count)
    names = tuple(map(str, range(classes)))
    return Collection(pixels, np.arange(count) % classes, names, groups)


def numbers(collection: Collection) -> list[int]:
    """Return the numbers of the images."""
    return [int(number) for number in collection.pixels[:, 0, 0, 0]]


def test_a_split_takes_the_same_share_of_each_class() -> None:
    """A fifth of each class is held out; the parts are disjoint; seeds differ; the order does not matter."""
    whole = many(200, 4)
    rest, held = split(whole)
    assert sorted(numbers(rest) + numbers(held)) == list(range(200))
    assert held.labels is not None
    assert np.bincount(held.labels).tolist() == [10, 10, 10, 10]
    assert numbers(held) == numbers(split(whole)[1])
    assert numbers(held) != numbers(split(whole, seed=1)[1])
    assert sorted(numbers(split(whole.take(RNG.permutation(200)))[1])) == numbers(held)


def test_a_split_of_many_small_classes_keeps_the_share() -> None:
    """With one image per class the total share holds; with three per class, never two of one class are held out."""
    assert len(split(many(50, 50))[1]) == 10
    held = split(many(90, 30), share=0.3)[1]
    assert held.labels is not None
    assert len(held) == 30
    assert np.bincount(held.labels).max() == 1
    assert len(split(many(90, 30), share=0.1)[1]) == 9


def test_groups_and_copies_stay_together() -> None:
    """Groups are never split, and an image that is in two groups joins them."""
    groups = np.array([f"p{number // 5}" for number in range(100)])
    whole = many(100, 2, groups)
    whole.pixels[5] = whole.pixels[0]  # p0 and p1 have an image in common
    for seed in range(20):
        rest, held = split(whole, seed=seed)
        assert rest.groups is not None
        assert held.groups is not None
        assert not set(rest.groups) & set(held.groups)
        assert ("p0" in held.groups) == ("p1" in held.groups)
        assert not set(numbers(rest)) & set(numbers(held))
        assert len(held) == 20
    assert any(0 in numbers(split(whole, seed=seed)[1]) for seed in range(20))


def test_what_cannot_be_split() -> None:
    """A single group, identical images, a share that rounds to 0, and an invalid share are refused."""
    one = np.full(20, "p")
    alike = Collection(np.zeros((20, 2, 2, 1), np.uint8))
    for collection, share in ((many(20, 2, one), 0.5), (alike, 0.5), (many(4, 1), 0.01), (many(4, 1), 0.99)):
        with pytest.raises(RequestError, match=r"expected images in both parts"):
            split(collection, share=share)
    for share in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(RequestError, match=r"share between 0 and 1"):
            split(many(20, 2), share=share)
