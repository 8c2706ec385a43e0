"""The folder of a build, and the order of the vendor's tools, played by scripts of their names."""

import argparse
import hashlib
import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from twofold.hw.boards import default, find
from twofold.hw.contract.errors import BoardError, ToolError
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.shipped import machine as shipped
from twofold.hw.package.folder import identity_of, record_bitstream, write_folder
from twofold.hw.package.vendor import build, check_tools
from twofold.hw.xclbin.xclbin import user_keys
from twofold.sw.cli.verbs import bitstream as cli

VIVADO = """#!/bin/sh
[ "$1" = -version ] && { echo "vivado v${VERSION-2022.2} (64-bit)"; exit 0; }
echo vivado "$@" >> calls
[ "$VIVADO_FAILS" ] && { echo "INFO: reading"; echo "ERROR: [IP 1-2] no such core"; exit 1; }
echo object > twofold.xo
"""
VPP = """#!/bin/sh
[ "$1" = --version ] && { echo "****** v++ v${VERSION-2022.2} (64-bit)"; exit 0; }
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
    return shipped("tiny-fast-small")


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
    assert Machine.load(folder / "twofold.machine.json") == machine
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
    assert f"--platform {default().platform.platform}" in link
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
    assert keys == [f"USER:{key}:{value}" for key, value in user_keys(identity_of(machine)).items()]


@pytest.mark.usefixtures("tools")
def test_a_failing_step_is_named_with_its_error_and_log(folder, monkeypatch):
    monkeypatch.setenv("VIVADO_FAILS", "1")
    with pytest.raises(ToolError, match=r"package failed: ERROR: \[IP 1-2\] .*package.log"):
        build(folder, lambda _: None)
    monkeypatch.delenv("VIVADO_FAILS")
    build(folder, lambda _: None)
    assert calls(folder) == ["vivado", "vivado", "v++"]


def test_a_folder_for_another_board(machine, cache, folder):
    board = find("u55c")
    other = write_folder(replace(machine, board=board.name), folder.parent, cache)
    assert other.name == folder.name.replace("-small-", "-small-u55c-")
    assert {path.name for path in other.iterdir()} == {path.name for path in folder.iterdir()}
    for name in ("kernel.sv", "kernel.v", "kernel.xml"):
        assert (other / name).read_text() == (folder / name).read_text()
    shell = board.platform
    assert f"-part {board.part}\n" in (other / "package.tcl").read_text()
    assert f"PLATFORM ?= {shell.platform}\n" in (other / "Makefile").read_text()
    assert shell.platform in (other / "floorplan.tcl").read_text()
    text = "".join(path.read_text() for path in other.iterdir())
    assert default().device not in text and default().platform.platform not in text
    manifest = json.loads((other / "manifest.json").read_text())
    assert (manifest["part"], manifest["platform"]) == (board.part, shell.platform)
    assert manifest["units"] == {
        f"twofold_{at + 1}": {"slr": f"SLR{at}", "memory": f"HBM[{8 * at}]"} for at in range(3)
    }
    assert manifest["vendor_tools"] == {"name": "Vitis", "oldest": "2022.1", "newest": None}
    page = (other / "README.md").read_text()
    assert "No bitstream has been built for the Alveo U55C yet." in page
    assert "| twofold_3 | SLR2 | HBM[16] |" in page


def test_a_board_without_a_platform_is_refused_before_anything_is_written(
    machine, cache, tmp_path, monkeypatch
):
    desk = replace(default(), name="desk", shell=None)
    monkeypatch.setattr("twofold.hw.package.folder.find", lambda _: desk)
    bare = replace(machine, board="desk")
    with pytest.raises(BoardError, match="board desk has no platform"):
        write_folder(bare, tmp_path / "bitstreams", cache)
    assert not (tmp_path / "bitstreams").exists()


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize("version", ["2021.2", "2025.2"])
def test_tools_that_do_not_support_the_card_are_not_run(folder, monkeypatch, version):
    monkeypatch.setenv("VERSION", version)
    expected = (
        rf"package failed: ERROR: vivado is {version}; Alveo U250: .* Vitis 2022\.1 to 2025\.1"
    )
    with pytest.raises(ToolError, match=expected):
        build(folder, lambda _: None)
    assert not (folder / "calls").exists()
    monkeypatch.setenv("ANY_VERSION", "1")
    build(folder, lambda _: None)
    assert calls(folder) == ["vivado", "v++"]


@pytest.mark.usefixtures("tools")
def test_newer_tools_still_support_the_other_card(machine, cache, tmp_path, monkeypatch):
    folder = write_folder(replace(machine, board="u55c"), tmp_path, cache)
    monkeypatch.setenv("VERSION", "2025.2")
    build(folder, lambda _: None)
    assert f"--platform {find('u55c').platform.platform}" in (folder / "calls").read_text()


@pytest.mark.usefixtures("tools")
def test_the_command_says_which_tools_support_the_card(cache, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    places = ["--bitstreams", str(tmp_path), "--build", str(cache)]
    options = ["--net", "tiny", "--folding", "small", *places]
    assert cli.run(parser.parse_args(options)) == 0
    said = capsys.readouterr().out
    assert "needs Vitis 2022.1 to 2025.1 (newer versions dropped it)\n" in said
    assert cli.run(parser.parse_args([*options, "--board", "u55c"])) == 0
    assert "needs Vitis 2022.1 or newer\n" in capsys.readouterr().out
    with pytest.raises(BoardError, match="board 'u1' is unknown, choose one of u250, "):
        cli.run(parser.parse_args([*options, "--board", "u1"]))
