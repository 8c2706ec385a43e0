"""What tuning left behind."""

import json
from pathlib import Path

from twofold.sw.bench.tuning import tuned_tasks


def test_failed_trials_tune_nothing(tmp_path: Path):
    records = [
        [0, [[], [0.002, 0.001], {}, []]],
        [1, [[], [1e10], {}, []]],
        [1, [[], None, {}, []]],
    ]
    (tmp_path / "database_workload.json").write_text('["a"]\n["b"]\n')
    path = tmp_path / "database_tuning_record.json"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    assert tuned_tasks(tmp_path) == (1, 2)
    path.write_text("")
    assert tuned_tasks(tmp_path) == (0, 2)
