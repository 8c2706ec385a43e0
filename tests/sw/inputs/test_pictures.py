"""Pictures, pixel for pixel: colours that lose nothing, sizes that fit, damaged files."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import InputError
from twofold.sw.inputs.pictures import read_picture

Image = pytest.importorskip("PIL.Image")

GREY = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", ["png", "bmp", "pgm"])
def test_grey(digits: QuantizedNetwork, tmp_path: Path, suffix: str):
    path = tmp_path / f"digit.{suffix}"
    Image.fromarray(GREY).save(path)
    found = read_picture(digits, path)
    assert found.shape == (1, 1, 8, 8) and found.dtype == np.uint8
    np.testing.assert_array_equal(found[0, 0], GREY)


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm"])
def test_colours_are_channels(coloured: QuantizedNetwork, tmp_path: Path, suffix: str):
    path = tmp_path / f"pet.{suffix}"
    Image.fromarray(RGB).save(path)
    np.testing.assert_array_equal(read_picture(coloured, path)[0], RGB.transpose(2, 0, 1))


def test_jpeg(coloured: QuantizedNetwork, tmp_path: Path):
    flat = np.full((4, 6, 3), (200, 90, 30), np.uint8)
    Image.fromarray(flat).save(tmp_path / "pet.jpg", quality=95)
    found = read_picture(coloured, tmp_path / "pet.jpg")[0].astype(int)
    assert np.abs(found - flat.transpose(2, 0, 1)).max() <= 3


def test_conversions_that_lose_nothing(digits, coloured, tmp_path: Path):
    path = tmp_path / "a.png"
    for mode in ("RGB", "LA", "RGBA", "P"):
        Image.fromarray(GREY).convert(mode).save(path)
        np.testing.assert_array_equal(read_picture(digits, path)[0, 0], GREY)
    Image.fromarray((GREY > 99) * np.uint8(255)).convert("1", dither=0).save(path)
    np.testing.assert_array_equal(read_picture(digits, path)[0, 0], (GREY > 99) * 255)
    Image.fromarray(RGB[..., 0]).save(path)
    np.testing.assert_array_equal(read_picture(coloured, path)[0], [RGB[..., 0]] * 3)


def test_a_rotation_that_the_camera_noted(coloured: QuantizedNetwork, tmp_path: Path):
    turned = Image.fromarray(np.ascontiguousarray(np.rot90(RGB)))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(
        read_picture(coloured, tmp_path / "a.png")[0], RGB.transpose(2, 0, 1)
    )


def test_conversions_that_lose_something(digits: QuantizedNetwork, tmp_path: Path):
    path = tmp_path / "a.png"
    cases = (
        (np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8), "is in colour"),
        (np.stack([GREY, GREY], axis=2), "transparent in places"),
        (GREY.astype(np.uint16) * 200, "needs 8 bits a channel"),
        (RGB, r"6 x 4 pixels, tiny-fast takes 8 x 8; scale or crop"),
    )
    for pixels, message in cases:
        Image.fromarray(pixels).save(path)
        with pytest.raises(InputError, match=message):
            read_picture(digits, path)
    one, other = Image.fromarray(GREY), Image.fromarray(255 - GREY)
    one.save(path, save_all=True, append_images=[other])
    with pytest.raises(InputError, match="an animation"):
        read_picture(digits, path)
    one.save(tmp_path / "a.gif")
    with pytest.raises(InputError, match="not PNG, JPEG, BMP or PNM"):
        read_picture(digits, tmp_path / "a.gif")


def png_of(width: int, height: int) -> bytes:
    """A PNG that promises a size and holds next to nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(b"\0"))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + data + chunk(b"IEND", b"")


def test_sizes_are_compared_before_anything_is_decoded(digits, tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png_of(60_000, 60_000))
    with pytest.raises(InputError):
        read_picture(digits, tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(png_of(8, 8))
    with pytest.raises(InputError, match="cannot be read as a picture"):
        read_picture(digits, tmp_path / "a.png")


@given(st.binary(max_size=40), st.integers(0, 120), st.sampled_from(["PNG", "BMP", "PPM", "JPEG"]))
def test_damaged_files_are_one_line(digits, tmp_path_factory, content: bytes, at: int, kind: str):
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, kind)
    good = file.getvalue()
    path = tmp_path_factory.mktemp("damaged") / "a.png"
    path.write_bytes(good[:at] + content + good[at + len(content) :])
    try:
        assert read_picture(digits, path).shape == (1, 1, 8, 8)
    except InputError as error:
        assert "\n" not in str(error)
