"""Where running audio comes from: files, standard input, a microphone.

Every source gives pieces of float32 samples [n] at 16 kHz as they come. All of it is untrusted:
kind, channels, rate and values are checked, and nothing is read ahead further than a piece.
"""

import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from queue import Empty, Full, Queue
from typing import BinaryIO

import numpy as np
import soxr

from twofold.hw.contract.errors import ToolError
from twofold.sw.data.audio import FORMATS, RATE, RATES, Samples, opened
from twofold.sw.errors import AudioError

LONGEST = 24 * 3600.0
"""Seconds of a file."""
SUFFIXES = (".wav", ".flac", ".ogg", ".aiff", ".aif", ".au", ".mp3")
"""Names of files that a folder is searched for."""
PIECE_SECONDS = 0.064
"""Length of a piece of a file, and of the microphone's."""
QUEUED = 512
"""Pieces of a microphone, a quarter as long, that wait to be taken: 8 s."""
PIECE_BYTES = 4096
HEADER_BYTES = 1 << 16
"""A WAV header is not longer."""
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_ENCODINGS = {(_PCM, 16): ("<i2", 1 / 32768), (_FLOAT, 32): ("<f4", 1.0)}


class Resampler:
    """Brings pieces at ``rate`` to 16 kHz. Raises AudioError for a rate that is not supported."""

    def __init__(self, name: object, rate: int) -> None:
        low, high = RATES
        if not low <= rate <= high:
            raise AudioError(f"{name}: {rate} samples/s, needs {low}..{high}")
        self._stream = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, "float32")

    def push(self, samples: Samples, *, last: bool = False) -> Samples:
        """What is complete with ``samples``; with ``last`` all that is left."""
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last), np.float32)


def file_pieces(path: Path) -> Iterator[Samples]:
    """Pieces of an audio file of any length (`twofold.sw.data.audio` says of which kinds).

    Raises AudioError.
    """
    with opened(path, LONGEST) as file:
        resampler = Resampler(path, file.samplerate)
        size = max(round(PIECE_SECONDS * file.samplerate), 1)
        left = file.frames
        while left > 0:
            piece = np.asarray(file.read(min(size, left), dtype="float32"), np.float32)
            if not len(piece):
                raise AudioError(f"{path}: cut short: {left} samples are missing; copy it again")
            left -= len(piece)
            yield resampler.push(piece, last=left == 0)


def audio_files(folder: Path) -> list[Path]:
    """Audio files of a folder and its subfolders, in order. Raises AudioError without any."""
    found = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not found:
        raise AudioError(f"{folder}: has no audio files ({', '.join(FORMATS)})")
    return found


def byte_pieces(stream: BinaryIO, rate: int, name: str = "standard input") -> Iterator[Samples]:
    """Pieces of a running stream of bytes, as they arrive.

    A WAV file (16 bit or float32, one channel; its header may leave the length open) tells its rate
    itself; anything else is raw 16 bit, little-endian, one channel, at ``rate``.

    Raises AudioError for another kind of WAV, and a stream that ends inside a sample.
    """
    dtype, scale, left, start = "<i2", 1 / 32768, -1, _read(stream, 4)
    if start == b"RIFF":
        rate, dtype, scale, left = _wav_header(stream, name)
        start = b""
    resampler, width, rest = Resampler(name, rate), np.dtype(dtype).itemsize, start
    while left and (content := _some(stream, left)):
        left -= len(content) if left > 0 else 0
        rest += content
        whole = len(rest) // width * width
        yield resampler.push(np.frombuffer(rest[:whole], dtype).astype(np.float32) * scale)
        rest = rest[whole:]
    if rest or left > 0:
        raise AudioError(f"{name}: cut short: it ends inside of a sample or of what it promised")
    yield resampler.push(np.empty(0, np.float32), last=True)


def _read(stream: BinaryIO, size: int) -> bytes:
    """``size`` bytes, fewer at the end."""
    found = b""
    while len(found) < size and (content := stream.read(size - len(found))):
        found += content
    return found


def _some(stream: BinaryIO, left: int) -> bytes:
    """Bytes that are there, at least one until the end."""
    most = PIECE_BYTES if left < 0 else min(PIECE_BYTES, left)
    read = getattr(stream, "read1", stream.read)
    return read(most)


def _wav_header(stream: BinaryIO, name: str) -> tuple[int, str, float, int]:
    """Rate, type and scale of samples, and bytes of data (-1: unknown), behind ``RIFF``."""
    if _read(stream, 8)[4:] != b"WAVE":
        raise AudioError(f"{name}: begins like WAV and is none")
    described, seen = b"", 0
    while True:
        head = _read(stream, 8)
        if len(head) < 8:
            raise AudioError(f"{name}: a WAV file without data")
        kind, size = head[:4], struct.unpack("<I", head[4:])[0]
        if kind == b"data":
            break
        seen += 8 + size
        if seen > HEADER_BYTES:
            raise AudioError(f"{name}: a WAV header of more than {HEADER_BYTES} bytes")
        content = _read(stream, size + size % 2)
        described = content if kind == b"fmt " else described
    if len(described) < 16:
        raise AudioError(f"{name}: a WAV file that does not say what it holds")
    tag, channels, rate = struct.unpack("<HHI", described[:8])
    (bits,) = struct.unpack("<H", described[14:16])
    if tag == _EXTENSIBLE and len(described) >= 26:
        (tag,) = struct.unpack("<H", described[24:26])
    if (tag, bits) not in _ENCODINGS or channels != 1:
        raise AudioError(
            f"{name}: WAV of kind {tag} with {bits} bits and {channels} channels, needs 16 bit or "
            "float32 in one channel; convert it"
        )
    open_end = size == 0 or size >= 0x7FFF_0000
    return rate, *_ENCODINGS[tag, bits], -1 if open_end else size


def microphone_pieces(device: int | str | None = None, timeout: float = 5.0) -> Iterator[Samples]:
    """Pieces from a microphone (package ``sounddevice``), without end.

    ``device``: number or part of the name of an input; None takes the system's. When pieces
    are not taken for 8 s, some are lost, and the stream ends with an error.
    Raises ToolError without the package, PortAudio or such a device, AudioError when no sound comes
    for ``timeout`` seconds, or pieces were lost.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise ToolError(
            "a microphone needs the package sounddevice and PortAudio: `pip install "
            f"'twofold[live]'`, and libportaudio2 on Linux ({error})"
        ) from error
    queue: Queue[Samples] = Queue(QUEUED)
    lost: list[str] = []

    def callback(content: Samples, _frames: int, _time: object, status: object) -> None:
        if status:
            lost.append(str(status))
        try:
            queue.put_nowait(content[:, 0].copy())
        except Full:
            lost.append("pieces were not taken in time")

    size = round(PIECE_SECONDS / 4 * RATE)
    try:
        with sounddevice.InputStream(
            RATE, size, device, channels=1, dtype="float32", callback=callback
        ):
            while not lost:
                yield queue.get(timeout=timeout)
    except Empty as error:
        raise AudioError(f"microphone: no sound for {timeout:g} s") from error
    except (ValueError, sounddevice.PortAudioError) as error:
        raise ToolError(f"no microphone: {error}; `--microphone` takes its name") from error
    raise AudioError(f"microphone: sound was lost: {lost[0]}")


def at_pace(pieces: Iterable[Samples]) -> Iterator[Samples]:
    """Pieces no faster than they would be spoken."""
    begun, given = time.monotonic(), 0
    for piece in pieces:
        given += len(piece)
        time.sleep(max(begun + given / RATE - time.monotonic(), 0))
        yield piece
