"""Options of every command: numbers have ranges, files are known as such, none is ignored."""

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from twofold.hw.contract.errors import UsageError
from twofold.sw import ranges
from twofold.sw.cli import main as cli
from twofold.sw.cli.unused import refuse

ROOT = Path(__file__).parents[3]
NUMBERS = (ranges.Range, ranges.Listed, ranges.Worded, ranges.Late)
ODD = ("nan", "inf", "-inf", "1e400", "-1e400", "", " ", "1 ", "x", "0x10", "1_0", "\u0663",
       "9" * 5000, "1e99999")  # fmt: skip
PARSED = {"bench --engines": "engine_names", "import --scale": "scale"}
"""Options that are neither numbers nor files nor words, and the function that reads them."""
WORDS = (
    "beside", "board", "cluster", "device", "engines", "host", "input", "microphone", "name",
    "origin", "replicas", "split",
)  # fmt: skip
"""Options that take a text that is no file."""
FOLDERS = ("bitstreams", "build", "data", "folder", "work")
READ = ("files", "input", "model", "onnx", "start", "verify", "wav", "xclbin")


def options() -> Iterator[tuple[str, argparse.Action]]:
    """Everything that takes a value, by command and name."""
    (choices,) = (
        action.choices
        for action in cli.parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for verb, parser in choices.items():
        for action in parser._actions:
            if action.nargs != 0:
                yield f"{verb} {(action.option_strings or [action.dest])[-1]}", action


TAKING = dict(options())


def test_there_are_options():
    assert len(TAKING) > 150
    assert sum(isinstance(one.type, NUMBERS) for one in TAKING.values()) > 40


@pytest.mark.parametrize("name", TAKING)
def test_every_option_says_what_it_takes(name: str):
    """A new option cannot do without a range, nor be forgotten among inputs and outputs."""
    action = TAKING[name]
    if name in PARSED:
        assert getattr(action.type, "__name__", None) == PARSED[name]
    elif action.type is Path:
        assert action.dest in (*cli.OUTPUTS, *READ, *FOLDERS)
    elif action.type is None:
        assert action.choices or action.dest in (*cli.NAMES, *WORDS)
        assert not isinstance(action.default, int | float)
    else:
        assert isinstance(action.type, NUMBERS), "an option that takes a number needs a range"


@pytest.mark.parametrize("name", [n for n, one in TAKING.items() if isinstance(one.type, NUMBERS)])
def test_no_number_is_taken_outside_its_range(name: str):
    read = TAKING[name].type
    assert isinstance(read, NUMBERS)
    held = read if isinstance(read, ranges.Range) else read.one
    assert held.least < held.most < float("inf")
    beyond = [str(held.kind(held.most * 2 + held.step)), str(held.kind(held.least) - held.step)]
    for text in (*ODD, *beyond, *(["1.5"] if held.kind is int else [])):
        with pytest.raises(argparse.ArgumentTypeError):
            read(text)
    default = TAKING[name].default
    ends = (held.kind(held.least), held.kind(held.most))
    for value in (*ends, *([] if default is None or isinstance(default, list) else [default])):
        assert read(str(value)) in (value, (value,))


def test_no_program_takes_a_number_without_a_range():
    """Also those that are no commands of ``twofold``."""
    bare = []
    for path in (*ROOT.glob("sw/**/*.py"), *ROOT.glob("sim/**/*.py"), *ROOT.glob("hw/**/*.py")):
        text = path.read_text()
        if "add_argument(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            kind = node.value if isinstance(node, ast.keyword) and node.arg == "type" else None
            if isinstance(kind, ast.Name) and kind.id in ("int", "float", "complex"):
                bare.append(f"{path.relative_to(ROOT)}:{kind.lineno}")
    assert not bare


def test_ranges_say_what_they_need():
    assert str(ranges.whole(1, 65_536)) == "a whole number, 1..65,536"
    assert str(ranges.real(0.1, 600)) == "a number, 0.1..600"
    assert str(ranges.whole(64, 1024, 64)) == "a multiple of 64, 64..1,024"
    assert ranges.Listed(ranges.SEED)("1,2") == (1, 2)
    assert ranges.Worded(ranges.SAMPLES, "all")("all") == "all"
    with pytest.raises(argparse.ArgumentTypeError, match=r"'0': needs a whole.*, or 'all'$"):
        ranges.Worded(ranges.SAMPLES, "all")("0")
    assert [ranges.real(-9, 9).read(text) for text in ("1", "-1.", ".5", "+2e0", "1e-3")] == [
        1, -1, 0.5, 2, 0.001,
    ]  # fmt: skip


def test_an_option_without_effect_is_refused():
    args = argparse.Namespace(net=None, quick=False, input=[], fan_in=0)
    refuse(args, "net", "quick", "input", "missing", why="has none")
    with pytest.raises(UsageError, match="--fan-in has none"):
        refuse(args, "fan_in", why="has none")


IGNORED = (
    ("export --network tiny-fast --net tiny --out x.onnx", "--net names another network"),
    ("export --network tiny-fast --variant fast --out x.onnx", "--variant names another"),
    ("rtl --machine tiny-fast-small --folding full", "--folding names a shipped machine"),
    ("compare --onnx x.onnx --net tiny", "--net names another network"),
    ("resources --calibrate --net tiny", "--net is for one machine"),
    ("resources --calibrate --json", "--json is for one machine"),
    ("bitstream --net tiny --units 2", "--units is for --target hw_emu"),
    ("bench --input x.npy", "--input is for --network"),
    ("bench --network tiny-fast --net tiny", "--net names other networks"),
    ("train --net tiny --task digits10 --out x.npz", "--task is for --net gsc"),
    ("train --network tiny-fast --machine tiny-fast-full --out x.npz", "--machine names another"),
    ("train --net tiny --data . --out x.npz", "--data is for --net gsc"),
    ("explore seeds --net tiny --data .", "--data is for --net gsc"),
    ("eval --net tiny --folding full", "--folding is for --backend rtl"),
    ("eval --network tiny-fast --machine tiny-fast-full", "--machine is for --backend rtl"),
    ("eval --beside dense", "--beside is for --robust"),
    ("eval --robust --picture x.png", "--picture is of one network"),
    ("eval x.npz --data .", "--data names other samples"),
    ("eval x.npz --robust", "--robust takes the clips of --data"),
    ("listen x.wav --rate 8000", "--rate is for raw standard input"),
    ("listen - --pace", "--pace is for recordings"),
    ("listen x.wav --microphone 1", "--microphone is heard where no files"),
    ("serve tiny-fast --net tiny", "--net names another network"),
    ("infer x.npy --net tiny --device cpu --xclbin x.xclbin", "--xclbin is for a card"),
    ("check --net tiny --device golden --xclbin x.xclbin", "--xclbin is for a card"),
)


@pytest.mark.parametrize(("line", "said"), IGNORED)
def test_no_option_is_ignored(
    line: str, said: str, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    if line.startswith(("train", "explore")):
        pytest.importorskip("torch")
    if line.startswith("infer"):
        import numpy as np

        np.save("x.npy", np.zeros((1, 1, 8, 8), np.uint8))
    assert cli.main(line.split()) == UsageError.exit_code
    assert f"twofold: {said}" in " ".join(capsys.readouterr().err.split())
    assert not {"x.onnx", "x.npz"} & {path.name for path in tmp_path.iterdir()}


def test_a_network_is_not_replaced_by_what_is_made_of_it(tmp_path: Path, capsys):
    """Networks and machines are given by name or by file: those that are files are inputs."""
    from twofold.sw.artefacts.shipped import shipped_file

    own = tmp_path / "own.npz"
    content = shipped_file("tiny-fast").read_bytes()
    own.write_bytes(content)
    for line in (f"export --network {own} --out {own}", f"pack --network {own} --out {own}"):
        assert cli.main(line.split()) == 14
        assert "is the input" in capsys.readouterr().err
    assert own.read_bytes() == content
