"""Drawings: of any machine, and those of the documentation of the machine that ships."""

from pathlib import Path

import pytest
from PIL import Image

from twofold.hw.contract.shipped import machine
from twofold.sim.drawings.__main__ import main
from twofold.sim.drawings.sheet import SHOWS

PICTURES = Path(__file__).parents[3] / "docs" / "pictures"


def shown(path: Path) -> str:
    """Fingerprint of the machine that a drawing shows."""
    with Image.open(path) as image:
        assert min(image.size) > 200
        return str(image.info[SHOWS])


@pytest.mark.parametrize("folding", ["small", "full"])
def test_drawings_are_of_the_machine_that_was_asked_for(tmp_path: Path, folding: str, capsys):
    assert main(["--network", "tiny-fast", "--folding", folding, "--out", str(tmp_path)]) == 0
    paths = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in paths] == ["word.png", "machine.png"]
    fingerprint = machine(f"tiny-fast-{folding}").fingerprint.hex()
    assert [shown(path) for path in paths] == [fingerprint] * 2


def test_unknown_network_is_one_line(tmp_path: Path, capsys):
    assert main(["--network", "none", "--out", str(tmp_path)]) != 0
    assert capsys.readouterr().err.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["word", "machine"])
def test_drawings_of_the_documentation_show_the_shipped_machine(name: str):
    assert shown(PICTURES / f"{name}.png") == machine("gsc-fast-full").fingerprint.hex()
