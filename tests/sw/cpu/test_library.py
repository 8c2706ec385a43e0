"""Finding, loading and missing the compiled library."""

import ctypes
from collections.abc import Iterator
from pathlib import Path

import pytest

from twofold.hw.contract.errors import ToolError
from twofold.sw.cpu import library
from twofold.sw.cpu.library import ISAS, available_isas


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder in which the library is looked for instead; restored afterwards."""
    monkeypatch.setattr(library, "__file__", str(tmp_path / "library.py"))
    library.library.cache_clear()
    yield tmp_path
    library.library.cache_clear()


def test_instruction_sets_are_in_order():
    available = available_isas()
    assert available[0] == "portable"
    assert [isa for isa in ISAS if isa in available] == list(available)


def test_without_a_library(moved: Path):
    with pytest.raises(ToolError, match=r"not built in .*: install a C\+\+17 compiler"):
        available_isas()
    assert list(moved.iterdir()) == []


def test_a_library_that_does_not_load(moved: Path):
    (moved / f"_engine{library.EXTENSION_SUFFIXES[0]}").write_bytes(b"not a library")
    with pytest.raises(ToolError, match="does not load"):
        available_isas()


def test_both_sides_agree_on_the_layout():
    built = library.library().twofold_cpu_layout().decode()
    assert built == library.layout()
    assert built.endswith(";" + ",".join(ISAS))


@pytest.mark.parametrize("change", ["a field less", "another order", "another instruction set"])
def test_a_library_of_other_sources_is_refused(monkeypatch: pytest.MonkeyPatch, change: str):
    """Not run with arguments that it would take for others."""
    fields = library.FIELDS[1:] if change == "a field less" else library.FIELDS[::-1]
    if change == "another instruction set":
        monkeypatch.setattr(library, "ISAS", (*ISAS, "another"))
    else:
        layer = type("LayerDescription", (ctypes.Structure,), {"_fields_": fields})
        monkeypatch.setattr(library, "FIELDS", fields)
        monkeypatch.setattr(library, "LayerDescription", layer)
    library.library.cache_clear()
    with pytest.raises(ToolError, match="built from other sources"):
        library.library()
    monkeypatch.undo()
    library.library.cache_clear()
    assert available_isas()
