"""What TVM wrote down while it tuned."""

import json
from pathlib import Path

FAILED = 1e9
"""Seconds that TVM writes down for a trial which failed, or more."""


def tuned_tasks(folder: Path) -> tuple[int, int]:
    """How many parts of a network tuning found a kernel for, of how many.

    ``folder`` holds TVM's database: a line of JSON for every part, and one for every trial, whose
    time is absent or beyond `FAILED` where it failed.
    """
    tasks = len((folder / "database_workload.json").read_text(encoding="utf-8").splitlines())
    tuned = set()
    for line in (folder / "database_tuning_record.json").read_text(encoding="utf-8").splitlines():
        task, (_, seconds, *_) = json.loads(line)
        if seconds and min(map(float, seconds)) < FAILED:
            tuned.add(task)
    return len(tuned), tasks
