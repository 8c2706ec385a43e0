"""Folders of files through the nodes of a cluster, with Ray Data."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twofold.sw.driver.classify import classify
from twofold.sw.inputs import read_inputs
from twofold.sw.rack.cluster import claim, ray_module
from twofold.sw.rack.rack import Scale
from twofold.sw.rack.replica import Plan, Replica

FILES = 256
"""Files that a replica takes at a time."""


def infer_files(ray: Any, plan: Plan, files: Sequence[Path], scale: Scale) -> list[dict[str, Any]]:
    """Rows of `twofold.sw.driver.classify.classify` for files that every node can read, in order.

    Rows of files that cannot be read have ``error`` and ``code``, the exit code. Files of a node
    that is lost are read on another one.
    """
    data = ray_module("ray.data")
    context = data.DataContext.get_current()
    context.enable_progress_bars = False
    named = [{"at": at, "file": str(file.absolute())} for at, file in enumerate(files)]
    options = claim(ray)
    blocks = -(-len(files) // FILES)
    found = data.from_items(named, override_num_blocks=blocks).map_batches(
        _Offline,
        fn_constructor_args=(plan,),
        batch_size=FILES,
        concurrency=(scale.least, scale.most),
        **options,
    )
    rows = sorted(found.iter_rows(), key=lambda row: row["at"])
    return [one for row in rows for one in json.loads(row["rows"])]


class _Offline:
    """A replica, as Ray Data calls it."""

    def __init__(self, plan: Plan) -> None:
        self._replica = Replica(plan)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        files = [Path(str(file)) for file in batch["file"]]
        inputs = read_inputs(self._replica.network, files)
        rows = classify(self._replica.accelerator, self._replica.network, inputs)
        codes = [failure.error.exit_code for failure in inputs.failures]
        for row, code in zip(rows[len(rows) - len(codes) :], codes, strict=True):
            row["code"] = code
        return {"at": np.asarray(batch["at"])[:1], "rows": [json.dumps(rows)]}
