"""Write to a stream from a thread of its own, while its windows are read."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from twofold.sw.data.audio import Samples
from twofold.sw.errors import DeviceLostError
from twofold.sw.live.stream import Stream


@contextmanager
def feeding(stream: Stream, pieces: Iterable[Samples]) -> Iterator[None]:
    """Write ``pieces``, then end the stream, for as long as the context lasts.

    What stops the pieces ends the stream behind those that arrived, and is raised at the end of the
    context. Leaving the context early closes the stream.
    """
    stopped: list[Exception] = []

    def write() -> None:
        try:
            for piece in pieces:
                stream.write(piece)
        except DeviceLostError:  # closed below
            return
        except Exception as error:
            stopped.append(error)
        finally:
            stream.end()

    thread = threading.Thread(target=write, name=f"{stream.name} feed", daemon=True)
    thread.start()
    try:
        yield
    except BaseException:
        stream.close()
        raise
    thread.join()
    if stopped:
        raise stopped[0]
