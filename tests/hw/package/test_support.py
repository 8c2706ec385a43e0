"""The check of the vendor tools' versions, run by the shell."""

import subprocess
from pathlib import Path

import pytest

from twofold.hw.boards import cards, default, find
from twofold.hw.package.support import SCRIPT, TOOL_ERROR, tools_sh

BANNERS = {
    "vivado": "Vivado v{} (64-bit)\nSW Build 3671981\n",
    "v++": "\n****** v++ v{} (64-bit)\n  **** SW Build 3524075 on 2022-04-13-17:42:45\n",
}
ASKED = {"vivado": "-version", "v++": "--version"}


@pytest.fixture
def run(tmp_path: Path):
    """Runs the script of a board beside programs of a version, and returns the outcome."""

    def run(board, version: str, *programs: str, **variables: str):
        for name, banner in BANNERS.items():
            (tmp_path / f"{name}.txt").write_text(banner.format(version) if version else "")
            program = tmp_path / name
            text = f'#!/bin/sh\n[ "$1" = {ASKED[name]} ] && cat {tmp_path}/{name}.txt\n'
            program.write_text(text)
            program.chmod(0o755)
        (tmp_path / SCRIPT).write_text(tools_sh(board))
        return subprocess.run(
            ["sh", SCRIPT, *(programs or BANNERS)],
            env={"PATH": f"{tmp_path}:/usr/bin:/bin", **variables},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.mark.parametrize("name", cards())
@pytest.mark.parametrize("version", ["2021.2", "2022.1", "2023.2", "2024.1", "2025.1", "2025.2"])
def test_the_script_agrees_with_the_board(run, name: str, version: str):
    board = find(name)
    done = run(board, version)
    assert (done.returncode == 0) is board.platform.tools.supports(version)
    if done.returncode:
        assert done.returncode == TOOL_ERROR
        assert done.stderr.startswith(f"ERROR: vivado is {version}; {board.title}: ")
        assert done.stderr.count("\n") == 1
    else:
        assert done.stdout.count(f"{version} supports the {board.title}") == 2


@pytest.mark.parametrize("program", BANNERS)
def test_a_program_without_a_version_is_refused(run, program: str):
    done = run(default(), "", program)
    assert done.returncode == TOOL_ERROR
    assert f"ERROR: {program} reports no version" in done.stderr


def test_a_missing_program_is_refused(run):
    done = run(default(), "2022.2", "none")
    assert done.returncode == TOOL_ERROR
    assert "none reports no version" in done.stderr


@pytest.mark.parametrize("version", ["", "2019.2", "2031.1"])
def test_any_version_passes_when_asked(run, version: str):
    assert run(default(), version, ANY_VERSION="1").returncode == 0
