"""Which network and which machine a command line names."""

import argparse
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.contract import presets, shipped
from twofold.hw.contract.errors import MachineError, NetworkError, UsageError
from twofold.hw.contract.machine import Machine
from twofold.sim.workloads.random_network import random_network, random_quantized
from twofold.sw.cli import options


def parsed(*samples: str | Path, net: str = "gsc", size: str = "small") -> argparse.Namespace:
    made = argparse.ArgumentParser()
    options.add_machine(made, net, size)
    options.add_samples(made)
    options.add_input(made)
    return made.parse_args([str(sample) for sample in samples])


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A network like no shipped one."""
    path = tmp_path / "own.npz"
    random_quantized(random_network(3)).save(path)
    return path


def test_every_shipped_network_is_found_by_its_short_name() -> None:
    for variant in options.VARIANT_CHOICES:
        args = parsed("--net", "tiny", "--variant", variant)
        found = options.quantized(args).network
        assert found == presets.network("tiny", variant)


@pytest.mark.parametrize(
    ("samples", "network", "machine"),
    [
        ((), "gsc-fast", "gsc-fast-small"),
        (("--net", "tiny"), "tiny-fast", "tiny-fast-small"),
        (("--variant", "pruned", "--folding", "full"), "gsc-pruned", "gsc-pruned-full"),
        (("--variant", "sparse-sparse"), "gsc-fast", "gsc-fast-small"),
        (("--network", "tiny-accurate"), "tiny-accurate", "tiny-accurate-small"),
        (("--network", "gsc-sparse-sparse"), "gsc-fast", "gsc-fast-small"),
        (("--machine", "tiny-dense-full"), "tiny-dense", "tiny-dense-full"),
        (
            ("--machine", "tiny-dense-full", "--network", "tiny-pruned"),
            "tiny-pruned",
            "tiny-dense-full",
        ),
    ],
)
def test_shipped(samples: tuple[str, ...], network: str, machine: str) -> None:
    args = parsed(*samples)
    found = options.quantized(args).network
    assert found.name == network
    assert options.machine_for(args, found).name == machine
    assert options.described_machine(args).name == machine


def test_defaults_are_those_asked_for() -> None:
    args = parsed(net="tiny", size="full")
    assert options.described_machine(args).name == "tiny-fast-full"


def test_a_network_of_the_same_description_takes_the_shipped_machine(tmp_path: Path) -> None:
    network = replace(presets.network("tiny", "accurate"), name="mine")
    random_quantized(network).save(tmp_path / "mine.npz")
    args = parsed("--network", tmp_path / "mine.npz", "--folding", "full")
    assert options.described_machine(args) == shipped.machine("tiny-accurate-full")


def test_a_network_of_ones_own_gets_a_machine(own: Path, capsys) -> None:
    args = parsed("--network", own)
    machine = options.machine_for(args, options.quantized(args).network)
    machine.check_network(random_network(3))
    assert machine.fingerprint not in {
        one.fingerprint for one in map(shipped.machine, shipped.names())
    }
    said = capsys.readouterr().err
    assert "solving a machine for random-3" in said
    assert "variant" not in said


def test_a_name_does_not_lead_to_a_machine(tmp_path: Path) -> None:
    """A network that is called like a shipped one, and is another."""
    random_quantized(replace(random_network(3), name="gsc-fast")).save(tmp_path / "x.npz")
    machine = options.described_machine(parsed("--network", tmp_path / "x.npz"))
    assert machine.network.input_shape == random_network(3).input_shape


def test_a_machine_file(own: Path, tmp_path: Path) -> None:
    machine = options.described_machine(parsed("--network", own))
    machine.save(tmp_path / "own.machine.json")
    for samples in (("--network", own), ()):
        args = parsed("--machine", tmp_path / "own.machine.json", *samples)
        assert options.described_machine(args) == machine
    with pytest.raises(NetworkError, match=r"for a network of yours: give --network FILE\.npz"):
        options.quantized(parsed("--machine", tmp_path / "own.machine.json"))


def test_wrong_names(own: Path, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=r"no network 'gsc' is shipped, nor is it an \.npz file"):
        options.quantized(parsed("--network", "gsc"))
    with pytest.raises(MachineError, match="no machine 'gsc' is shipped, nor is it a file"):
        options.described_machine(parsed("--machine", "gsc"))
    with pytest.raises(UsageError, match="--folding names a shipped machine; leave it out"):
        options.described_machine(parsed("--machine", "gsc-fast-full", "--folding", "small"))
    args = parsed("--machine", "gsc-fast-full", "--network", own)
    with pytest.raises(MachineError, match=r"random-3 does not fit the machine gsc-fast-full: "):
        options.machine_for(args, options.quantized(args).network)
    with pytest.raises(MachineError, match="does not fit"):
        options.described_machine(args)
    (tmp_path / "bad.machine.json").write_text("{}", encoding="utf-8")
    with pytest.raises(MachineError, match=r"bad\.machine\.json: is no machine file"):
        options.described_machine(parsed("--machine", tmp_path / "bad.machine.json"))
    with pytest.raises(SystemExit):
        parsed("--variant", "fastest")


def test_samples() -> None:
    assert options.samples(parsed()) == 10
    assert options.samples(parsed("--input", "x.npy")) is None
    assert options.samples(parsed("--samples", "3", "--input", "x.npy")) == 3
    assert options.samples(parsed("--samples", "all")) is None
    assert options.samples(argparse.Namespace(samples=None, input=[], wav=Path("x.wav"))) is None
    for wrong in ("0", "-1", "many"):
        with pytest.raises(SystemExit):
            parsed("--samples", wrong)


def test_a_machine_on_the_way_is_a_machine() -> None:
    machine = options.chosen_machine(random_network(8), "full")
    assert isinstance(machine, Machine)
    assert machine.name.startswith("random-8-")
