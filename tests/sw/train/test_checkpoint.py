"""Checkpoints: what was saved is read; one that cannot be written leaves the one before."""

import subprocess
import sys
from pathlib import Path

import torch

from twofold.sw.train import checkpoint

FULL = """\
import resource, signal, sys
from pathlib import Path
import torch
from twofold.hw.contract.errors import TwofoldError
from twofold.sw.train import checkpoint

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    checkpoint.save(Path(sys.argv[1]), {"weights": torch.zeros(100_000), "epoch": 2})
except TwofoldError as error:
    print(error)
"""


def test_what_was_saved_is_read(tmp_path: Path):
    path = tmp_path / "state.npz"
    checkpoint.save(path, {"layers": [torch.arange(6).reshape(2, 3)], "epoch": 1, "name": "a"})
    found = checkpoint.load(path)
    assert found["epoch"] == 1 and found["name"] == "a"
    assert torch.equal(found["layers"][0], torch.arange(6).reshape(2, 3))


def test_no_room(tmp_path: Path):
    """One line, and nothing from an archive that is left half-written."""
    path = tmp_path / "state.npz"
    checkpoint.save(path, {"epoch": 1})
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1 and "cannot be written" in done.stdout
    assert done.stderr == ""
    assert checkpoint.load(path) == {"epoch": 1}
    assert list(tmp_path.iterdir()) == [path]
