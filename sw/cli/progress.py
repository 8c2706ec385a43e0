"""Progress of long steps on the terminal, with the time left."""

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


class Steps(Closing):
    """A line for every step: a function to call. Use as a context manager."""

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

    def __enter__(self) -> "Steps":
        self._progress.start()
        return self

    def close(self) -> None:
        """Leave the lines as they are."""
        self._progress.stop()

    def __call__(self, step: str, done: int, total: int) -> None:
        """Show that ``done`` parts of ``total`` are done; a total of 0 is unknown."""
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(step, total=total or None)
        self._progress.update(self._tasks[step], completed=done, total=total or None)
