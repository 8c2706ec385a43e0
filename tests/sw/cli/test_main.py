"""The command line: overview, errors as one line, exit codes."""

import argparse

import pytest

from twofold.hw.contract.errors import ParameterError, ToolError, TwofoldError
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
