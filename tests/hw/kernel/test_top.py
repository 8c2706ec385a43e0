"""The kernel's Verilog: names that Vitis knows, and Verilator has nothing to say about it."""

import os
import re
import subprocess

import pytest

from twofold.hw.contract.presets import folding, network
from twofold.hw.contract.regs import CONTROL_PORT, KERNEL_NAME, MEMORY_PORT
from twofold.hw.contract.target import Target
from twofold.hw.kernel.kernel import Kernel
from twofold.hw.kernel.top import (
    OFFERS,
    RESET_FANOUT,
    RESET_NET,
    RESET_STAGES,
    kernel_ports,
    kernel_verilog,
)
from twofold.hw.machine.core import Core
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


def test_everything_offered_falls_with_the_reset(verilog):
    """Every VALID that the kernel drives; the bench of whole kernels watches them."""
    ports, text = verilog
    driven = {port.name for port in ports if port.name.endswith("valid") and not port.into}
    assert driven == set(OFFERS)
    for name in driven:
        assert f"assign {name} = {name}_inside & awake;" in text


def test_the_reset_is_registered_and_its_last_stage_is_copied(verilog):
    top = verilog[1][verilog[1].index(f"module {KERNEL_NAME} (") :]
    assert f"(* max_fanout = {RESET_FANOUT} *) reg {RESET_NET} = 1'b1;" in top
    assert f"reg [{RESET_STAGES - 2}:0] reset = " in top
    assert f".rst({RESET_NET})" in top


def test_no_assertion_is_in_a_whole_vendor_kernel():
    text = kernel_verilog(Kernel(Core(network("tiny"), folding("tiny"))), target=Target.XCUP)
    assert not re.search(r"\b(assert|assume|cover|restrict)\b", text)
    assert "DSP48E2 " in text


def test_assertions_are_for_simulation_alone(sum_core, verilog):
    assert "assert" in verilog[1]
    assert "assert" not in kernel_verilog(Kernel(sum_core()), target=Target.XCUP)
