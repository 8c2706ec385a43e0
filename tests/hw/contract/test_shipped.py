"""Machines that ship: the hardware of each is what it always was."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from twofold.hw.contract import presets, shipped
from twofold.hw.contract.errors import MachineError
from twofold.hw.contract.machine import Machine

FINGERPRINTS: dict[str, str] = json.loads(
    Path(__file__).with_name("fingerprints.json").read_text(encoding="utf-8")
)
"""Fingerprints by the name of the machine; bitstreams and weight images carry them."""


def test_every_machine_of_the_table_ships_and_no_other() -> None:
    assert sorted(FINGERPRINTS) == list(shipped.names())


@pytest.mark.parametrize("name", FINGERPRINTS)
def test_fingerprints(name: str) -> None:
    machine = shipped.machine(name)
    assert machine.fingerprint.hex() == FINGERPRINTS[name]
    assert machine.name == name


@pytest.mark.parametrize("name", presets.NETWORKS)
@pytest.mark.parametrize("variant", presets.VARIANTS)
def test_sizes_of_a_variant_share_one_description(name: str, variant: str) -> None:
    found = {shipped.machine(f"{name}-{variant}-{size}").network for size in presets.SIZES}
    assert found == {presets.network(name, variant)}
    assert next(iter(found)).name == f"{name}-{variant}"


def test_files_are_as_they_are_written(tmp_path: Path) -> None:
    for name in shipped.names():
        file = f"{name}.machine.json"
        shipped.machine(name).save(tmp_path / file)
        assert (tmp_path / file).read_bytes() == (shipped.FOLDER / file).read_bytes()


def test_machines_are_found_by_description_and_not_by_name() -> None:
    network = replace(presets.network("tiny", "accurate"), name="of-mine")
    assert [one.name for one in shipped.machines_for(network)] == [
        "tiny-accurate-full", "tiny-accurate-small",
    ]  # fmt: skip
    assert [one.name for one in shipped.machines_for(presets.network("gsc", "pruned"))] == [
        "gsc-pruned-full", "gsc-pruned-small",
    ]  # fmt: skip
    other = replace(network, name="tiny-fast", zero_point=3)
    assert shipped.machines_for(other) == ()


def test_unknown_machine() -> None:
    with pytest.raises(MachineError, match="no machine 'gsc' is shipped; there are gsc-accurate-"):
        shipped.machine("gsc")
    with pytest.raises(MachineError, match="no machine"):
        shipped.machine("../machines/gsc-fast-full")


def test_names_are_the_same_machine(tmp_path: Path) -> None:
    machine = shipped.machine("tiny-fast-small")
    machine.save(tmp_path / "a.machine.json")
    assert Machine.load(tmp_path / "a.machine.json") == machine
