"""How a command ends: with an exit code, at most one line, and nothing left behind.

Whatever goes wrong outside the program, from a full disk to a signal, unwinds it in the ordinary
way, so that scratch folders are removed and child processes ended.
"""

import errno
import gc
import io
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from twofold.hw.contract.errors import FileError, ToolError, TwofoldError

EXIT_INTERRUPTED = 128 + signal.SIGINT
EXIT_PIPE_CLOSED = 128 + signal.SIGPIPE
"""As if the signal that Python ignores had ended the process: nobody reads the rest, nothing is
said.
"""
LONGEST = 2000
"""Characters of a line: names of files may be longer than anybody reads."""
_OUTPUT_ERRORS = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)
ENDING = (signal.SIGTERM, signal.SIGHUP)
EXITS = tuple(128 + number for number in ENDING)


def ended(work: Callable[[], int]) -> int:
    """Exit code of ``work``; an error becomes one line on standard error and the code of its kind.

    A signal of `ENDING` ends ``work`` by SystemExit, and gives 128 and its number.
    """
    _prepare_streams()
    with warnings.catch_warnings():
        found = _code(work)
        if found:
            gc.collect()  # half-made objects complain as they are freed, which helps nobody
    return found


def _code(work: Callable[[], int]) -> int:
    try:
        with _ended_by_signals():
            try:
                return work()
            except BaseException:
                warnings.simplefilter("ignore")
                raise
            finally:
                sys.stdout.flush()
    except TwofoldError as error:
        return _say(error)
    except OSError as error:
        return _after_system_error(error)
    except MemoryError:
        return _say(ToolError("there is not enough memory for this; ask for less at a time"))
    except KeyboardInterrupt:
        return _interrupted()
    except SystemExit as stop:
        if stop.code in EXITS:
            return int(stop.code)
        raise
    except Exception as error:
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        return _interrupted()  # which Python wraps where a class is being made


def _interrupted() -> int:
    _say(TwofoldError("interrupted"))
    return EXIT_INTERRUPTED


def _say(error: TwofoldError) -> int:
    text = " ".join(str(error).split())
    if len(text) > LONGEST:
        text = f"{text[: LONGEST // 2]} ... {text[-LONGEST // 2 :]}"
    with suppress(OSError):
        print(f"twofold: {text}", file=sys.stderr)
    return error.exit_code


def _after_system_error(error: OSError) -> int:
    """Exit code after an error that no reader or writer has explained."""
    if error.filename is not None or error.errno not in _OUTPUT_ERRORS:
        place = "" if error.filename is None else f"{os.fsdecode(error.filename)}: "
        return _say(FileError(f"{place}{error.strerror or error}"))
    # Python would try once more to write what is left, as it exits.
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return EXIT_PIPE_CLOSED
    return _say(FileError(f"standard output: cannot be written: {error.strerror or error}"))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Signals of `ENDING` raise SystemExit; a second one ends the process at once."""

    def end(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise SystemExit(128 + number)

    before = {}
    try:
        with suppress(ValueError):  # only a main thread may do this
            for number in ENDING:
                if signal.getsignal(number) == signal.SIG_DFL:  # not where it is ignored: nohup
                    before[number] = signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _prepare_streams() -> None:
    """Print names of files as the bytes that they are, where these are no text; and nothing where
    a stream is closed.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, io.StringIO())
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="surrogateescape")
