"""README's results and ``docs/results.md``, kept in sync with the figures they were made from.

The figures are stored next to this module, so that a test can regenerate both. The metadata of the
chart say which figures it shows.
"""

from dataclasses import replace
from pathlib import Path

from twofold.hw.contract.files import read_text, write_json, write_text
from twofold.sw.errors import ArtefactError
from twofold.sw.report import picture
from twofold.sw.report.inputs import Inputs, read
from twofold.sw.report.speeds import speeds
from twofold.sw.report.summary import opening_rows, results

BEGIN = "<!-- results: made by `twofold report --readme` -->"
END = "<!-- end of results -->"
STORED = Path(__file__).parent / "results.json"
RESULTS = Path("docs") / "results.md"
"""Page of all results, beside README."""
PICTURES = Path("docs") / "pictures"
TEXT_BYTES_MAX = 1 << 22
KEPT = (
    "engine", "network", "sparsity", "precision", "batch", "threads",
    "samples_per_second",
)  # fmt: skip
"""Fields of a timing that the tables need."""
KEPT_ON_GPU = (*KEPT, "device")
FACTS = ("command", "load_before", "accuracies")
"""What else they need of the timings."""


def replaced(path: Path, made: str) -> str:
    """The text of a file with ``made`` between its markers. Raises ArtefactError, FileError."""
    before, begin, rest = read_text(path, TEXT_BYTES_MAX).partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ArtefactError(f"{path} has no place for results: needs {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n{made}\n{end}{after}"


def pages(readme: Path, inputs: Inputs) -> dict[Path, str]:
    """New text of README and, where it is there, of the page of results."""
    made = {readme: replaced(readme, opening_rows(inputs).markdown())}
    page = readme.parent / RESULTS
    if page.exists():
        made[page] = replaced(page, results(inputs))
    return made


def update(readme: Path, inputs: Inputs) -> list[Path]:
    """Write everything that is made of results; returns the files, the README first.

    Stored figures of a task stay if ``inputs`` has none of it (`kept`).

    The chart is drawn where README has a folder of pictures beside it. Raises ArtefactError,
    FileError.
    """
    inputs = kept(inputs)
    new = pages(readme, inputs)
    write_json(STORED, _needed(inputs))
    for path, text in new.items():
        write_text(path, text)
    folder = readme.parent / PICTURES
    if folder.is_dir() and speeds(inputs):
        return [*new, *(picture.draw(inputs, folder, theme) for theme in picture.THEMES)]
    return list(new)


def kept(inputs: Inputs) -> Inputs:
    """``inputs``, with the stored figures of the task that it has none of.

    Twelve words and ten digits are measured by commands of an hour each, and neither depends on the
    other. Raises ArtefactError.
    """
    if not STORED.exists() or (before := stored()).net != inputs.net:
        return inputs
    if not inputs.digits:
        inputs = replace(inputs, digits=before.digits)
    if inputs.bench is None and not inputs.simulations:
        inputs = replace(inputs, bench=before.bench, simulations=before.simulations)
    return inputs if inputs.resources else replace(inputs, resources=before.resources)


def stored() -> Inputs:
    """Stored figures. Raises ArtefactError."""
    return Inputs.from_json(read(STORED))


def _needed(inputs: Inputs) -> dict[str, object]:
    """What the texts show; the rest is only on the page."""
    tree = inputs.to_json()
    if inputs.bench is not None:
        rows = [{name: row[name] for name in KEPT} for row in inputs.rows]
        rows += [{name: row[name] for name in KEPT_ON_GPU} for row in inputs.gpu_rows]
        facts = {name: inputs.bench[name] for name in FACTS if name in inputs.bench}
        tree["bench"] = {**facts, "rows": rows}
    return tree
