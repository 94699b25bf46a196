"""Any image source is opened upright in 8-bit RGB with notes on conversions, or refused with a reason."""

import hashlib
import inspect
import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seewhy.core.errors import RequestError
from seewhy.images.open import open_image

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
        (torch.zeros(4, 4), r"shape \(3, h, w\), got \(4, 4\)"),
        (torch.zeros(1, 3, 4, 4), r"shape \(3, h, w\), got \(1, 3, 4, 4\)"),
        (torch.zeros(4, 4, 3), r"shape \(3, h, w\), got \(4, 4, 3\)"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8), "float tensor in .0, 1., got torch.uint8; write tensor / 255"),
        (torch.full((3, 4, 4), torch.nan), "finite values in .0, 1., got NaN or infinity"),
        (torch.full((3, 4, 4), 128.0), "got 128 to 128; divide by 255"),
        (torch.full((3, 4, 4), -1.5), "got -1.5 to -1.5; undo its normalisation"),
        (torch.zeros(3, 1, 4), "at least 2 × 2 pixels, got 4 × 1"),
    ],
)
def test_wrong_tensors(tensor: torch.Tensor, message: str) -> None:
    """A tensor of another shape, type or range is refused."""
    with pytest.raises(RequestError, match=message):
        open_image(tensor)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (RAMP / 255, "expected a uint8 array, 0 to 255, got float64; convert it"),
        (RAMP.astype(np.int64), "got int64"),
        (RAMP[..., 0], r"shape \(h, w, 3\), got \(6, 8\)"),
        (np.zeros((4, 4, 4), np.uint8), r"shape \(h, w, 3\), got \(4, 4, 4\)"),
        (np.zeros((3, 4, 4), np.uint8), r"shape \(h, w, 3\), got \(3, 4, 4\)"),
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
    with pytest.raises(RequestError, match=r"path, bytes, PIL image, array or tensor, got int"):
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
    """32-bit integers are accepted if they fit in 16 bits; floats are refused."""
    assert open_image(Image.fromarray(np.full((2, 2), 65535, np.int32))).pixels.max() == 255
    with pytest.raises(RequestError, match=r"with values 70000 to 70000; save it as PNG"):
        open_image(Image.fromarray(np.full((2, 2), 70000, np.int32)))
    with pytest.raises(RequestError, match=r"with 32-bit floats; save it as PNG"):
        open_image(Image.fromarray(np.zeros((2, 2), np.float32)))


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
