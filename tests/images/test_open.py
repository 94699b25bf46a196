"""Any image source is opened upright in 8-bit RGB with notes on conversions, or refused with a reason."""

import hashlib
import inspect
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from PIL import Image

from seewhy.core.errors import RequestError
from seewhy.images.open import ImageLike, open_image

RAMP = (np.arange(6 * 8 * 3) * 255 // 143).astype(np.uint8).reshape(6, 8, 3)


def encoded(image: Image.Image, kind: str = "PNG", **settings: object) -> bytes:
    """Return the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


def header(width: int, height: int) -> bytes:
    """Return a PNG of any size without pixel data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return start + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def test_every_source_type(tmp_path: Path) -> None:
    """Path, text, bytes, PIL image and array give the same pixels."""
    data = encoded(Image.fromarray(RAMP))
    path = tmp_path / "ramp.png"
    path.write_bytes(data)
    pictures = [open_image(source) for source in (path, str(path), data, Image.fromarray(RAMP), RAMP)]
    for picture in pictures:
        np.testing.assert_array_equal(picture.pixels, RAMP)
        assert picture.notes == ()
    assert [picture.name for picture in pictures] == ["ramp.png", "ramp.png", "image", "image", "image"]
    assert pictures[0].sha256 == pictures[2].sha256 == hashlib.sha256(data).hexdigest()
    assert pictures[3].sha256 == pictures[4].sha256 == hashlib.sha256(RAMP.tobytes()).hexdigest()
    assert open_image(path, name="mine").name == "mine"


def test_pixels_are_a_copy() -> None:
    """Later changes to the caller's array do not affect the image."""
    array = RAMP.copy()
    picture = open_image(array)
    array[:] = 0
    np.testing.assert_array_equal(picture.pixels, RAMP)


def test_tensor() -> None:
    """A float tensor is kept exactly, in addition to its 8-bit pixels."""
    tensor = torch.rand(3, 6, 8, generator=torch.Generator().manual_seed(0))
    for picture in (open_image(tensor, name="t"), open_image(tensor.double(), name="t")):
        assert picture.name == "t"
        assert picture.tensor is not None
        assert torch.equal(picture.tensor, tensor)
        np.testing.assert_array_equal(picture.pixels, (tensor * 255).round().byte().permute(1, 2, 0).numpy())


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.zeros(4, 4), r"shape \(c, h, w\) with 1, 3 or 4 channels, got \(4, 4\)"),
        (torch.zeros(1, 3, 5, 5), r"got \(1, 3, 5, 5\); permute or index it"),
        (torch.zeros(4, 4, 3), r"got \(4, 4, 3\); permute or index it"),
        (torch.zeros(3, 5, 5, dtype=torch.int64), "got int64; convert them"),
        (torch.full((3, 5, 5), torch.nan), "finite values in .0, 1., got NaN or infinity"),
        (torch.full((3, 5, 5), 128.0), "got 128 to 128 in image; divide by 255"),
        (torch.full((3, 5, 5), -1.5), "got -1.5 to -1.5 in image; undo its normalisation"),
        (torch.zeros(3, 1, 5), "at least 2 × 2 pixels, got 5 × 1"),
    ],
)
def test_wrong_tensors(tensor: torch.Tensor, message: str) -> None:
    """A tensor of another shape, type or range is refused."""
    with pytest.raises(RequestError, match=message):
        open_image(tensor)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (RAMP.astype(float), "got 0 to 255 in image; divide by 255, or give the values of black and white"),
        (RAMP / 255 - 1, "got -1 to 0 in image; undo its normalisation"),
        (RAMP / np.array([255, np.nan, 255]), "got NaN or infinity in image"),
        (RAMP.astype(np.int64), "got int64; convert them"),
        (RAMP > 3, "got bool; convert them"),
        (np.zeros((5, 5, 2), np.uint8), r"1, 3 or 4 channels, got \(5, 5, 2\); pass one image"),
        (np.zeros((3, 5, 5), np.uint8), r"1, 3 or 4 channels, got \(3, 5, 5\); move the channels to the end"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"got \(1, 4, 4, 3\); pass one image"),
        (np.zeros((1, 1, 3), np.uint8), "at least 2 × 2 pixels, got 1 × 1"),
        (np.zeros((0, 0, 3), np.uint8), "at least 2 × 2 pixels, got 0 × 0"),
        (np.array([None]), "shape"),
    ],
)
def test_wrong_arrays(array: np.ndarray, message: str) -> None:
    """An array of another shape or type is refused."""
    with pytest.raises(RequestError, match=message):
        open_image(array)


