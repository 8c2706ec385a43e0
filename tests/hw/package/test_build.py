"""The folder of a build, and the order of the vendor's tools, played by scripts of their names."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path

import pytest

from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.presets import folding, network
from twofold.hw.package.folder import Machine, record_bitstream, write_folder
from twofold.hw.package.vendor import build, check_tools
from twofold.hw.xclbin.xclbin import user_keys

VIVADO = """#!/bin/sh
echo vivado "$@" >> calls
[ "$VIVADO_FAILS" ] && { echo "INFO: reading"; echo "ERROR: [IP 1-2] no such core"; exit 1; }
echo object > twofold.xo
"""
VPP = """#!/bin/sh
echo v++ "$@" >> calls
while [ "$1" != -o ]; do shift; done
echo bitstream > "$2"
"""
XCLBINUTIL = """#!/bin/sh
echo xclbinutil "$@" >> calls
while [ "$1" != --output ]; do shift; done
echo described > "$2"
"""


@pytest.fixture(scope="module")
def machine():
    return Machine(network("tiny"), folding("tiny", "fast", "small"), "small")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("build")


@pytest.fixture
def folder(machine, cache, tmp_path):
    return write_folder(machine, tmp_path / "bitstreams", cache)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in (("vivado", VIVADO), ("v++", VPP)):
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return programs


def calls(folder: Path) -> list[str]:
    return [line.split()[0] for line in (folder / "calls").read_text().splitlines()]


def test_folder_holds_everything_and_a_manifest_of_it(machine, folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    identity = fingerprint(machine.network, machine.folding).hex()
    assert folder.name == manifest["slug"] == f"tiny-fast-small-{identity[:8]}"
    assert manifest["fingerprint"] == identity
    assert manifest["bitstream"] is None
    assert {path.name for path in folder.iterdir()} == {*manifest["files"], "manifest.json"}
    for name, digest in manifest["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest
    top, inside = (folder / "kernel.v").read_text(), (folder / "kernel.sv").read_text()
    assert top.startswith("module twofold (") and "assert" not in top
    assert "DSP48E2" in inside and "module twofold (" not in inside


def test_missing_tools_are_named_and_the_folder_stays(folder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"not on PATH: vivado, v\+\+, make; .* copy .*tiny-fast"):
        check_tools(folder)
    assert (folder / "Makefile").exists()


@pytest.mark.usefixtures("tools")
def test_tools_run_once_and_the_bitstream_is_recorded(folder):
    said = []
    binary = build(folder, said.append)
    assert binary.read_text() == "bitstream\n"
    assert calls(folder) == ["vivado", "v++"]
    steps = [line.split()[1] for line in said]
    assert steps == [f"{name}:" for name in ("package", "link", "describe") for _ in range(2)]
    assert "hosts ask the card for its machine" in (folder / "describe.log").read_text()
    link = (folder / "calls").read_text().splitlines()[1]
    assert f"TCL.PRE={folder}/floorplan.tcl" in link
    assert "--platform xilinx_u250_gen3x16_xdma_4_1_202210_1" in link
    recorded = record_bitstream(folder)["bitstream"]
    assert recorded["sha256"] == hashlib.sha256(b"bitstream\n").hexdigest()
    build(folder, said.append)
    assert calls(folder) == ["vivado", "v++"]


@pytest.mark.usefixtures("tools")
def test_a_build_goes_on_where_it_stopped(machine, cache, folder):
    build(folder, lambda _: None)
    (folder / "twofold.xclbin").unlink()
    (folder / "linked.xclbin").unlink()
    write_folder(machine, folder.parent, cache)
    build(folder, lambda _: None)
    assert calls(folder) == ["vivado", "v++", "v++"]


def test_the_bitstream_is_told_its_machine_where_the_tool_is(machine, folder, tools):
    tool = tools / "xclbinutil"
    tool.write_text(XCLBINUTIL)
    tool.chmod(0o755)
    assert build(folder, lambda _: None).read_text() == "described\n"
    call = (folder / "calls").read_text().splitlines()[-1].split()
    given = dict(pairwise(call))
    assert (given["--input"], given["--output"]) == ("linked.xclbin", "twofold.xclbin")
    keys = [sample for option, sample in pairwise(call) if option == "--key-value"]
    assert keys == [f"USER:{key}:{value}" for key, value in user_keys(machine.identity).items()]


@pytest.mark.usefixtures("tools")
def test_a_failing_step_is_named_with_its_error_and_log(folder, monkeypatch):
    monkeypatch.setenv("VIVADO_FAILS", "1")
    with pytest.raises(ToolError, match=r"package failed: ERROR: \[IP 1-2\] .*package.log"):
        build(folder, lambda _: None)
    monkeypatch.delenv("VIVADO_FAILS")
    build(folder, lambda _: None)
    assert calls(folder) == ["vivado", "vivado", "v++"]
