"""What surrounds a process that sees emulated cards."""

import json
import shutil
import sys
import time
from pathlib import Path

import pytest

from twofold.hw.boards import cards, find
from twofold.hw.contract.errors import ToolError
from twofold.sim.emulation import environment
from twofold.sim.emulation.environment import MARGIN, PACKET, check, emulation, prepare, run


@pytest.fixture
def xrt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with libraries like Debian's: no tree around them."""
    lib = tmp_path / "usr" / "lib"
    lib.mkdir(parents=True)
    for name in ("hwemu", "core"):
        (lib / f"libxrt_{name}.so.2.13.0").touch()
        (lib / f"libxrt_{name}.so.2").symlink_to(f"libxrt_{name}.so.2.13.0")
    monkeypatch.setenv("XILINX_XRT", str(lib.parent))
    monkeypatch.setattr(shutil, "which", lambda program: f"/bin/{program}")
    return lib


def test_files_and_variables(xrt: Path, tmp_path: Path):
    variables = prepare(tmp_path / "run", cards=2)
    root = Path(variables["XILINX_XRT"])
    for name in ("libxrt_hwemu.so", "libxrt_hwemu.so.2", "libxrt_core.so", "libxrt_core.so.2"):
        assert (root / "lib" / name).resolve().parent == xrt
    assert json.loads((root / "version.json").read_text()) == {"BUILD_VERSION": "2.13.0"}
    config = json.loads((Path(variables["EMCONFIG_PATH"]) / "emconfig.json").read_text())
    (board,) = config["Platform"]["Boards"]
    assert board["Devices"][0]["NumDevices"] == "2"
    settings = Path(variables["XRT_INI_PATH"]).read_text()
    assert f"packet_size={PACKET}\n" in settings
    assert settings.count("x" * (PACKET + MARGIN)) == 1


@pytest.mark.usefixtures("xrt")
@pytest.mark.parametrize("name", cards())
def test_the_cards_are_the_boards(tmp_path: Path, name: str):
    board = find(name)
    variables = prepare(tmp_path / "run", board=board)
    config = json.loads((Path(variables["EMCONFIG_PATH"]) / "emconfig.json").read_text())
    ((card,),) = (one["Devices"] for one in config["Platform"]["Boards"])
    assert card["Name"] == board.platform.platform
    sizes = {"GB": 30, "MB": 20}
    banks = [int(one["Size"][:-2]) << sizes[one["Size"][-2:]] for one in card["DdrBanks"]]
    memory = board.platform.memory
    assert banks == [memory.bank_bytes] * memory.banks


def test_a_complete_installation_is_taken_as_it_is(xrt: Path, tmp_path: Path):
    (xrt.parent / "version.json").write_text("{}")
    assert prepare(tmp_path / "run")["XILINX_XRT"] == str(xrt.parent)


@pytest.mark.usefixtures("xrt")
def test_nothing_is_left_behind():
    with emulation() as variables:
        place = Path(variables["EMCONFIG_PATH"])
        sockets = Path("/tmp") / variables["USER"]
        sockets.mkdir()
        assert place.exists()
    assert not place.exists()
    assert not sockets.exists()


def test_missing_libraries_are_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Path, "exists", lambda _: False)
    with pytest.raises(ToolError, match=r"XRT is not installed .* apt-get install libxrt1 unzip"):
        check()


@pytest.mark.usefixtures("xrt")
def test_a_missing_unzip_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(ToolError, match="unzip is not on PATH"):
        check()


def test_a_process_that_takes_too_long_ends_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(environment, "END_SECONDS", 1.0)
    mark = tmp_path / "alive"
    inner = (
        f"import time, pathlib\nwhile True: time.sleep(0.05); pathlib.Path({str(mark)!r}).touch()"
    )
    outer = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {inner!r}])"
    with pytest.raises(ToolError, match="did not end within 1 s"):
        run([sys.executable, "-c", outer], {}, seconds=1)
    mark.unlink(missing_ok=True)
    time.sleep(0.3)
    assert not mark.exists()


def test_variables_and_output_pass():
    program = "import os, sys; print(os.environ['A']); sys.exit(3)"
    done = run([sys.executable, "-c", program], {"A": "b"}, seconds=30)
    assert (done.returncode, done.stdout) == (3, "b\n")
