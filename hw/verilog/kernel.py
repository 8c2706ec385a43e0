"""Verilog of a machine's kernel, cached by the content of everything that it is made from."""

from pathlib import Path

from twofold.hw.contract.cache import cached
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.progress import Report, silent
from twofold.hw.contract.target import Target
from twofold.hw.kernel.kernel import Kernel
from twofold.hw.kernel.top import kernel_ports, kernel_verilog
from twofold.hw.machine.core import Core
from twofold.hw.verilog.machine import OUTSIDE_KERNEL, machine_key
from twofold.hw.verilog.writer import Verilog, read_verilog, write_files


def machine_kernel(
    network: Network,
    folding: Folding,
    build: Path,
    *,
    target: Target = Target.MODEL,
    report: Report = silent,
) -> Verilog:
    """Verilog of the kernel for a network and folding, built at most once for the same sources and
    parameters.

    The top module is `twofold.hw.contract.regs.KERNEL_NAME` with clock ``ap_clk`` and reset
    ``ap_rst_n``.

    Parameters
    ----------
    build: directory for generated files; the Verilog goes to its ``verilog/``.
    target: what primitives become.

    Raises
    ------
    FoldingError: the folding does not fit the network, or not 64-byte beats.
    ToolError: Yosys is missing.
    """
    key = machine_key(network, folding, OUTSIDE_KERNEL, kernel=True, target=target.value)

    def make(directory: Path) -> None:
        report("elaborate", 0, 1)
        kernel = Kernel(Core(network, folding))
        write_files(directory, kernel_verilog(kernel, target=target), kernel_ports(kernel))
        report("elaborate", 1, 1)

    return read_verilog(cached(build / "verilog" / f"{network.name}-kernel-{key}", make))
