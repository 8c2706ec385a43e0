"""The Verilated library and its harness, on a small top module with the core's streams."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth import Module, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.results import ResultRow
from twofold.hw.engines.links import parameter_stream, result_layout
from twofold.hw.verilog.writer import Verilog, write_verilog
from twofold.sim.rtl.beats import parameter_beats
from twofold.sim.rtl.library import (
    Drive,
    Model,
    build_library,
    cpp_name,
    probe_ports,
    storage_bytes,
)
from twofold.sim.rtl.probes import unpack_field
from twofold.sim.rtl.verilate import tile_settings

INPUT_BYTES = 2
BEATS = 4
CLASSES = 3
WIDE = 84


class SmallCore(wiring.Component):
    """Sums the bytes of every sample of four beats; the image's words add up to a key that
    results contain.

    Logits are the sum, the sum less the key, and the key; the label is the sum modulo 4. The
    image's last word names
    the status. Probe 0 sees every beat, inverted, in the top 16 of 84 bits; probe 1 sees every sum.
    """

    parameters: Any
    busy: Signal
    status: Signal
    i: Any
    o: Any
    probe_0: Any
    probe_1: Any

    def __init__(self) -> None:
        super().__init__(
            {
                "parameters": In(parameter_stream()),
                "busy": Out(1),
                "status": Out(3),
                "i": In(stream.Signature(8 * INPUT_BYTES)),
                "o": Out(stream.Signature(result_layout(ResultRow(CLASSES)))),
                "probe_0": Out(wiring.Signature({"valid": Out(1), "payload": Out(WIDE)})),
                "probe_1": Out(wiring.Signature({"valid": Out(1), "payload": Out(11)})),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        key, total, beat = Signal(signed(32)), Signal(11), Signal(range(BEATS))
        m.d.comb += self.parameters.ready.eq(1)
        with m.If(self.parameters.valid):
            m.d.sync += key.eq(self.parameters.payload.data + key)
            m.d.sync += self.busy.eq(~self.parameters.payload.last)
            with m.If(self.parameters.payload.last):
                m.d.sync += [self.status.eq(self.parameters.payload.data), key.eq(key)]
        taken, done = Signal(), Signal()
        lanes = [self.i.payload.word_select(index, 8) for index in range(INPUT_BYTES)]
        m.d.comb += [
            self.i.ready.eq((self.status == 1) & (~self.o.valid | self.o.ready)),
            taken.eq(self.i.valid & self.i.ready),
            done.eq(taken & (beat == BEATS - 1)),
            self.probe_0.valid.eq(taken),
            self.probe_0.payload.eq(~self.i.payload << WIDE - 16),
            self.probe_1.valid.eq(done),
        ]
        added = Signal(11)
        m.d.comb += [added.eq(sum(lanes, total)), self.probe_1.payload.eq(added)]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken):
            m.d.sync += [total.eq(added), beat.eq(beat + 1)]
        with m.If(done):
            m.d.sync += [
                total.eq(0),
                self.o.valid.eq(1),
                self.o.payload.logits[0].eq(added),
                self.o.payload.logits[1].eq(added - key),
                self.o.payload.logits[2].eq(key),
                self.o.payload.label.eq(added[:2]),
            ]
        return m


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, build_cache: Path) -> tuple[Verilog, Path]:
    """In the shared cache, where the simulator's runtime is compiled already."""
    verilog = write_verilog(SmallCore(), tmp_path_factory.mktemp("verilog") / "sums")
    return verilog, build_library(verilog, build_cache)


@pytest.fixture
def model(built: tuple[Verilog, Path]) -> Iterator[Model]:
    verilog, library = built
    with Model(library, verilog.ports) as opened:
        yield opened


def load(model: Model, samples: list[int], gap: float = 0.0) -> int:
    image = b"".join(sample.to_bytes(4, "little") for sample in samples)
    model.send_parameters(
        parameter_beats(image, model.size("parameters__payload")), Drive(seed=3, gap=gap)
    )
    return model.status


def random_samples(count: int) -> np.ndarray:
    samples = np.random.default_rng(count).integers(0, 256, (count * BEATS, INPUT_BYTES))
    return samples.astype(np.uint8)


@pytest.mark.parametrize("gap, stall", [(0, 0), (0.5, 0), (0, 0.5), (0.7, 0.7)])
def test_samples_survive_gaps_and_stalls(model: Model, gap: float, stall: float):
    assert load(model, [5, 7, 1], gap=gap) == 1
    beats = random_samples(50)
    results, started, finished = model.exchange(beats, BEATS, Drive(seed=9, gap=gap, stall=stall))
    sums = beats.reshape(50, -1).sum(axis=1)
    logits = unpack_field(results, 0, CLASSES, 32)
    assert logits.tolist() == [[total, total - 12, 12] for total in sums]
    label = result_layout(ResultRow(CLASSES))["label"]
    assert unpack_field(results, label.offset, 1, label.width)[:, 0].tolist() == (sums % 4).tolist()
    assert (finished > started).all()
    assert (np.diff(finished.astype(np.int64)) >= BEATS).all()
    if not gap and not stall:
        assert set(np.diff(finished).tolist()) == {BEATS}
    else:
        assert finished[-1] - finished[0] > 50 * BEATS


