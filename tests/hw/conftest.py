"""Proofs by SAT that cells of the device do what the behaviour in their place does."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from twofold.hw.tools.yosys import run_yosys

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
        return run_yosys("-q", "-p", script, cwd=tmp_path)

    return prove
