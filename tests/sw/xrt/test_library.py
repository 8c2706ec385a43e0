"""Which card on the bus an open one is, from a library that answers as XRT's does, and from XRT."""

import shutil
import subprocess
from pathlib import Path

import pytest

from twofold.sw.xrt.library import EMULATION_VARIABLE, ROOT_VARIABLE, pci_address

SOURCE = r"""
#include <cstdio>
#include <cstdint>
static const char *CARDS[] = {"0000:c1:00.1", "0000:02:00.1", nullptr, "nonsense"};
extern "C" int xclGetSysfsPath(
    void *handle, const char *subdev, const char *entry, char *path, size_t size) {
    const char *card = CARDS[(uintptr_t)handle - 1];
    if (!card) return -22;
    std::snprintf(path, size, "/sys/bus/pci/devices/%s/%s/%s", card, subdev, entry);
    return 0;
}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of XRT with nothing in it."""
    (tmp_path / "lib").mkdir()
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))
    monkeypatch.delenv(EMULATION_VARIABLE, raising=False)
    return tmp_path


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed")
def test_the_address_is_the_one_that_the_runtime_tells(root: Path):
    (root / "xrt.cpp").write_text(SOURCE)
    built = root / "lib" / "libxrt_core.so.2"
    subprocess.run(["g++", "-shared", "-fPIC", "-o", built, root / "xrt.cpp"], check=True)
    assert [pci_address(handle) for handle in (1, 2, 3, 4)] == [
        "0000:c1:00.1", "0000:02:00.1", None, None,
    ]  # fmt: skip


@pytest.mark.usefixtures("root")
def test_emulation_has_no_bus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(EMULATION_VARIABLE, "hw_emu")
    assert pci_address(1) is None
