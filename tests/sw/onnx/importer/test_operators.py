"""The table of operators in the documentation is that of the importer."""

import re
from pathlib import Path

from twofold.sw.onnx.importer.chain import operators
from twofold.sw.onnx.importer.dialects import REWRITERS
from twofold.sw.onnx.importer.dialects.arithmetic import MAKERS

PAGE = Path(__file__).parents[4] / "docs" / "own-network.md"


def test_the_table_lists_what_is_read() -> None:
    table = re.search(r"<!-- operators:.*?<!-- end of operators -->", PAGE.read_text(), re.S)
    assert table
    rows = [line.split("|")[1] for line in table.group().splitlines() if line.startswith("| `")]
    listed = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert listed == {*operators(), *(kind for _, kind in REWRITERS), *MAKERS}
