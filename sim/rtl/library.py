"""A Verilated model as a C library: built from Verilog, cached, driven through ctypes.

`harness.cpp` contains the cycle loop. It fits every top module with the ports of the core:
``parameters``, ``i``, ``o``, ``status``, ``busy``, any number of probes, each with ``valid`` and
``payload``, and optionally ``counter_number`` and ``counter_total``.
"""

import ctypes
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.closing import Closing
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import write_text
from twofold.hw.contract.progress import Report, silent
from twofold.hw.tools.text import renumbered
from twofold.hw.verilog.writer import Port, Verilog
from twofold.sim.rtl.verilate import FLAGS, Program, verilate

HARNESS = Path(__file__).with_name("harness.cpp")
LIBRARY = "machine.so"
PROBE = "probe"
COUNTER = "counter_total"
Bytes = NDArray[np.uint8]
Cycles = NDArray[np.uint64]


class Outcome(IntEnum):
    """Why the harness returned."""

    RUNNING = 0
    DONE = 1
    STALLED = 2


def storage_bytes(bits: int) -> int:
    """Bytes in which Verilator stores a port of a given width."""
    for size in (1, 2, 4, 8):
        if bits <= 8 * size:
            return size
    return 4 * -(-bits // 32)


def cpp_name(port: str) -> str:
    """Name of a port in Verilated C++, which escapes consecutive underscores."""
    return port.replace("__", "___05F")


def probe_ports(ports: Sequence[Port]) -> list[Port]:
    """Payload ports of the probes, in order."""
    return [
        port
        for port in ports
        if port.name.startswith(PROBE) and port.name.endswith("__payload") and not port.into
    ]


def build_library(
    verilog: Verilog,
    build: Path,
    report: Report = silent,
    *,
    optimise: bool = True,
    flags: Sequence[str] = (),
) -> Path:
    """Shared library of a core's Verilog, built once for the same content. Raises ToolError.

    ``optimise``, ``flags``: see `Program`.
    """
    probes = [
        f"X({cpp_name(port.name.removesuffix('payload') + 'valid')}, {cpp_name(port.name)})"
        for port in probe_ports(verilog.ports)
    ]
    header = f"#define PROBES(X) {' '.join(probes)}\n"
    if COUNTER in {port.name for port in verilog.ports}:
        header += "#define COUNTERS\n"
    return shared_library(
        verilog,
        HARNESS,
        build / "library",
        headers={"ports.h": header},
        optimise=optimise,
        flags=flags,
        report=report,
    )


def shared_library(
    verilog: Verilog,
    harness: Path,
    directory: Path,
    *,
    top: str = "core",
    headers: Mapping[str, str] | None = None,
    optimise: bool = True,
    flags: Sequence[str] = (),
    report: Report = silent,
) -> Path:
    """Shared library of Verilog with a C++ harness around it, built once for the same content.

    Parameters
    ----------
    directory: where libraries are cached, each in its own directory.
    top: name of the top module.
    headers: files that the harness includes, by name.
    optimise, flags: see `Program`; files that flags name have names that follow their content.

    Raises ToolError.
    """
    headers = headers or {}
    program = Program(
        sources=(harness,),
        output=LIBRARY,
        top=top,
        flags=flags,
        compile_flags="-fPIC -fno-gnu-unique",
        link_flags="-shared",
        optimise=optimise,
    )
    hardware, _ = renumbered(verilog.text)
    sources = [hardware, harness.read_bytes(), *FLAGS, *flags, *program.make_variables]
    key = digest([*sources, *headers.values(), top, version("verilator")])

    def make(scratch: Path) -> None:
        work = scratch / "work"
        work.mkdir()
        for name, text in headers.items():
            write_text(work / name, text)
        started = time.perf_counter()
        verilate(verilog.path, work, program, directory, report).rename(scratch / LIBRARY)
        write_text(scratch / "seconds", f"{time.perf_counter() - started:.1f}\n")
        for path in work.glob("*"):
            if path.suffix in (".o", ".a", ".gch"):
                path.unlink()

    name = verilog.path.parent.name.rpartition("-")[0] or verilog.path.parent.name
    return cached(directory / f"{name}-{key}", make) / LIBRARY


@dataclass(frozen=True, kw_only=True)
class Drive:
    """How a run is driven.

    Parameters
    ----------
    seed: seed for all randomness.
    gap: probability of an idle cycle before an input beat, 0..1.
    stall: probability of a cycle in which a result is not taken, 0..1.
    timeout: cycles without any transfer that count as a hang.
    """

    seed: int = 1
    gap: float = 0.0
    stall: float = 0.0
    timeout: int = 1 << 20


class Model(Closing):
    """An instance of a Verilated core. Use as a context manager, or `close` it.

    Parameters
    ----------
    library: built by `build_library` from Verilog with ``ports``.
    """

    SLICE = 0.2
    """Seconds between progress checks in a long run."""

    def __init__(self, library: Path, ports: Sequence[Port]) -> None:
        self._c = _bind(library)
        self._machine: ctypes.c_void_p | None = ctypes.c_void_p(self._c.machine_new())
        self._sizes = {port.name: storage_bytes(port.bits) for port in ports}
        self._probes = [storage_bytes(port.bits) for port in probe_ports(ports)]
        self._kept: list[np.ndarray] = []
        self._rate = 1000

    def close(self) -> None:
        """Free the instance."""
        if self._machine is not None:
            self._c.machine_delete(self._machine)
            self._machine = None

    def size(self, port: str) -> int:
        """Bytes per beat of a port."""
        return self._sizes[port]

    @property
    def cycle(self) -> int:
        """Cycles since reset."""
        return self._c.machine_cycle(self._machine)

    @property
    def status(self) -> int:
        """The ``status`` output."""
        return self._c.machine_status(self._machine)

    def send_parameters(self, beats: Bytes, drive: Drive, report: Report = silent) -> None:
        """Send beats ``[n, size("parameters__payload")]`` on ``parameters``, and wait for the
        loader to finish. Raises ToolError if nothing moves for ``drive.timeout`` cycles.
        """
        self._check(beats, "parameters__payload")
        self._drive(drive)
        self._c.machine_send_parameters(self._machine, _pointer(beats), len(beats))
        self._finish("load", 0, report)

    def exchange(
        self,
        beats: Bytes,
        beats_per_sample: int,
        drive: Drive,
        report: Report = silent,
        *,
        behind: Bytes | None = None,
        beats_per_result: int = 1,
    ) -> tuple[Bytes, Cycles, Cycles]:
        """Send samples and take one result for each; an image may follow immediately ``behind``
        them.

        Returns the result beats ``[samples * beats_per_result, size("o__payload")]``, the cycle in
        which the first beat of each sample was taken, and the cycle in which the last beat of each
        result was taken. Raises ToolError if nothing moves for ``drive.timeout`` cycles.
        """
        self._check(beats, "i__payload")
        samples = len(beats) // beats_per_sample
        count = samples * beats_per_result
        results = np.zeros((count, self.size("o__payload")), np.uint8)
        started, finished = np.zeros(samples, np.uint64), np.zeros(count, np.uint64)
        self._kept = [beats, results, started, finished]
        if behind is not None:
            self._check(behind, "parameters__payload")
            self._kept.append(behind)
            self._c.machine_send_parameters(self._machine, _pointer(behind), len(behind))
        self._drive(drive)
        self._c.machine_send_samples(
            self._machine, _pointer(beats), samples, beats_per_sample, _pointer(started)
        )
        self._c.machine_receive(self._machine, _pointer(results), count, _pointer(finished))
        self._finish("samples", samples, report, beats_per_result)
        return results, started, finished[beats_per_result - 1 :: beats_per_result]

    def probe(self, index: int) -> Bytes:
        """Beats that a probe has seen since the last `clear_probes`: ``[beats, bytes]``."""
        pointer = ctypes.POINTER(ctypes.c_uint8)()
        size = self._c.machine_probe(self._machine, index, ctypes.byref(pointer))
        seen = np.ctypeslib.as_array(pointer, (size,)).copy() if size else np.zeros(0, np.uint8)
        return seen.reshape(-1, self._probes[index])

    def counter(self, number: int, cycles: int) -> int:
        """Value of a counter, ``cycles`` cycles from now; 0 in a core without counters."""
        return self._c.machine_counter(self._machine, number, cycles)

    def clear_probes(self) -> None:
        """Discard what the probes have seen."""
        self._c.machine_clear_probes(self._machine)

    def _check(self, beats: Bytes, port: str) -> None:
        if beats.dtype != np.uint8 or beats.ndim != 2 or beats.shape[1] != self.size(port):
            raise ValueError(
                f"beats on {port} are uint8 [n, {self.size(port)}], not {beats.dtype} {beats.shape}"
            )
        if not beats.flags.c_contiguous:
            raise ValueError(f"beats on {port} are not contiguous")

    def _drive(self, drive: Drive) -> None:
        chances = (round(65536 * drive.gap), round(65536 * drive.stall))
        self._c.machine_configure(self._machine, drive.seed, *chances, drive.timeout)

    def _finish(self, step: str, total: int, report: Report, beats: int = 1) -> None:
        while True:
            begun, first = time.perf_counter(), self.cycle
            outcome = self._c.machine_step(self._machine, self._rate)
            received = self._c.machine_received(self._machine) // beats
            report(step, received if total else 0, total)
            if outcome == Outcome.DONE:
                return
            if outcome == Outcome.STALLED:
                message = self._stalled(step, received)
                self._abandon()
                raise ToolError(message)
            seconds = time.perf_counter() - begun
            self._rate = max(1000, round((self.cycle - first) * self.SLICE / max(seconds, 1e-6)))

    def _abandon(self) -> None:
        """Drop everything not yet sent or received."""
        self._c.machine_send_parameters(self._machine, None, 0)
        self._c.machine_send_samples(self._machine, None, 0, 1, None)
        self._c.machine_receive(self._machine, None, 0, None)

    def _stalled(self, step: str, received: int) -> str:
        sent = self._c.machine_sent(self._machine)
        return (
            f"simulation hangs in {step} at cycle {self.cycle}: "
            f"{sent} beats of samples taken, {received} results given"
        )


def _bind(library: Path) -> ctypes.CDLL:
    c = ctypes.CDLL(str(library))
    machine, size, chance, pointer = (
        ctypes.c_void_p,
        ctypes.c_uint64,
        ctypes.c_uint32,
        ctypes.c_void_p,
    )
    signatures = {
        "machine_new": (machine, []),
        "machine_delete": (None, [machine]),
        "machine_configure": (None, [machine, chance, chance, chance, size]),
        "machine_send_parameters": (None, [machine, pointer, size]),
        "machine_send_samples": (None, [machine, pointer, size, size, pointer]),
        "machine_receive": (None, [machine, pointer, size, pointer]),
        "machine_step": (ctypes.c_int, [machine, size]),
        "machine_cycle": (size, [machine]),
        "machine_sent": (size, [machine]),
        "machine_received": (size, [machine]),
        "machine_status": (ctypes.c_int, [machine]),
        "machine_probe": (size, [machine, ctypes.c_uint, pointer]),
        "machine_clear_probes": (None, [machine]),
        "machine_counter": (size, [machine, ctypes.c_uint, size]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(c, name)
        function.restype, function.argtypes = result, arguments
    return c


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)
