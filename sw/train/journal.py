"""Journal of a training run: JSON lines, and a plot of the curves."""

import json
from dataclasses import asdict
from pathlib import Path

from twofold.hw.contract.files import read_text, write_text, writing
from twofold.sw.errors import ArtefactError
from twofold.sw.train.loop import Record

LIMIT = 1 << 26
"""Largest size of a journal in bytes."""


class Journal:
    """JSON lines, one per epoch.

    The whole file is rewritten with every record, so that two runs that share a journal cannot
    interleave their lines.

    Parameters
    ----------
    path: the file; created with the first record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[str] = []

    def clear(self) -> None:
        """Delete all records."""
        self.path.unlink(missing_ok=True)
        self._lines.clear()

    def add(self, record: Record) -> None:
        """Append the record of an epoch. Raises FileError."""
        self._lines.append(json.dumps(asdict(record)))
        write_text(self.path, "\n".join([*self._lines, ""]))

    def records(self) -> list[Record]:
        """All records, in order. Raises ArtefactError if a line is not a record."""
        if not self.path.exists():
            return []
        found: list[Record] = []
        for number, line in enumerate(read_text(self.path, LIMIT).splitlines(), 1):
            try:
                found.append(Record(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ArtefactError(f"{self.path}:{number}: not a record of training") from error
        return found

    def draw(self, path: Path) -> None:
        """Plot loss and validation accuracy over the epochs, as PNG."""
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        records = self.records()
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        right, loss = figure.subplots(1, 2)
        start = 0
        for phase in dict.fromkeys(record.phase for record in records):
            part = [record for record in records if record.phase == phase]
            epochs = [start + record.epoch for record in part]
            right.plot(epochs, [100 * record.val_accuracy for record in part], label=phase)
            loss.plot(epochs, [record.loss for record in part], label=phase)
            start += part[-1].epochs
        right.set(xlabel="epoch", ylabel="validation accuracy, %")
        loss.set(xlabel="epoch", ylabel="loss", yscale="log")
        for axes in (right, loss):
            axes.grid(alpha=0.3)
            axes.legend()
        with writing(path) as file:
            figure.savefig(file, format="png", dpi=120)