def test_probes_keep_what_they_saw_until_cleared(model: Model):
    load(model, [1])
    beats = random_samples(20)
    model.exchange(beats, BEATS, Drive(gap=0.5))
    wide = unpack_field(model.probe(0), WIDE - 16, 1, 16)[:, 0]
    assert wide.tolist() == (0xFFFF ^ beats.view("<u2")[:, 0]).tolist()
    sums = unpack_field(model.probe(1), 0, 1, 11)[:, 0]
    assert sums.tolist() == beats.reshape(20, -1).sum(axis=1).tolist()
    model.clear_probes()
    assert model.probe(0).shape == (0, storage_bytes(WIDE))


def test_models_of_one_library_are_independent(built: tuple[Verilog, Path], model: Model):
    verilog, library = built
    load(model, [1])
    with Model(library, verilog.ports) as other:
        assert (model.status, other.status) == (1, 0)


def test_equal_seeds_give_equal_cycles(built: tuple[Verilog, Path]):
    verilog, library = built
    cycles = []
    for seed in (4, 4, 5):
        with Model(library, verilog.ports) as model:
            load(model, [1])
            model.exchange(random_samples(30), BEATS, Drive(seed=seed, gap=0.4, stall=0.2))
            cycles.append(model.cycle)
    assert cycles[0] == cycles[1] != cycles[2]


def test_a_model_runs_on_when_another_one_is_gone(built: tuple[Verilog, Path], model: Model):
    verilog, library = built
    with Model(library, verilog.ports) as other:
        load(other, [1])
    load(model, [1])
    assert len(model.exchange(random_samples(3), BEATS, Drive())[0]) == 3


def test_a_hang_is_an_error_and_not_the_end(model: Model):
    with pytest.raises(ToolError, match=r"hangs in samples at cycle .* 0 beats of samples taken"):
        model.exchange(random_samples(2), BEATS, Drive(timeout=100))
    assert load(model, [1]) == 1
    assert len(model.exchange(random_samples(3), BEATS, Drive())[0]) == 3


def test_beats_of_the_wrong_shape_are_refused(model: Model):
    with pytest.raises(ValueError, match=r"beats on i__payload are uint8 \[n, 2\]"):
        model.exchange(np.zeros((4, 3), np.uint8), BEATS, Drive())


def test_the_library_is_built_once(built: tuple[Verilog, Path]):
    verilog, library = built
    before = library.stat().st_mtime_ns
    build = library.parents[2]
    assert build_library(verilog, build) == library
    assert library.stat().st_mtime_ns == before
    assert not list(library.parents[1].glob(f".{library.parent.name}*"))


def test_broken_verilog_leaves_nothing_behind(tmp_path: Path):
    path = tmp_path / "verilog" / "core.v"
    path.parent.mkdir()
    path.write_text("module core(input clk); nonsense; endmodule\n")
    with pytest.raises(ToolError, match="failed: %Error"):
        build_library(Verilog(path, ()), tmp_path)
    assert list((tmp_path / "library").iterdir()) == []


def test_a_missing_program_is_named(built: tuple[Verilog, Path], tmp_path: Path, monkeypatch):
    def which(program: str) -> str | None:
        return None if program == "g++" else f"/usr/bin/{program}"

    monkeypatch.setattr(shutil, "which", which)
    with pytest.raises(ToolError, match=r"^g\+\+ is missing"):
        build_library(built[0], tmp_path)


@pytest.mark.parametrize(
    "bits, size", [(1, 1), (8, 1), (9, 2), (33, 8), (64, 8), (65, 12), (97, 16)]
)
def test_storage_follows_verilator(bits: int, size: int):
    assert storage_bytes(bits) == size


def test_names_in_cpp(built: tuple[Verilog, Path]):
    assert cpp_name("probe_0__valid") == "probe_0___05Fvalid"
    assert [port.bits for port in probe_ports(built[0].ports)] == [WIDE, 11]


def test_tiles_stay_modules_of_their_own():
    verilog = (
        "module top(clk, a);\n  input clk;\n  input a;\nendmodule\n"
        "module lane_0123abcd(clk, rst, i, o);\n  input clk;\n  wire clk;\n  input rst;\n"
        "  input [7:0] i;\n  output [7:0] o;\nendmodule\n"
        "module \\lane_0123abcd.part (clk, j);\n  input clk;\n  input j;\nendmodule\n"
    )
    assert tile_settings(verilog).splitlines() == [
        "`verilator_config",
        'no_inline -module "lane_0123abcd"',
        'public_flat_rw -module "lane_0123abcd" -var "i"',
    ]
