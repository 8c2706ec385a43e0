"""The command line: overview, errors as one line, exit codes."""

import argparse
from pathlib import Path

import pytest

from twofold.hw.contract.errors import FileError, ParameterError, ToolError, TwofoldError
from twofold.hw.contract.files import write_text
from twofold.sw.cli import main as cli


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
    assert not {0, 2} & set(codes)
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
    assert cli.main(["build", "--onnx", str(model), "--out", str(model)]) == FileError.exit_code
    assert capsys.readouterr().err.count("\n") == 1
    assert model.read_bytes() == b"model"
