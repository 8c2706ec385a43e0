"""The vendor's models: where they are looked for, and, where they are, that cells and machines do
what simulation says (``pytest -m unisim``).
"""

from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.shipped import machine
from twofold.hw.primitives.dsp import PackedSum
from twofold.sim.unisim.cells import CASES, Case, pair_verilog, run_cell
from twofold.sim.unisim.machines import run_machine
from twofold.sim.unisim.models import (
    CELLS,
    VARIABLE,
    VIVADO_VARIABLE,
    CellModels,
    find_models,
    with_global_reset,
)
from twofold.sim.workloads.random_network import random_inputs
from twofold.sw.artefacts import QuantizedNetwork

NETWORKS = Path(__file__).parents[3] / "sw" / "networks"
TINY = ("tiny-fast-small", "tiny-fast-full", "tiny-accurate-small", "tiny-sparse-dense-small")


def folder(at: Path) -> Path:
    """A folder with something under the name of every model."""
    at.mkdir(parents=True)
    for cell in CELLS:
        text = f"module {cell}; wire a = (A[0] === 1'bz) || A[0], b = (B !== 1'bz) && B; endmodule"
        (at / f"{cell}.v").write_text(text)
    return at


def test_models_are_where_the_environment_says(tmp_path, monkeypatch):
    own, vivado = folder(tmp_path / "own" / "unisims"), tmp_path / "vivado"
    installed = folder(vivado / "data" / "verilog" / "src" / "unisims")
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv(VIVADO_VARIABLE, str(vivado))
    assert find_models().folder == installed
    for named in (own, own.parent):
        monkeypatch.setenv(VARIABLE, str(named))
        assert find_models().folder == own
    (own / "RAM32M.v").unlink()
    with pytest.raises(ToolError, match=r"TWOFOLD_UNISIM: no DSP48E2\.v, .*RAM32M\.v in "):
        find_models()
    monkeypatch.delenv(VARIABLE)
    monkeypatch.delenv(VIVADO_VARIABLE)
    with pytest.raises(ToolError, match="set TWOFOLD_UNISIM to a folder"):
        find_models()


def test_pins_count_as_driven(tmp_path):
    """In a copy; the models themselves stay as they are."""
    models = CellModels(folder(tmp_path / "models"))
    copied = Path(models.flags(tmp_path / "build")[-1])
    assert "wire a = (1'b0) || A[0], b = (1'b1) && B;" in (copied / "DSP48E2.v").read_text()
    assert "1'bz" in (models.folder / "DSP48E2.v").read_text()


def test_the_global_reset_is_over():
    text = with_global_reset(
        "module other(a);\nendmodule\nmodule core(clk,\n  rst);\nendmodule", "core"
    )
    assert "module core(clk,\n  rst);\n  glbl glbl();\n" in text
    assert "wire GSR = 1'b0;" in text
    with pytest.raises(ToolError, match="no module kernel"):
        with_global_reset(text, "kernel")


def test_every_cell_has_a_case():
    assert {case.cell for case in CASES} == set(CELLS)
    with pytest.raises(ToolError, match="odd is not made of a URAM288"):
        pair_verilog(Case(name="odd", cell="URAM288", make=lambda: PackedSum(2)))


@pytest.fixture(scope="session")
def models() -> CellModels:
    try:
        return find_models()
    except ToolError as error:
        pytest.skip(str(error))


@pytest.mark.unisim
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_cells(case: Case, models: CellModels, build_cache: Path):
    outcome = run_cell(case, models, build_cache)
    assert outcome.mismatches == 0
    assert outcome.passed and outcome.compared > 10_000


@pytest.mark.unisim
def test_a_wrong_cell_is_found(models: CellModels, build_cache: Path):
    """The cell starts from the bias of other sums than the behaviour."""
    made = iter((PackedSum(9), PackedSum(8)))
    case = replace(CASES[2], name="wrong", make=lambda: next(made))
    assert run_cell(case, models, build_cache, 2_000).mismatches > 500


@pytest.mark.unisim
@pytest.mark.parametrize("name", TINY)
def test_machines(name: str, models: CellModels, build_cache: Path):
    quantized = QuantizedNetwork.load(NETWORKS / f"{name.rpartition('-')[0]}.npz")
    inputs = random_inputs(quantized.network, 40, 5)
    outcome = run_machine(quantized, machine(name).folding, inputs, models, build_cache)
    assert outcome.passed, outcome
    assert outcome.cells["DSP48E2"]
