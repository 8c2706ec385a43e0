"""One case in a process of its own: limited in time and memory, and without any rights."""

import contextlib
import faulthandler
import os
import pwd
import resource
import signal
import sys
import traceback
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from twofold.hw.contract.errors import ToolError
from twofold.sim.fuzz.readers import Reader

USER = "nobody"
"""Who reads where the job was started by root."""
LINE = 4000
"""Characters of a message beyond which it is no line that anybody reads."""


class Outcome(Enum):
    """How a case ended. All but the first two are faults."""

    READ = "read"
    REFUSED = "refused"
    TRACEBACK = "traceback"
    HANG = "hang"
    MEMORY = "memory"
    DIED = "died"

    @property
    def faulty(self) -> bool:
        """Whether somebody has to mend something."""
        return self not in (Outcome.READ, Outcome.REFUSED)


@dataclass(frozen=True)
class Limits:
    """What a case may take.

    Attributes
    ----------
    seconds: of time on the clock.
    megabytes: of memory beyond what the process has when it begins.
    """

    seconds: float = 20.0
    megabytes: int = 1024


def ordinary_user() -> tuple[int, int] | None:
    """User and group to become; None where the job is an ordinary user's already.

    Raises ToolError if root has nobody to become.
    """
    if os.geteuid():
        return None
    try:
        found = pwd.getpwnam(USER)
    except KeyError as error:
        raise ToolError(f"nothing is fuzzed as root, and there is no user {USER!r}") from error
    return found.pw_uid, found.pw_gid


def run_case(reader: Reader, path: Path, limits: Limits) -> tuple[Outcome, str]:
    """How reading ``path`` ends, and the text of a fault."""
    source, target = os.pipe()
    begun = _resident()
    child = os.fork()
    if not child:
        os.close(source)
        _child(reader, path, limits, target)
    os.close(target)
    with os.fdopen(source, "rb") as file:
        said = file.read().decode(errors="replace")
    # The peak of a forked process begins with what it is given, not with its parent's peak.
    _, status, usage = os.wait4(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGALRM:
            return Outcome.HANG, f"not done after {limits.seconds:g} s"
        return Outcome.DIED, f"signal {number}\n{said}"
    kind, _, text = said.partition("\n")
    outcome = Outcome(kind) if kind in {one.value for one in Outcome} else Outcome.DIED
    grown = usage.ru_maxrss / 1024 - begun
    if grown > limits.megabytes and not outcome.faulty:
        return Outcome.MEMORY, f"{grown:.0f} MB more than at the beginning"
    return outcome, text


def _resident() -> float:
    """Memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def _child(reader: Reader, path: Path, limits: Limits, target: int) -> None:
    """Read, and write how that ended; never returns."""
    faulthandler.disable()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limits.seconds)
    _limit_memory(limits.megabytes)
    user = ordinary_user()
    if user is not None:
        os.setgroups([])
        os.setgid(user[1])
        os.setuid(user[0])
    os.chdir(path.parent)
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    outcome, text = _attempt(reader, path)
    os.write(target, f"{outcome.value}\n{text}".encode(errors="backslashreplace")[:60_000])
    os._exit(0)


def _attempt(reader: Reader, path: Path) -> tuple[Outcome, str]:
    try:
        reader.read(path)
    except reader.refusals as error:
        if len(str(error)) > LINE:
            return Outcome.TRACEBACK, f"a message of {len(str(error))} characters"
        return Outcome.REFUSED, str(error)
    except MemoryError:
        return Outcome.MEMORY, traceback.format_exc()
    except BaseException:
        return Outcome.TRACEBACK, traceback.format_exc()
    return Outcome.READ, ""


def _limit_memory(megabytes: int) -> None:
    """Let the address space grow by so much; and leave no dumps."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + (megabytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 28, 1 << 28))
    sys.setrecursionlimit(1000)
