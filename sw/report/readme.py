"""README's table of results, kept in step with the figures it was made of.

The figures are stored beside this module, so that a test can make the table again.
"""

import json
from pathlib import Path

from twofold.sw.artefacts.files import write_bytes
from twofold.sw.errors import ArtefactError
from twofold.sw.report.inputs import Inputs, read
from twofold.sw.report.tables import headline, markdown

BEGIN = "<!-- results: made by `twofold report --readme` -->"
END = "<!-- end of results -->"
STORED = Path(__file__).parent / "results.json"
KEPT = ("engine", "sparsity", "precision", "batch", "threads", "samples_per_second")
"""Of a timing, what the table needs."""


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
    """Write the table into ``readme`` and store its figures. Raises ArtefactError."""
    try:
        text = readme.read_text(encoding="utf-8")
    except OSError as error:
        raise ArtefactError(f"{readme}: cannot be read: {error.strerror}") from error
    new = replaced(text, inputs)
    write_bytes(STORED, (json.dumps(_needed(inputs), indent=1) + "\n").encode())
    write_bytes(readme, new.encode())


def stored() -> Inputs:
    """Figures of the table in README. Raises ArtefactError."""
    return Inputs.from_json(read(STORED))


def _needed(inputs: Inputs) -> dict[str, object]:
    """What the table shows: timings of one thread, simulations; the rest is left to the page."""
    tree = inputs.to_json()
    if inputs.bench is not None:
        rows = [{name: row[name] for name in KEPT} for row in inputs.rows if row["threads"] == 1]
        tree["bench"] = {"command": inputs.bench["command"], "rows": rows}
    return {**tree, "resources": {}}
