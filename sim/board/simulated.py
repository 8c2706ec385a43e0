"""The top of a board's design in cycle-accurate simulation, behind a pseudo-terminal."""

import ctypes
import os
import threading
import tty
from collections.abc import Callable
from pathlib import Path

from twofold.hw.contract.closing import Closing
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.progress import Report, silent
from twofold.hw.verilog.station import MACHINE, station_verilog
from twofold.hw.verilog.writer import Verilog
from twofold.sim.rtl.library import shared_library

HARNESS = Path(__file__).with_name("harness.cpp")
BIT_CYCLES = 4
"""Cycles of a bit on the line."""
BAUD = 3_000_000
SLICE = 4096
"""Cycles between two looks at the terminal."""
AWAKE = 1 << 21
"""Cycles that it runs on after the last byte; then it sleeps until there is another."""
CHUNK = 1024

Wire = Callable[[bytes], bytes]
"""What a line makes of bytes."""


class SimulatedBoard(Closing):
    """A board that runs in a thread. Use as a context manager, or `close` it.

    Parameters
    ----------
    library: built by `board_library`.
    to_board, from_board: what the line does to the bytes in each direction; nothing by default.

    Attributes
    ----------
    port: terminal to open instead of a serial port.
    cycles: simulated so far.
    """

    def __init__(self, library: Path, *, to_board: Wire = bytes, from_board: Wire = bytes) -> None:
        self._c = ctypes.CDLL(str(library))
        self._c.board_new.restype = ctypes.c_void_p
        self._c.board_delete.argtypes = [ctypes.c_void_p]
        self._c.board_run.restype = ctypes.c_uint64
        self._c.board_run.argtypes = [
            ctypes.c_void_p, ctypes.c_uint64, ctypes.c_char_p, ctypes.c_uint64, ctypes.c_void_p
        ]  # fmt: skip
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self._to_board, self._from_board = to_board, from_board
        self.cycles = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="board", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop, as if the board was unplugged; idempotent."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            os.close(self._slave)
            os.close(self._master)

    def _run(self) -> None:
        board = ctypes.c_void_p(self._c.board_new())
        out = (ctypes.c_uint8 * SLICE)()
        waiting, quiet = b"", 0
        try:
            while not self._ended.is_set():
                waiting += self._to_board(self._arrived())
                if not waiting and quiet > AWAKE:
                    self._ended.wait(0.002)
                    continue
                moved = self._c.board_run(board, SLICE, waiting, len(waiting), out)
                taken, said = moved & 0xFFFFFFFF, moved >> 32
                waiting = waiting[taken:]
                self.cycles += SLICE
                quiet = 0 if taken or said else quiet + SLICE
                if said:
                    self._say(self._from_board(bytes(out[:said])))
        finally:
            self._c.board_delete(board)

    def _arrived(self) -> bytes:
        try:
            return os.read(self._master, CHUNK)
        except BlockingIOError:
            return b""

    def _say(self, content: bytes) -> None:
        while content and not self._ended.is_set():
            try:
                content = content[os.write(self._master, content) :]
            except BlockingIOError:
                self._ended.wait(0.001)


def board_library(
    network: Network,
    folding: Folding,
    build: Path,
    *,
    bit_cycles: int = BIT_CYCLES,
    report: Report = silent,
) -> Path:
    """Library of the machine for a network and folding behind a serial line, built at most once.

    Raises FoldingError if the folding does not fit, ToolError if a program is missing or fails.
    """
    verilog = station_verilog(
        network, folding, build, clock_hz=bit_cycles * BAUD, baud=BAUD, report=report
    )
    return station_library(verilog, build, bit_cycles=bit_cycles, report=report)


def station_library(
    verilog: Verilog, build: Path, *, bit_cycles: int, report: Report = silent
) -> Path:
    """Library of Verilog with the ports of a station. Raises ToolError if a program is missing."""
    return shared_library(
        verilog,
        HARNESS,
        build / "library",
        top=MACHINE,
        headers={"board.h": f"#define BIT_CYCLES {bit_cycles}\n"},
        report=report,
    )
