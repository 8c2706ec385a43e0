"""The kernel's Verilog under the names that Vitis expects: ``ap_clk``, ``ap_rst_n``, flat AXI."""

from collections.abc import Iterator

from twofold.hw.contract.regs import CONTROL_PORT, KERNEL_NAME, MEMORY_PORT
from twofold.hw.contract.target import Target
from twofold.hw.kernel.axi import port_name
from twofold.hw.kernel.kernel import Kernel
from twofold.hw.primitives.tile import emit
from twofold.hw.verilog.writer import Port, ports_of

CLOCK, RESET = "ap_clk", "ap_rst_n"
INNER = f"{KERNEL_NAME}_kernel"
RESET_NET = "reset_last"
RESET_STAGES = 4
RESET_FANOUT = 512
"""Registers that one copy of the last stage resets; synthesis makes as many copies as it takes."""

OFFERS = (
    *(f"{MEMORY_PORT}_{channel}valid" for channel in ("aw", "w", "ar")),
    *(f"{CONTROL_PORT}_{channel}valid" for channel in ("b", "r")),
)
"""Ports with which the kernel offers something; AXI wants them low during a reset."""


def kernel_ports(kernel: Kernel) -> tuple[Port, ...]:
    """Ports of the top module besides clock and reset, under their flat names."""
    return tuple(Port(_flat(port.name), port.bits, port.into) for port in ports_of(kernel))


def kernel_verilog(kernel: Kernel, *, target: Target = Target.MODEL) -> str:
    """Verilog of a kernel; the top module is named ``KERNEL_NAME``.

    The reset passes through `RESET_STAGES` registers; see the README of this folder for how it
    reaches all of the machine. What the kernel offers is withdrawn in the cycle in which a reset
    begins, as AXI demands, and stays so until the reset has passed through.

    Raises ToolError when Yosys is missing.
    """
    inside = emit(kernel, INNER, target=target)
    return "\n".join([inside, *_wrapper(tuple(ports_of(kernel)), inside), ""])


def split(text: str) -> tuple[str, str]:
    """The output of `kernel_verilog` as two texts: the machine, and the top module around it.

    Generated for simulation, the machine has immediate assertions, for which some tools must be
    told that it is SystemVerilog; the top module is plain Verilog.
    """
    at = text.index(f"module {KERNEL_NAME} (")
    return text[:at], text[at:]


def _flat(name: str) -> str:
    interface, separator, signal = name.rpartition("__")
    return port_name(interface, signal) if separator else signal


def _wrapper(ports: tuple[Port, ...], inside: str) -> Iterator[str]:
    declared = [f"input wire {CLOCK}", f"input wire {RESET}"]
    for port in ports:
        width = f" [{port.bits - 1}:0]" if port.bits > 1 else ""
        direction = "input" if port.into else "output"
        declared.append(f"{direction} wire{width} {_flat(port.name)}")
    header = inside[inside.index(f"module {INNER}(") :].split(";", 1)[0]
    bound = [f".clk({CLOCK})", f".rst({RESET_NET})"]
    wires = {port.name: _flat(port.name) for port in ports if port.name in header}
    offered = {inner: f"{flat}_inside" for inner, flat in wires.items() if flat in OFFERS}
    bound += [f".{inner}({offered.get(inner, flat)})" for inner, flat in wires.items()]
    yield f"module {KERNEL_NAME} (\n  " + ",\n  ".join(declared) + "\n);"
    first = RESET_STAGES - 1
    yield f'  (* shreg_extract = "no" *) reg [{first - 1}:0] reset = {{{first}{{1\'b1}}}};'
    yield f"  (* max_fanout = {RESET_FANOUT} *) reg {RESET_NET} = 1'b1;"
    yield f"  always @(posedge {CLOCK}) {{{RESET_NET}, reset}} <= {{reset, ~{RESET}}};"
    yield f"  wire awake = {RESET} & ~|{{{RESET_NET}, reset}};"
    for inner, inside in offered.items():
        yield f"  wire {inside};"
        yield f"  assign {wires[inner]} = {inside} & awake;"
    yield f"  {INNER} kernel (\n    " + ",\n    ".join(bound) + "\n  );"
    yield "endmodule"