def test_something_else() -> None:
    """An unsupported object is refused, and the message states its type."""
    with pytest.raises(RequestError, match=r"path, file object, bytes, PIL image, array or tensor, got int"):
        inspect.unwrap(open_image)(7)  # past the run-time type check of the tests


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """The error message says that a path is not a file."""
    with pytest.raises(RequestError, match=r"got .*none.png, which does not exist; check the path"):
        open_image(tmp_path / "none.png")
    with pytest.raises(RequestError, match=r"got the folder .*; name a file in it"):
        open_image(tmp_path)
    with pytest.raises(RequestError, match=r"expected a readable image file"):
        open_image("a\0b")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "which is empty; save it again"),
        (b"hello world", "which begins with b'hello world' and is in no known format"),
        (b"%PDF-1.7 ...", "begins with b'%PDF-1.7"),
        (b"  <!doctype html><html>", "begins with b'<!doctype html"),
        (b"\0\0\0\x18ftypmp42", "ftypmp42"),
        (encoded(Image.fromarray(RAMP))[:60], "expected a complete image, got image, which is damaged"),
        (encoded(Image.fromarray(RAMP).resize((200, 200)), "JPEG")[:900], "which is damaged: .*truncated"),
        (encoded(Image.fromarray(RAMP), "BMP")[:70], "which is damaged"),
        (encoded(Image.fromarray(RAMP), "WEBP")[:30], "(damaged|no known format)"),
    ],
)
def test_no_picture(data: bytes, message: str) -> None:
    """The error message for bytes that are not a complete image states their apparent type."""
    with pytest.raises(RequestError, match=message):
        open_image(data)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_animation(kind: str) -> None:
    """Several frames are refused, because the choice of one would be ambiguous."""
    frames = [Image.fromarray(RAMP), Image.fromarray(255 - RAMP), Image.fromarray(RAMP)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(RequestError, match=r"got image with 3 frames; save one frame as PNG"):
        open_image(data)


def test_phone_jpeg() -> None:
    """A phone's JPEG with a second image is opened with a note."""
    first = Image.fromarray(RAMP).resize((16, 16))
    picture = open_image(encoded(first, "MPO", save_all=True, append_images=[first]))
    assert picture.notes == ("used the first of 2 images in the file",)


def test_huge() -> None:
    """An image over the limit is refused before it is decoded; Pillow's own limit is unchanged."""
    before = Image.MAX_IMAGE_PIXELS
    with pytest.raises(RequestError, match=r"at most 200 megapixels, got 30000 × 30000 = 900; .*--max-megapixels"):
        open_image(header(30000, 30000))
    with pytest.raises(RequestError, match=r"which is damaged"):
        open_image(header(2000, 2000))
    with pytest.raises(RequestError, match=r"at most 1e-05 megapixels"):
        open_image(RAMP, max_megapixels=1e-5)
    assert before == Image.MAX_IMAGE_PIXELS


def test_pillows_own_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An image over Pillow's limit but under ours is opened without a warning."""
    for limit in (40, 20):  # 48 pixels: a warning over the limit, an error over twice the limit
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert open_image(encoded(Image.fromarray(RAMP))).pixels.shape == (6, 8, 3)
        assert limit == Image.MAX_IMAGE_PIXELS


def test_tiny() -> None:
    """An image of one pixel is refused."""
    with pytest.raises(RequestError, match=r"at least 2 × 2 pixels, got 1 × 1; choose a larger one"):
        open_image(encoded(Image.new("RGB", (1, 1))))


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_plain_modes(mode: str) -> None:
    """Black-and-white, gray and palette images are converted to RGB without a note."""
    image = Image.fromarray(RAMP).convert(mode)
    picture = open_image(encoded(image))
    np.testing.assert_array_equal(picture.pixels, np.asarray(image.convert("RGB")))
    assert picture.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit(kind: str) -> None:
    """16-bit gray is scaled by 1/257, so that white stays white."""
    levels = np.array([[0, 257], [128, 65535]], np.uint16)
    picture = open_image(encoded(Image.fromarray(levels), kind))
    assert picture.pixels[..., 0].tolist() == [[0, 1], [0, 255]]
    assert picture.notes == ("scaled from 16 to 8 bits",)


def test_32_bit() -> None:
    """32-bit integers are accepted if they fit in 16 bits, floats if they lie in [0, 1]; a window admits any floats."""
    assert open_image(Image.fromarray(np.full((2, 2), 65535, np.int32))).pixels.max() == 255
    with pytest.raises(RequestError, match=r"with values 70000 to 70000; save it as PNG"):
        open_image(Image.fromarray(np.full((2, 2), 70000, np.int32)))
    floats = Image.fromarray(np.array([[0, 0.5], [0.5, 1]], np.float32))
    assert open_image(floats).pixels[..., 0].tolist() == [[0, 128], [128, 255]]
    with pytest.raises(RequestError, match=r"got -100 to 300 in image; undo its normalisation, or give the values"):
        open_image(Image.fromarray(np.array([[-100, 300], [0, 0]], np.float32)))
    opened = open_image(Image.fromarray(np.array([[-100, 300], [50, 100]], np.float32)), window=(-100.0, 100.0))
    assert opened.pixels[..., 0].tolist() == [[0, 255], [191, 255]]
    assert opened.notes == ("scaled to 8 bits: -100 is black, 100 is white, as stated by window",)


def colours_of_16_bits(levels: np.ndarray) -> bytes:
    """Return a PNG with 16 bits per channel, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    height, width, channels = levels.shape
    start = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", start) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("form", ["PNG", "TIFF", "colour PNG", "array", "gray array", "PIL"])
def test_fewer_bits_in_16_keep_their_levels(bits: int, form: str) -> None:
    """The largest value of the fewest usual bits that hold the image is white, and the notes say so."""
    levels = np.linspace(0, 2**bits - 1, 64 * 64).round().reshape(64, 64).astype(np.uint16)
    sources: dict[str, Callable[[], bytes | np.ndarray | Image.Image]] = {
        "PNG": lambda: encoded(Image.fromarray(levels)),
        "TIFF": lambda: encoded(Image.fromarray(levels), "TIFF"),
        "colour PNG": lambda: colours_of_16_bits(np.stack([levels] * 3, axis=2)),
        "array": lambda: np.stack([levels] * 3, axis=2),
        "gray array": lambda: levels,
        "PIL": lambda: Image.fromarray(levels),
    }
    opened = open_image(sources[form]())
    np.testing.assert_array_equal(
        opened.pixels, np.rint(levels / (2**bits - 1) * 255).astype(np.uint8)[..., None].repeat(3, 2)
    )
    (note,) = opened.notes
    assert (
        note == "scaled from 16 to 8 bits"
        if bits == 16
        else note.startswith(f"scaled from {bits} to 8 bits: the largest of the 16-bit values is {2**bits - 1}")
    )


def test_a_window_is_followed_and_noted() -> None:
    """Values beyond it are clipped; it applies to every type of pixel."""
    for levels in (np.array([[0, 1000], [2000, 4095]], np.uint16), np.array([[-50, 1000], [2000, 9000]], np.int16)):
        opened = open_image(levels, window=(1000.0, 3000.0))
        assert opened.pixels[..., 0].tolist() == [[0, 0], [128, 255]]
        assert opened.notes == ("scaled to 8 bits: 1000 is black, 3000 is white, as stated by window",)
    assert open_image(np.array([[100, 150], [200, 250]], np.uint8), window=(100.0, 200.0)).pixels[..., 0].tolist() == [
        [0, 128],
        [255, 255],
    ]
    for wrong in ((3000.0, 1000.0), (0.0, 0.0), (0.0, float("nan"))):
        with pytest.raises(RequestError, match=r"expected a window of two numbers, black below white"):
            open_image(RAMP, window=wrong)


def test_arrays_and_tensors_of_every_kind() -> None:
    """Gray, colour and transparent pixels, as floats or 8 bits, as arrays, tensors and file objects."""
    gray, unit = RAMP[..., 0], (RAMP / 255).astype(np.float32)
    alpha = np.concatenate([RAMP, np.full((6, 8, 1), 51, np.uint8)], axis=2)
    sources: list[tuple[ImageLike, np.ndarray]] = [
        (gray, np.stack([gray] * 3, axis=2)),
        (gray[..., None], np.stack([gray] * 3, axis=2)),
        (unit, RAMP),
        (unit.astype(np.float64), RAMP),
        (alpha, np.rint(255 + 0.2 * (RAMP - 255.0))),
        (alpha / 255, np.rint(255 + 0.2 * (RAMP - 255.0))),
        (torch.from_numpy(gray)[None], np.stack([gray] * 3, axis=2)),
        (torch.from_numpy(RAMP).permute(2, 0, 1), RAMP),
        (io.BytesIO(encoded(Image.fromarray(RAMP))), RAMP),
    ]
    for source, pixels in sources:
        np.testing.assert_array_equal(open_image(source).pixels, pixels)
    assert open_image(alpha).notes == ("transparency laid on white",)
    exact = open_image(unit).tensor
    assert exact is not None
    assert torch.equal(exact, torch.from_numpy(unit).permute(2, 0, 1))


def test_a_file_opened_as_text(tmp_path: Path) -> None:
    """A file object must be binary."""
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    with (tmp_path / "a.txt").open(encoding="utf-8") as file, pytest.raises(RequestError, match=r"open it with 'rb'"):
        open_image(cast("ImageLike", file))


def transparent(mode: str) -> Image.Image:
    """Return a fully transparent black image."""
    if mode == "P":
        image = Image.new("P", (2, 2))
        image.putpalette([0, 0, 0] * 256)
        image.info["transparency"] = bytes([0] * 256)
        return image
    return Image.new(mode, (2, 2), (0,) * len(mode))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency(mode: str) -> None:
    """Transparent pixels become white, with a note; opaque alpha gives no note."""
    image = transparent(mode)
    settings = {"transparency": image.info["transparency"]} if mode == "P" else {}
    picture = open_image(encoded(image, **settings))
    assert picture.pixels.min() == 255
    assert picture.notes == ("transparency laid on white",)
    opaque = open_image(Image.new("RGBA", (2, 2), (10, 20, 30, 255)))
    assert (opaque.pixels[0, 0].tolist(), opaque.notes) == ([10, 20, 30], ())


def test_half_transparent() -> None:
    """Half-transparent black becomes mid-gray."""
    picture = open_image(Image.new("RGBA", (2, 2), (0, 0, 0, 128)))
    assert picture.pixels[0, 0].tolist() == [127, 127, 127]


def test_cmyk() -> None:
    """A CMYK image is converted to RGB with a note."""
    picture = open_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG"))
    red, green, blue = picture.pixels[0, 0].tolist()
    assert (red > 240, green < 15, blue < 15) == (True, True, True)
    assert picture.notes == ("converted from CMYK to RGB",)


STORED: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: upright[::-1, ::-1].transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_orientation(orientation: int, kind: str) -> None:
    """An image stored with an EXIF orientation is rotated upright exactly once."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](RAMP)))
    picture = open_image(encoded(stored, kind, exif=exif))
    np.testing.assert_array_equal(picture.pixels, RAMP)
    noted = picture.notes == (f"turned upright (EXIF orientation {orientation})",)
    assert noted == (
        orientation != 1 and kind == "PNG"
    )  # Pillow's TIFF decoder rotates the image itself and drops the tag


def test_pillow_warnings_become_notes() -> None:
    """Pillow's warnings about a file appear in the notes only."""
    data = bytearray(encoded(Image.fromarray(RAMP), "TIFF"))
    place = data.index(struct.pack("<HHI", 259, 3, 1))  # the compression tag, with one entry
    data[place + 4] = 2  # now it claims to have two
    picture = open_image(bytes(data))
    np.testing.assert_array_equal(picture.pixels, RAMP)
    assert picture.notes == ("Pillow: Metadata Warning, tag 259 had too many entries: 2, expected 1",)


def test_the_callers_image_is_unchanged() -> None:
    """A PIL image passed by the caller keeps its mode and size."""
    image = Image.fromarray(RAMP).convert("RGBA")
    open_image(image)
    assert (image.mode, image.size) == ("RGBA", (8, 6))
