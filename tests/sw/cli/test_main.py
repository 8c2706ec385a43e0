"""The command line: overview, errors as one line, exit codes."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.hw.contract.errors import (
    FileError,
    ParameterError,
    ToolError,
    TwofoldError,
    UsageError,
)
from twofold.hw.contract.files import write_text
from twofold.sw.cli import main as cli
from twofold.sw.cli.former import translated

ROOT = Path(__file__).parents[3]


def arguments(run) -> argparse.Namespace:
    return argparse.Namespace(run=run)


def failing(error: BaseException):
    def run(_args: argparse.Namespace) -> int:
        raise error

    return run


def test_overview_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for name, command in cli.commands().items():
        assert name in text
        assert command.HELP


def test_every_command_explains_itself(capsys):
    for name in cli.commands():
        with pytest.raises(SystemExit) as stop:
            cli.main([name, "--help"])
        assert stop.value.code == 0
        assert name in capsys.readouterr().out


def test_unknown_command_is_wrong_usage(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["levitate"])
    assert stop.value.code == 2
    assert "levitate" in capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [ParameterError("parameter image\n is damaged"), TwofoldError("no")]
)
def test_error_is_one_line_with_its_exit_code(monkeypatch, capsys, error):
    monkeypatch.setattr(
        cli, "parser", lambda: argparse.ArgumentParser(argument_default=argparse.SUPPRESS)
    )
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda *_: arguments(failing(error)))
    assert cli.main([]) == error.exit_code
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("twofold: ")


def test_missing_package_is_named():
    with pytest.raises(ToolError, match="'warpdrive'"):
        cli.run(arguments(failing(ModuleNotFoundError("no", name="warpdrive"))))


def test_exit_codes_differ():
    """Every kind of failure has its own; a special case of a kind keeps the kind's."""
    kinds = [TwofoldError, *TwofoldError.__subclasses__()]
    codes = [vars(kind)["exit_code"] for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert 0 not in codes and UsageError.exit_code == 2
    special = [case for kind in kinds[1:] for case in kind.__subclasses__()]
    assert all("exit_code" not in vars(case) for case in special)


@pytest.mark.parametrize("option", cli.OUTPUTS)
def test_an_output_never_takes_the_place_of_an_input(tmp_path: Path, option: str):
    source, link = tmp_path / "source", tmp_path / "link"
    source.write_text("input")
    link.hardlink_to(source)
    begun = []

    def run(_args: argparse.Namespace) -> int:
        begun.append(1)
        return 0

    for inputs in (source, [tmp_path, source]):
        args = argparse.Namespace(run=run, network=inputs, **{option: link})
        with pytest.raises(FileError, match=r"is the input .*source itself"):
            cli.run(args)
    assert not begun and source.read_text() == "input"
    other = argparse.Namespace(run=run, network=source, **{option: tmp_path / "other"})
    assert cli.run(other) == 0 and begun


def test_what_cannot_be_written_is_refused_before_any_work(tmp_path: Path):
    begun = []
    for path in (tmp_path, Path("/dev/null"), tmp_path / "file" / "below"):
        (tmp_path / "file").touch()
        with pytest.raises(FileError):
            cli.run(argparse.Namespace(run=lambda _: begun.append(1), out=path))
    assert not begun


def test_inputs_are_safe_from_whatever_a_command_writes(tmp_path: Path):
    """Also from what goes beside the output that the user named."""
    curves = tmp_path / "net.png"
    curves.write_text("input")

    def run(args: argparse.Namespace) -> int:
        write_text(args.out.with_suffix(".png"), "curves")
        return 0

    with pytest.raises(FileError, match="is the input"):
        cli.run(argparse.Namespace(run=run, out=tmp_path / "net.npz", wav=curves))
    assert curves.read_text() == "input"


def test_the_importer_keeps_its_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = tmp_path / "own.onnx"
    model.write_bytes(b"model")
    assert cli.main(["import", "--onnx", str(model), "--out", str(model)]) == FileError.exit_code
    assert capsys.readouterr().err.count("\n") == 1
    assert model.read_bytes() == b"model"


def test_commands_stand_in_the_order_of_work(capsys):
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    text = capsys.readouterr().out
    order = (
        "import train explore eval export compare solve sim rtl unisim resources pack bitstream "
        "emulate devices check infer listen spot serve time bench report"
    )  # as a user gets to them
    assert list(cli.VERBS) == order.split()
    places = [text.index(f"\n    {verb}") for verb in cli.VERBS]
    assert places == sorted(places)


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("twofold ")


def test_json_is_one_kind_of_flag():
    """Of every command, and it takes no value."""
    for name, command in cli.commands().items():
        made = argparse.ArgumentParser()
        command.add_arguments(made)
        (flag,) = (action for action in made._actions if "--json" in action.option_strings)
        assert (flag.nargs, flag.const, flag.default) == (0, True, False), name


@pytest.mark.parametrize(
    ("before", "now", "notes"),
    [
        (["sim", "--words", "3"], ["sim", "--samples", "3"], 1),
        (["sim", "--words=all"], ["sim", "--samples=all"], 1),
        (["build", "--onnx", "a"], ["import", "--onnx", "a"], 1),
        (
            ["fold", "--network", "tiny", "--latency", "--json", "f"],
            ["solve", "--net", "tiny", "--spans", "--figures", "f"],
            4,
        ),
        (["fold", "--network=own.npz"], ["solve", "--network=own.npz"], 1),
        (["solve", "--latency", "9", "--json"], ["solve", "--latency", "9", "--json"], 0),
        (["--help"], ["--help"], 0),
        ([], [], 0),
    ],
)
def test_former_names(before, now, notes):
    arguments, found = translated(before)
    assert arguments == now
    assert len(found) == notes


def test_a_former_name_works_with_a_note(capsys, tmp_path):
    assert cli.main(["build", "--onnx", str(tmp_path / "no.onnx"), "--out", "x"]) != 0
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == "twofold: note: `twofold build` is called `twofold import` now"


QUICK = """
import sys, time
begun = time.process_time()
from twofold.sw.cli.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as stop:
    code = stop.code
heavy = sorted({"torch", "amaranth", "onnx", "cocotb", "matplotlib"} & sys.modules.keys())
print(code, heavy, time.process_time() - begun, file=sys.stderr)
"""


@pytest.mark.parametrize("samples", [["--help"], ["devices"], ["devices", "--json"]])
def test_what_needs_no_torch_is_fast(samples):
    """Under a second of processor time, and nothing large is imported."""
    done = subprocess.run(
        [sys.executable, "-c", QUICK, *samples],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    said = re.fullmatch(r"(\d+) (\[.*\]) (\S+)", done.stderr.strip())
    assert said is not None, done.stderr
    code, heavy, seconds = said.groups()
    assert (code, heavy) == ("0", "[]")
    assert float(seconds) < 1


def test_devices_without_a_compiled_library(monkeypatch, capsys):
    def missing():
        raise ToolError("the CPU engine is not built: install a C++17 compiler")

    monkeypatch.setattr("twofold.sw.cpu.available_isas", missing)
    assert cli.main(["devices"]) == 0
    assert "cpu    the CPU engine is not built: install a C++17 compiler" in capsys.readouterr().out
    assert cli.main(["devices", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["cpu"]["isa"] is None
