"""Listening to several sources: their words, their ends, and failures of single ones."""

import threading
from collections.abc import Iterator

import numpy as np
import pytest

from twofold.sw.artefacts.decision import Decision
from twofold.sw.errors import AudioError
from twofold.sw.live import Decider, Streams, Window, Word
from twofold.sw.live.feed import feeding
from twofold.sw.live.listen import Ended, Source, listen

EASY = Decision(threshold=0.4)


def pieces(sound: np.ndarray) -> Iterator[np.ndarray]:
    yield from np.array_split(sound, 40)


def broken(sound: np.ndarray) -> Iterator[np.ndarray]:
    yield sound[: len(sound) // 2]
    raise AudioError("b: the cable is loose")


def windows(samples: int) -> int:
    return (-(-samples // 512) - 30) // 2


def test_words_of_all_sources(network, accelerator, sound, expected) -> None:
    """Those of each source's own windows; one that breaks off gives what it had."""
    decider = Decider(network, EASY)
    heard = [
        Window(index, index * 0.064, logits, 0.0, 0.0)
        for index, logits in enumerate(expected(sound))
    ]
    spoken = [word.label for word in map(decider.push, heard) if word]
    sources = [Source(f"a{n}", lambda: pieces(sound)) for n in range(3)]
    sources.insert(1, Source("b", lambda: broken(sound)))
    words: dict[str, list[str]] = {source.name: [] for source in sources}
    ends: dict[str, Ended] = {}
    with Streams(accelerator, network) as streams:
        for source, what in listen(streams, sources, EASY, at_once=2):
            if isinstance(what, Word):
                assert source.name not in ends and 0 <= what.time < what.found
                words[source.name].append(what.label)
            else:
                ends[source.name] = what
    assert ends.keys() == words.keys() and spoken
    for n in range(3):
        assert words[f"a{n}"] == spoken
        end = ends[f"a{n}"]
        assert end.error is None and end.seconds == pytest.approx(len(sound) / 16000, abs=0.1)
        assert len(end.delays) == windows(len(sound))
    assert str(ends["b"].error) == "b: the cable is loose"
    assert words["b"] == spoken[: len(words["b"])] and len(words["b"]) < len(spoken)


def test_feeding_ends_with_the_reader(network, accelerator, sound) -> None:
    """A reader that stops does not leave a writer behind."""

    def endless() -> Iterator[np.ndarray]:
        while True:
            yield sound

    before = threading.active_count()
    with Streams(accelerator, network) as streams:
        stream = streams.open()
        with pytest.raises(KeyError), feeding(stream, endless()):
            assert stream.read(60.0)
            raise KeyError
        for thread in threading.enumerate():
            if thread.name == "stream feed":
                thread.join(60.0)
    assert threading.active_count() == before


def test_an_error_in_the_source_comes_behind_its_windows(network, accelerator, sound) -> None:
    with Streams(accelerator, network) as streams:
        stream, found = streams.open(), []
        with pytest.raises(AudioError, match="loose"), feeding(stream, broken(sound)):
            found += list(stream)
    assert len(found) == windows(len(sound) // 2)
