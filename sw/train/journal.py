"""Journal of a training run: figures as JSON lines, curves as a picture."""

import json
from dataclasses import asdict
from pathlib import Path

from twofold.sw.errors import ArtefactError
from twofold.sw.train.loop import Record


class Journal:
    """JSON lines, one for each epoch.

    Parameters
    ----------
    path: the file; made when the first record is added.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def clear(self) -> None:
        """Start anew."""
        self.path.unlink(missing_ok=True)

    def add(self, record: Record) -> None:
        """Append the figures of an epoch."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def records(self) -> list[Record]:
        """Everything so far, in order. Raises ArtefactError when a line is not a record."""
        if not self.path.exists():
            return []
        found: list[Record] = []
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                found.append(Record(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ArtefactError(f"{self.path}:{number}: not a record of training") from error
        return found

    def draw(self, path: Path) -> None:
        """Picture (PNG) of loss, validation accuracy and openness over the epochs."""
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
        unfinished = path.with_suffix(".unfinished")
        figure.savefig(unfinished, format="png", dpi=120)
        unfinished.replace(path)
