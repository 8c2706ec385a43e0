"""Pictures: PNG, JPEG, BMP and the PNM family (PGM, PPM), pixel for pixel.

Pictures are never scaled, and colours are converted only if that is lossless: grey to RGB, RGB to
grey if all pixels are grey, palettes, black and white; an alpha channel is dropped if it is opaque.
EXIF rotation is applied. Files are untrusted input: only these formats are accepted, and the size
is checked before any pixel is decoded.
"""

import io
import struct
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import error as zlib_error

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import ToolError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.regular import read_regular
from twofold.sw.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".pgm", ".ppm", ".pbm", ".pnm")
FORMATS = ("PNG", "JPEG", "BMP", "PPM")
BYTES_MAX = 1 << 26
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_DAMAGE = (
    OSError, SyntaxError, ValueError, OverflowError, EOFError, MemoryError, RuntimeError,
    struct.error, zlib_error, TypeError, KeyError, IndexError,
)  # fmt: skip
_ROTATED = (5, 6, 7, 8)
"""EXIF orientations with a quarter turn, which swap width and height."""


def read_picture(network: QuantizedNetwork, path: Path) -> NDArray[np.uint8]:
    """Pixels uint8 [1, channels, height, width] of a picture file.

    Raises InputError for a file in another format, of another size, or in colours that the network
    does not take; ToolError if Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps
    except ModuleNotFoundError as error:
        raise ToolError(
            "pictures need the Python package Pillow; install it: pip install 'twofold[pictures]'"
        ) from error
    content = read_regular(path, BYTES_MAX, InputError)
    channels, height, width = network.network.input_shape
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
                _check(network, path, picture)
                picture.load()
                pixels = _pixels(path, ImageOps.exif_transpose(picture), channels)
    except (*_DAMAGE, Image.DecompressionBombError) as error:
        reason = "not PNG, JPEG, BMP or PNM" if _unknown(error) else str(error).splitlines()[:1]
        text = reason if isinstance(reason, str) else "".join(reason)
        raise InputError(f"{path}: cannot be read as a picture: {text}") from error
    return np.ascontiguousarray(pixels.reshape(1, height, width, channels).transpose(0, 3, 1, 2))


def _unknown(error: BaseException) -> bool:
    from PIL import UnidentifiedImageError

    return isinstance(error, UnidentifiedImageError)


def _check(network: QuantizedNetwork, path: Path, picture: "Image") -> None:
    """Check size and kind, which the header gives. Raises InputError."""
    _, height, width = network.network.input_shape
    wide, high = picture.size
    if picture.getexif().get(0x0112) in _ROTATED:
        wide, high = high, wide
    if (wide, high) != (width, height):
        raise InputError(
            f"{path}: {wide} x {high} pixels, {network.network.name} takes {width} x {height}; "
            "scale or crop it as the pictures that the network was trained on"
        )
    if picture.mode not in MODES:
        raise InputError(f"{path}: pixels of kind {picture.mode}, needs 8 bits a channel")
    if getattr(picture, "n_frames", 1) != 1:
        raise InputError(f"{path}: an animation, needs one picture")


def _pixels(path: Path, picture: "Image", channels: int) -> NDArray[np.uint8]:
    """Pixels [height, width, channels]. Raises InputError if the conversion would be lossy."""
    rgba: NDArray[Any] = np.asarray(picture.convert("RGBA"))
    if (rgba[..., 3] != 255).any():
        raise InputError(f"{path}: is transparent in places; save it without alpha channel")
    rgb = rgba[..., :3]
    if channels == 3:
        return rgb
    if (rgb != rgb[..., :1]).any():
        raise InputError(f"{path}: is in colour, the network takes grey; convert it")
    return rgb[..., :1]
