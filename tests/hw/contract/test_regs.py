"""The register table keeps the rules that Vitis, XRT and the kernel rely on."""

import itertools
import re
from pathlib import Path

import pytest

from twofold.hw.contract import presets, regs
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.regs import Access, Status


def test_registers_are_aligned_and_do_not_overlap():
    ordered = sorted(regs.REGISTERS, key=lambda one: one.offset)
    assert ordered == list(regs.REGISTERS)
    for low, high in itertools.pairwise(ordered):
        assert low.end <= high.offset, (low, high)
    assert all(one.offset % 4 == 0 and one.bits % 32 == 0 for one in ordered)
    assert ordered[-1].end <= 1 << regs.ADDRESS_BITS


def test_control_registers_are_where_the_runtime_lookups():
    assert [one.offset for one in regs.CONTROLS] == [0x00, 0x04, 0x08, 0x0C]
    assert (regs.Control.DONE, regs.Control.CONTINUE) == (2, 16)


def test_arguments_are_numbered_from_zero_with_a_reserved_sample_behind_each():
    assert [one.argument for one in regs.ARGUMENTS] == list(range(len(regs.ARGUMENTS)))
    assert regs.ARGUMENTS[0].offset == 0x10
    for low, high in itertools.pairwise(regs.ARGUMENTS):
        assert high.offset == low.end + 4
    assert {one.name for one in regs.ARGUMENTS if one.pointer} == {"image", "input", "output"}
    assert all(one.bits == 64 for one in regs.ARGUMENTS if one.pointer)
    assert all(one.argument is None for one in regs.REGISTERS if one.access != Access.ARGUMENT)


def test_every_status_has_a_text_and_every_image_failure_a_status():
    assert set(regs.STATUS_TEXT) == set(Status)
    for code in ParameterStatus:
        if code not in (ParameterStatus.NONE, ParameterStatus.OK):
            assert Status(regs.PARAMETER_CODES + code).name == f"PARAMETERS_{code.name}"


def test_names_are_unique_and_found():
    assert regs.register("samples") is regs.ARGUMENTS[5]
    assert [one.name for one in regs.ARGUMENTS[6:]] == ["stride", "extent"]  # 0 is their default
    assert len({one.name for one in regs.REGISTERS}) == len(regs.REGISTERS)
    with pytest.raises(KeyError):
        regs.register("sample")


def test_markdown_has_a_row_for_every_register():
    rows = regs.markdown().splitlines()[2:]
    assert len(rows) == len(regs.REGISTERS)
    assert all(f"`{one.name}`" in row for one, row in zip(regs.REGISTERS, rows, strict=True))


def test_samples_are_padded_to_whole_beats():
    assert regs.sample_stride(presets.network("gsc")) == 1024
    assert regs.sample_stride(presets.network("tiny")) == 64


def test_samples_span_the_bytes_from_the_first_to_the_last():
    for samples, stride, span in ((1, 0, 256), (5, 0, 1280), (5, 64, 512), (2, 1024, 1280)):
        assert regs.span_bytes(256, samples, stride) == span


def test_halves_of_wide_counters_lie_where_the_kernel_takes_them_apart():
    """The low half of 64 bits is at a multiple of 8."""
    wide = [one for one in regs.READ_ONLY + regs.COUNTERS if one.bits >= 64]
    assert len(wide) > 8 and all(one.offset % 8 == 0 for one in wide)


def test_readme_has_the_table():
    readme = Path(regs.__file__).parents[1] / "kernel" / "README.md"
    assert regs.markdown() in readme.read_text()


def test_header_has_every_register_and_bit():
    lines = regs.c_header().splitlines()
    for one in regs.REGISTERS:
        assert f"constexpr uint32_t REGISTER_{one.name.upper()} = {one.offset:#x};" in lines
    for bit in regs.Control:
        assert f"constexpr uint32_t CONTROL_{bit.name} = {bit.value:#x};" in lines
    assert "constexpr uint32_t BEAT_BYTES = 0x40;" in lines
    names = [line.split()[2] for line in lines if line.startswith("constexpr")]
    assert len(set(names)) == len(names)


def test_the_emulated_card_knows_no_register_by_hand():
    """Nothing in it would stay behind if the table moved."""
    card = Path(regs.__file__).parents[2] / "sim" / "emulation" / "card.cpp"
    text = card.read_text()
    assert '#include "registers.h"' in text
    for name in ("BEAT", "CONTROL", "START", "IDLE", "CONTINUE"):
        values = re.findall(rf"\b{name} = ([^,;]+)[,;]", text)
        assert values and all("twofold::" in value for value in values), name
