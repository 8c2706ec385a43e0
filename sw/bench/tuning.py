"""Read TVM's tuning records."""

import json
from pathlib import Path

FAILED = 1e9
"""TVM records this many seconds, or more, for a failed trial."""


def tuned_tasks(folder: Path) -> tuple[int, int]:
    """Number of parts of a network for which tuning found a kernel, and number of parts in all.

    ``folder`` holds TVM's database: one line of JSON per part, and one per trial; the time of a
    failed trial is missing or at least `FAILED`.
    """
    tasks = len((folder / "database_workload.json").read_text(encoding="utf-8").splitlines())
    tuned = set()
    for line in (folder / "database_tuning_record.json").read_text(encoding="utf-8").splitlines():
        task, (_, seconds, *_) = json.loads(line)
        if seconds and min(map(float, seconds)) < FAILED:
            tuned.add(task)
    return len(tuned), tasks
