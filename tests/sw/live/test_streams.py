"""Streams: the windows of a whole recording whatever the pieces; order, fairness, back-pressure."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from twofold.hw.contract.shipped import machine
from twofold.sw.artefacts.input import ARRAY
from twofold.sw.data.audio import RATE
from twofold.sw.driver import Accelerator
from twofold.sw.driver.software import Classified, SoftwareDevice
from twofold.sw.driver.unpacked import UnpackedEngine
from twofold.sw.errors import AudioError, DeviceError, DeviceLostError, DeviceTimeoutError
from twofold.sw.live import Stream, Streams, Window
from twofold.sw.live.stream import ROOM, UNREAD

PATIENCE = 60.0


def feed(stream: Stream, samples: np.ndarray, rng: np.random.Generator) -> None:
    at = 0
    while at < len(samples):
        size = int(rng.integers(1, 5000))
        stream.write(samples[at : at + size], PATIENCE)
        at += size
    stream.end()


def read_all(stream: Stream) -> list[Window]:
    found: list[Window] = []
    while not stream.done:
        found += stream.read(PATIENCE)
    return found + stream.read(0)


def logits_of(windows: list[Window]) -> np.ndarray:
    return np.stack([window.logits for window in windows if window.logits is not None])


@pytest.mark.parametrize("every", [2, 4])
def test_many_streams_of_pieces(network, accelerator, sound, expected, every: int) -> None:
    """Every stream gets the logits of its own windows, in order, at the right times."""
    cuts = [sound[700 * n : 5 * RATE - 3001 * n] for n in range(4)]
    with Streams(accelerator, network, every=every) as streams:
        opened = [streams.open(f"stream {n}") for n in range(len(cuts))]
        writers = [
            threading.Thread(target=feed, args=(stream, cut, np.random.default_rng(n)))
            for n, (stream, cut) in enumerate(zip(opened, cuts, strict=True))
        ]
        for writer in writers:
            writer.start()
        found = [read_all(stream) for stream in opened]
        for writer in writers:
            writer.join()
    for cut, windows in zip(cuts, found, strict=True):
        np.testing.assert_array_equal(logits_of(windows), expected(cut, every))
        assert [w.index for w in windows] == list(range(len(windows)))
        assert [w.start for w in windows] == [w.index * every * 512 / RATE for w in windows]
        assert all(0 <= w.delay < PATIENCE for w in windows)
    assert streams.computed + streams.repeated == sum(map(len, found))


def test_a_window_comes_with_its_last_sample(network, accelerator, sound) -> None:
    with Streams(accelerator, network) as streams:
        stream = streams.open()
        stream.write(sound[: 31 * 512 + 511])
        assert stream.read(0.2) == []
        stream.write(sound[31 * 512 + 511 : 31 * 512 + 512])
        assert [w.end for w in stream.read(PATIENCE)] == [1.024]
        assert not stream.done


def test_short_stream_ends_without_windows(network, accelerator) -> None:
    with Streams(accelerator, network) as streams:
        for length in (0, 15_000):
            stream = streams.open()
            stream.write(np.zeros(length, np.float32))
            stream.end()
            assert list(stream) == [] and stream.done


def test_what_is_not_read_stops_its_own_writer_only(network, accelerator, sound, expected) -> None:
    loop = np.resize(sound, 2 * ROOM + UNREAD * 1024 + 40_000).astype(np.float32)
    with Streams(accelerator, network) as streams:
        slow, quick = streams.open("slow"), streams.open("quick")
        written = 0
        with pytest.raises(DeviceTimeoutError, match="slow: still full after 1 s"):
            for at in range(0, len(loop), 4000):
                slow.write(loop[at : at + 4000], 1.0)
                written = at + 4000
        assert not slow.room and written >= UNREAD * 1024 + ROOM
        writer = threading.Thread(target=feed, args=(quick, sound, np.random.default_rng(0)))
        writer.start()
        np.testing.assert_array_equal(logits_of(read_all(quick)), expected(sound))
        writer.join()
        slow.end()
        windows = read_all(slow)
    np.testing.assert_array_equal(logits_of(windows), expected(loop[:written]))


def test_silence_is_not_computed(network, accelerator, expected) -> None:
    silence = np.zeros(3 * RATE, np.float32)
    with Streams(accelerator, network, gate=-60.0) as streams:
        stream = streams.open()
        stream.write(silence)
        stream.end()
        windows = read_all(stream)
    assert [w.logits for w in windows] == [None] * 32
    assert (streams.computed, streams.gated) == (0, 32)
    with Streams(accelerator, network) as streams:
        stream = streams.open()
        stream.write(silence)
        stream.end()
        windows = read_all(stream)
    np.testing.assert_array_equal(logits_of(windows), expected(silence))
    assert [w.repeated for w in windows] == [False] + [True] * 31
    assert (streams.computed, streams.repeated, streams.gated) == (1, 31, 0)


def test_gate_opens_for_one_loud_frame(network, accelerator) -> None:
    samples = np.zeros(3 * RATE, np.float32)
    samples[33 * 512 - 384 : 34 * 512 - 384] = 0.1  # in frames 32 to 34
    with Streams(accelerator, network, gate=-30.0) as streams:
        stream = streams.open()
        stream.write(samples)
        stream.end()
        windows = read_all(stream)
    loud = [w.logits is not None for w in windows]
    assert loud == [w.loudness >= -30.0 for w in windows]
    assert [index for index, heard in enumerate(loud) if heard] == list(range(1, 18))


@pytest.mark.parametrize(
    ("piece", "message"),
    [
        (np.zeros(10, np.int16), r"int16\[10\], needs float32\[n\]"),
        (np.zeros((10, 2), np.float32), r"float32\[10, 2\]"),
        (np.array([0, np.nan], np.float32), "not all finite"),
        (np.full(10, 3000, np.float32), "3000 times full scale"),
    ],
)
def test_bad_pieces_are_refused_and_the_stream_lives(
    network, accelerator, sound, expected, piece: np.ndarray, message: str
) -> None:
    with Streams(accelerator, network) as streams:
        stream = streams.open("desk")
        sound = sound[:40_000]
        stream.write(sound[:20_000])
        with pytest.raises(AudioError, match=f"desk: .*{message}"):
            stream.write(piece)
        stream.write(sound[20_000:])
        stream.end()
        np.testing.assert_array_equal(logits_of(read_all(stream)), expected(sound))


def test_ends(network, accelerator, sound) -> None:
    with Streams(accelerator, network) as streams:
        stream, other = streams.open("one"), streams.open("two")
        stream.end()
        with pytest.raises(DeviceLostError, match="one: the stream has ended"):
            stream.write(sound)
        other.close()
        other.close()
        with pytest.raises(DeviceLostError, match="two: the stream is closed"):
            other.read()
        last = streams.open("three")
    with pytest.raises(DeviceLostError, match="closed"):
        last.read()
    with pytest.raises(DeviceLostError, match="closed"):
        streams.open()


def test_networks_and_hops(network, accelerator) -> None:
    deaf = replace(network, input=dict(ARRAY))
    with pytest.raises(AudioError, match="takes no audio"):
        Streams(accelerator, deaf)
    for every in (0, 3, 34):
        with pytest.raises(AudioError, match=f"every {every} frames"):
            Streams(accelerator, network, every=every)


class Failing(UnpackedEngine):
    """An engine that breaks down when it computes."""

    def run(self, inputs: np.ndarray) -> Classified:
        raise RuntimeError(f"no power for {len(inputs)} samples")


def test_a_failed_run_reaches_its_readers_and_writers(network, sound) -> None:
    folding = machine("gsc-fast-small").folding

    class Quiet:
        def close(self) -> None:
            pass

    device = SoftwareDevice(
        "broken", network.network, folding,
        lambda: Failing(network.network, folding, lambda _: Quiet()),  # type: ignore[arg-type]
    )  # fmt: skip
    with Accelerator(device) as accelerator:
        accelerator.load(network, folding)
        with Streams(accelerator, network) as streams:
            stream, idle = streams.open(), streams.open()
            stream.write(sound[:20_000])
            with pytest.raises(DeviceError, match="no power"):
                stream.read(PATIENCE)
            with pytest.raises(DeviceError, match="no power"):
                stream.write(sound)
            assert idle.room and not idle.done
