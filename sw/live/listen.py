"""Words of several sources at once, as they are found."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue

from twofold.hw.contract.errors import TwofoldError
from twofold.sw.artefacts.decision import Decision
from twofold.sw.data.audio import Samples
from twofold.sw.live.decide import Decider, Word
from twofold.sw.live.feed import feeding
from twofold.sw.live.streams import Streams

AT_ONCE = 8
"""Sources that are heard at the same time."""


@dataclass(frozen=True)
class Source:
    """Audio to listen to: a name for display, and what opens it and gives its pieces."""

    name: str
    pieces: Callable[[], Iterable[Samples]]


@dataclass(frozen=True)
class Ended:
    """A source has ended.

    Attributes
    ----------
    seconds: heard.
    delays: seconds from the arrival of each window's last sample to its result.
    error: why it ended early; None at its end.
    """

    seconds: float
    delays: tuple[float, ...]
    error: TwofoldError | None = None


Event = tuple[Source, Word | Ended]


def listen(
    streams: Streams, sources: Sequence[Source], decision: Decision, at_once: int = AT_ONCE
) -> Iterator[Event]:
    """Words as they are found, and an `Ended` for every source, ``at_once`` of them at a time.

    A source that fails does not stop the others. Raises InputError for a network without words.
    """
    Decider(streams.network, decision)
    events: SimpleQueue[Event | BaseException] = SimpleQueue()
    waiting = iter(sources)
    lock = threading.Lock()

    def work() -> None:
        try:
            while True:
                with lock:
                    source = next(waiting, None)
                if source is None:
                    return
                _hear(streams, source, decision, lambda what, of=source: events.put((of, what)))
        except BaseException as error:  # raised again where the events are taken
            events.put(error)

    for number in range(min(at_once, len(sources))):
        threading.Thread(target=work, name=f"listen {number}", daemon=True).start()
    left = len(sources)
    while left:
        event = events.get()
        if isinstance(event, BaseException):
            raise event
        left -= isinstance(event[1], Ended)
        yield event


def _hear(
    streams: Streams, source: Source, decision: Decision, found: Callable[[Word | Ended], None]
) -> None:
    """Hear one source to its end."""
    decider, delays, seconds, error = Decider(streams.network, decision), [], 0.0, None
    try:
        stream = streams.open(source.name)
        with feeding(stream, source.pieces()):
            for window in stream:
                delays.append(window.delay)
                seconds = window.end
                if word := decider.push(window):
                    found(word)
    except TwofoldError as reason:
        error = reason
    found(Ended(seconds, tuple(delays), error))
