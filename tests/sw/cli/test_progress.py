"""Life without a terminal: a line when a step begins, and one now and then."""

import io
import time

from rich.console import Console

from twofold.sw.cli.progress import Steps


def lines(text: io.StringIO) -> list[str]:
    return text.getvalue().splitlines()


def test_a_step_that_is_told_nothing_of_still_shows_life() -> None:
    text = io.StringIO()
    with Steps(Console(file=text), period=0.05) as steps:
        steps("verilate", 0, 1)
        deadline = time.monotonic() + 10
        while len(lines(text)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(lines(text)) >= 3
    assert all(line.startswith("verilate: 0 of 1, ") for line in lines(text))


def test_many_reports_are_few_lines() -> None:
    text = io.StringIO()
    with Steps(Console(file=text), period=3600) as steps:
        for done in range(1000):
            steps("samples", done, 1000)
        for done in range(1000):
            steps("check", done, 0)
    assert lines(text) == ["samples: 0 of 1,000, 0 s", "check: 0 s"]


def test_a_step_that_is_done_is_silent() -> None:
    text = io.StringIO()
    with Steps(Console(file=text), period=0.05) as steps:
        steps("elaborate", 0, 1)
        steps("elaborate", 1, 1)
        seen = len(lines(text))
        time.sleep(0.3)
    assert len(lines(text)) == seen


def test_bars_on_a_terminal() -> None:
    text = io.StringIO()
    with Steps(Console(file=text, force_terminal=True)) as steps:
        steps("samples", 3, 10)
        steps("samples", 10, 10)
    assert "10/10" in text.getvalue()
