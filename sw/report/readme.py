"""README's table of results, kept in sync with the figures it was made from.

The figures are stored next to this module, so that a test can regenerate the table.
"""

from pathlib import Path

from twofold.hw.contract.files import read_text, write_json, write_text
from twofold.sw.errors import ArtefactError
from twofold.sw.report.inputs import Inputs, read
from twofold.sw.report.tables import headline, markdown

BEGIN = "<!-- results: made by `twofold report --readme` -->"
END = "<!-- end of results -->"
STORED = Path(__file__).parent / "results.json"
README_BYTES_MAX = 1 << 22
KEPT = ("engine", "sparsity", "precision", "batch", "threads", "samples_per_second")
"""Fields of a timing that the table needs."""


def section(inputs: Inputs) -> str:
    """The table as Markdown."""
    return markdown(("what", "figure", "how"), headline(inputs))


def replaced(text: str, inputs: Inputs) -> str:
    """README with the table of ``inputs`` between its markers. Raises ArtefactError."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ArtefactError(f"README has no table of results: needs {BEGIN!r} and {END!r}")
    return f"{before}{begin}\n{section(inputs)}\n{end}{after}"


def update(readme: Path, inputs: Inputs) -> None:
    """Write the table to ``readme`` and store its figures. Raises ArtefactError, FileError."""
    new = replaced(read_text(readme, README_BYTES_MAX), inputs)
    write_json(STORED, _needed(inputs))
    write_text(readme, new)


def stored() -> Inputs:
    """Stored figures of the table in README. Raises ArtefactError."""
    return Inputs.from_json(read(STORED))


def _needed(inputs: Inputs) -> dict[str, object]:
    """What the table shows: single-thread timings and simulations; the rest is only on the page."""
    tree = inputs.to_json()
    if inputs.bench is not None:
        rows = [{name: row[name] for name in KEPT} for row in inputs.rows if row["threads"] == 1]
        tree["bench"] = {"command": inputs.bench["command"], "rows": rows}
    return {**tree, "resources": {}}
