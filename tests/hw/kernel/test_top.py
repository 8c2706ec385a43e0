"""The kernel's Verilog: names that Vitis knows, and Verilator has nothing to say about it."""

import os
import re
import subprocess

import pytest

from twofold.hw.contract.regs import CONTROL_PORT, KERNEL_NAME, MEMORY_PORT
from twofold.hw.contract.target import Target
from twofold.hw.kernel.kernel import Kernel
from twofold.hw.kernel.top import kernel_ports, kernel_verilog
from twofold.sim.rtl.verilate import verilator_root

AXI4 = """awid awaddr awlen awsize awburst awcache awprot awvalid awready wdata wstrb wlast wvalid
    wready bid bresp bvalid bready arid araddr arlen arsize arburst arcache arprot arvalid arready
    rid rdata rresp rlast rvalid rready"""
LITE = """awaddr awvalid awready wdata wstrb wvalid wready bresp bvalid bready araddr arvalid
    arready rdata rresp rvalid rready"""


@pytest.fixture
def verilog(sum_core):
    kernel = Kernel(sum_core())
    return kernel_ports(kernel), kernel_verilog(kernel)


def test_ports_have_the_names_that_vitis_infers_interfaces_from(verilog):
    ports, text = verilog
    wanted = {f"{CONTROL_PORT}_{name}" for name in LITE.split()}
    wanted |= {f"{MEMORY_PORT}_{name}" for name in AXI4.split()} | {"interrupt"}
    assert {port.name for port in ports} == wanted
    top = text[text.index(f"module {KERNEL_NAME} (") :]
    header = top[: top.index(");")]
    assert set(re.findall(r"wire (?:\[\d+:0\] )?(\w+)", header)) == wanted | {"ap_clk", "ap_rst_n"}
    widths = {port.name: port.bits for port in ports}
    assert widths["m_axi_gmem_rdata"] == widths["m_axi_gmem_wdata"] == 512
    assert widths["m_axi_gmem_araddr"] == 64


def test_verilator_accepts_it(verilog, tmp_path):
    _, text = verilog
    path = tmp_path / "kernel.v"
    path.write_text(text)
    command = ["perl", str(verilator_root() / "bin" / "verilator"), "--lint-only"]
    command += [
        "--top-module",
        KERNEL_NAME,
        "-Wno-lint",
        "-Wwarn-PINMISSING",
        "-Wno-SYMRSVDWORD",
        str(path),
    ]
    environment = {"VERILATOR_ROOT": str(verilator_root()), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_assertions_are_for_simulation_alone(sum_core, verilog):
    assert "assert" in verilog[1]
    assert "assert" not in kernel_verilog(Kernel(sum_core()), target=Target.XCUP)
