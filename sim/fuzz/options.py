"""Command lines whose options take values that they should not."""

import argparse
import json
import runpy
from collections.abc import Iterator

VALUES = (
    "-1", "0", "-0", "1.5", "nan", "inf", "-inf", "1e400", "99999999999999999999", "", " ", "x",
    "1_000", "\u0663", "\udcff", "/dev/null", "/dev/zero", "/", "n" * 300, "a\nb", "--", "%s",
)  # fmt: skip
QUICK = ("solve", "infer", "check", "time", "pack", "report", "export", "eval", "import", "devices")
"""Commands that do little where a value turns out to be right, and are run."""
NEEDED = {
    "infer": ["--net", "tiny", "--device", "cpu", "/nothing.npy"],
    "check": ["--net", "tiny", "--device", "cpu", "--samples", "16"],
    "time": ["--net", "tiny", "--device", "cpu", "--batch", "16", "--repeats", "1"],
    "solve": ["--net", "tiny"],
    "pack": ["--net", "tiny"],
    "export": ["--net", "tiny"],
    "eval": ["--net", "tiny"],
    "import": ["--onnx", "/nothing.onnx", "--out", "nothing.npz"],
}


def option_cases() -> list[bytes]:
    """Every option that takes a value with every one of `VALUES`, as JSON lists of words."""
    parser = runpy.run_module("twofold.sw.cli.main")["parser"]()
    return [
        json.dumps([verb, *_without(NEEDED.get(verb, []), option), option, value]).encode()
        for verb, option in _options(parser)
        for value in VALUES
    ]


def _options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    """Every command, and its options that take a value."""
    (choices,) = (
        action.choices
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    for verb, parser in choices.items():
        for action in parser._actions:
            if action.option_strings and action.nargs != 0:
                yield verb, action.option_strings[-1]


def _without(words: list[str], option: str) -> list[str]:
    """The words without an option and its value."""
    if option not in words:
        return words
    at = words.index(option)
    return words[:at] + words[at + 2 :]
