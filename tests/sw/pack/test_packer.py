"""Packing: what goes in comes out, and lies where the tables say."""

import argparse
import json
import time
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.hw.contract import parameters, presets
from twofold.hw.contract.errors import FoldingError, MachineError, ParameterError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import (
    Folding,
    GatherFolding,
    GatherPlan,
    ScatterFolding,
    ScatterPlan,
    VectorPlan,
    plans,
)
from twofold.hw.contract.network import Complementary, Conv2d, Linear, Network, Taps
from twofold.hw.contract.tables import TableKind, index_bits
from twofold.sim.workloads.random_network import random_folding, random_network, random_quantized
from twofold.sw.cli.options import chosen_machine
from twofold.sw.cli.verbs import pack as cli
from twofold.sw.pack import pack, unpack

SEEDS = st.integers(0, 1 << 30)


def assert_same_layers(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one.weight.dtype == other.weight.dtype and one.add.dtype == other.add.dtype
        assert np.array_equal(one.weight, other.weight)
        assert np.array_equal(one.add, other.add)
        assert one.shift == other.shift
        assert (one.mul is None) == (other.mul is None)
        if one.mul is not None:
            assert one.mul.dtype == np.uint16 and np.array_equal(one.mul, other.mul)


@settings(deadline=None)
@given(SEEDS)
def test_unpack_gives_back_what_was_packed(seed):
    network = random_network(seed)
    quantized, folding = random_quantized(network, seed), random_folding(network, seed)
    assert_same_layers(unpack(pack(quantized, folding), network, folding), quantized.layers)


def sections_of(quantized, folding):
    network = quantized.network
    machine = plans(network, folding)
    found = parameters.unpack(pack(quantized, folding), machine, fingerprint(network, folding))
    return machine, {(s.table.stage, s.table.kind, s.lane): s.values for s in found}


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_every_weight_lies_where_the_engines_look(seed):
    """Reads the image as an engine does: from addresses to products, without the packer's code."""
    network = random_network(seed)
    quantized, folding = random_quantized(network, seed), random_folding(network, seed)
    machine, values = sections_of(quantized, folding)
    for plan, layer in zip(machine, quantized.layers, strict=True):
        stage = plan.stage
        rebuilt = np.zeros((stage.channels, stage.in_shape[0], stage.taps), dtype=int)
        for lane in range(plan.weight_lanes):
            elements = values[stage.index, TableKind.WEIGHTS, lane]
            for address, element in enumerate(elements):
                weight = (element & 0xFF ^ 0x80) - 0x80
                if weight:
                    place = where(plan, lane, address, element >> 8)
                    rebuilt[place] += weight
        assert np.array_equal(rebuilt.reshape(layer.weight.shape), layer.weight)


def where(plan, lane, address, tag) -> tuple[int, int, int]:
    """Kernel, channel and tap that an element of the weight table speaks of."""
    if isinstance(plan, GatherPlan):
        starts = np.cumsum([0, *plan.groups])
        group = int(np.searchsorted(starts, address, side="right")) - 1
        channel, tap = divmod(tag, plan.stage.taps)
        return group * plan.folding.streams + lane, channel, tap
    assert isinstance(plan, ScatterPlan)
    row, repeat = divmod(address, plan.rounds)
    tap, channel = row >> index_bits(plan), row & ((1 << index_bits(plan)) - 1)
    if isinstance(plan, VectorPlan):  # engine and chunk
        channel, tap = divmod(channel * plan.folding.engines + tap, plan.stage.taps)
    return tag * plan.stage.sets + repeat * plan.folding.lanes + lane, channel, tap


@settings(deadline=None, max_examples=30)
@given(SEEDS)
def test_constants_lie_in_drain_order(seed):
    network = random_network(seed)
    quantized, folding = random_quantized(network, seed), random_folding(network, seed)
    machine, values = sections_of(quantized, folding)
    for plan, layer in zip(machine, quantized.layers, strict=True):
        drain = plan.drain
        for channel in range(plan.stage.channels):
            lane, step = channel % drain, channel // drain
            place = plan.stage.index, TableKind.ADD, lane
            assert values[place][step] == layer.add[channel]
            if layer.mul is not None:
                assert values[place[0], TableKind.MUL, lane][step] == layer.mul[channel]
        if not plan.stage.last:
            assert values[plan.stage.index, TableKind.SHIFT, 0] == (layer.shift,)


@pytest.mark.parametrize("size", presets.SIZES)
def test_the_speech_network_packs_in_time(size):
    """In processor time, ten times what it takes."""
    quantized = random_quantized(presets.network("gsc"))
    folding = presets.folding("gsc", size=size)
    start = time.process_time()
    content = pack(quantized, folding)
    assert time.process_time() - start < 0.5
    assert len(content) < 300_000
    assert_same_layers(unpack(content, quantized.network, folding), quantized.layers)


def test_foldings_that_do_not_fit_are_refused():
    quantized = random_quantized(presets.network("tiny"))
    with pytest.raises(FoldingError):
        pack(quantized, presets.folding("gsc"))


def test_images_for_another_machine_are_refused():
    network = presets.network("tiny")
    content = pack(random_quantized(network), presets.folding("tiny"))
    with pytest.raises(ParameterError, match="was packed for machine"):
        unpack(content, network, presets.folding("tiny", size="full"))


UNEVEN = Network(
    name="uneven",
    input_shape=(1, 4, 4),
    layers=(
        Conv2d(out_channels=2, kernel=(3, 3), sparsity=Taps((2, 2))),
        Linear(out_features=6, sparsity=Complementary(2)),
        Linear(out_features=2),
    ),
    labels=("a", "b"),
)
"""Nine taps and three slots: neither fills its bits."""


@pytest.mark.parametrize(
    ("stage", "tag", "message"),
    [(0, 9, r"conv1: tap 9, needs 0\.\.8"), (1, 3, r"linear1: slot 3, needs 0\.\.2")],
)
def test_taps_and_slots_that_a_layer_does_not_have_are_refused(stage, tag, message):
    folding = Folding((GatherFolding(), *(ScatterFolding(),) * 2), input_bytes=4)
    machine, mark = plans(UNEVEN, folding), fingerprint(UNEVEN, folding)
    sections = parameters.unpack(pack(random_quantized(UNEVEN), folding), machine, mark)
    for index, section in enumerate(sections):
        if (section.table.stage, section.table.kind) == (stage, TableKind.WEIGHTS):
            values = (1 | tag << 8, *section.values[1:])
            sections[index] = parameters.Section(section.table, section.lane, values)
    with pytest.raises(ParameterError, match=message):
        unpack(parameters.pack(sections, mark), UNEVEN, folding)


@pytest.fixture
def tiny(tmp_path):
    path = tmp_path / "tiny.npz"
    random_quantized(presets.network("tiny")).save(path)
    return path


def run(module, *arguments) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return module.run(parser.parse_args([str(argument) for argument in arguments]))


def test_command_writes_an_image_and_says_so(tiny, tmp_path, capsys):
    out = tmp_path / "tiny.img"
    assert run(cli, "--network", tiny, "--folding", "full", "--out", out, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    network, folding = presets.network("tiny"), presets.folding("tiny", size="full")
    assert summary["bytes"] == out.stat().st_size
    assert summary["fingerprint"] == fingerprint(network, folding).hex()
    assert summary["crc32"] == f"{zlib.crc32(out.read_bytes()[:-4]):08x}"
    parameters.check(out.read_bytes(), fingerprint(network, folding))
    assert run(cli, "--network", tiny, "--out", out) == 0
    assert "tiny-fast for the machine tiny-fast-small" in capsys.readouterr().out


def test_command_packs_for_a_machine_that_is_solved(tmp_path, capsys):
    """Any network; the file that a machine was saved to packs the same bytes."""
    network = random_network(1)
    random_quantized(network).save(tmp_path / "random.npz")
    out, again = tmp_path / "x.img", tmp_path / "y.img"
    assert run(cli, "--network", tmp_path / "random.npz", "--out", out, "--json") == 0
    told = capsys.readouterr()
    assert "solving a machine for random-1" in told.err
    assert "variant" not in told.err
    machine = chosen_machine(network, "small")
    assert json.loads(told.out)["fingerprint"] == machine.fingerprint.hex()
    file = tmp_path / "own.machine.json"
    machine.save(file)
    options = ("--network", tmp_path / "random.npz", "--machine", file, "--out", again)
    assert run(cli, *options) == 0
    assert again.read_bytes() == out.read_bytes()


def test_command_refuses_a_network_of_another_machine(tmp_path):
    random_quantized(random_network(1)).save(tmp_path / "random.npz")
    options = ("--network", tmp_path / "random.npz", "--machine", "tiny-fast-small")
    with pytest.raises(MachineError, match="does not fit the machine tiny-fast-small: input: "):
        run(cli, *options, "--out", tmp_path / "x.img")
    assert not (tmp_path / "x.img").exists()
