"""Progress of long steps: bars with the time left on a terminal, elsewhere a line at intervals."""

import threading
import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from twofold.hw.contract.closing import Closing

PERIOD = 10.0
"""Seconds between lines when the output is not a terminal."""


class Steps(Closing):
    """A callable that shows the progress of steps. Use as a context manager."""

    def __init__(self, console: Console, period: float = PERIOD) -> None:
        self._shown = _Bars(console) if console.is_terminal else _Lines(console, period)

    def __enter__(self) -> "Steps":
        self._shown.start()
        return self

    def close(self) -> None:
        """Stop updating; what is shown stays."""
        self._shown.stop()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that ``done`` parts of ``total`` are done; a total of 0 is unknown."""
        self._shown.update(step, done, total)


class _Bars:
    """One bar per step."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description:14}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}
        self.start, self.stop = self._progress.start, self._progress.stop

    def update(self, step: str, done: int, total: int) -> None:
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=total or None)
        self._progress.update(self._tasks[step], completed=done, total=total or None)


class _Lines:
    """A line when a step begins, and one every period while it lasts, even without updates."""

    def __init__(self, console: Console, period: float) -> None:
        self._console, self._period = console, period
        self._begun: dict[str, float] = {}
        self._latest: Callable[[], str] | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def update(self, step: str, done: int, total: int) -> None:
        begun = self._begun.setdefault(step, time.monotonic())
        new = len(self._begun) == 1 and self._latest is None
        new = new or (self._latest is not None and not self._latest().startswith(f"{step}:"))
        parts = f"{done:,} of {total:,}, " if total else ""

        def line() -> str:
            return f"{step}: {parts}{time.monotonic() - begun:.0f} s"

        self._latest = None if total and done >= total else line
        if new and self._latest is not None:
            self._say(line())

    def _watch(self) -> None:
        while not self._ended.wait(self._period):
            latest = self._latest
            if latest is not None:
                self._say(latest())

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)
