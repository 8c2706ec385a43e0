"""Accuracy of the networks under test, so that no comparison of speeds is without it.

Every network is evaluated on the same clips, as the integers that all engines and the machine
compute. Without data, what the training recorded in the artefact is taken, and named as such.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twofold.hw.contract.errors import ToolError
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.cpu import CpuEngine
from twofold.sw.data.gsc import open_gsc
from twofold.sw.golden import forward
from twofold.sw.inputs import Labelled, read_labelled
from twofold.sw.inputs.digits import has_examples

SPLITS = ("val", "test")
RECORDED = "recorded by the training, int8"

Done = Callable[[int, int], None]
"""Called with the number of networks done, and of all."""


def accuracies(
    networks: Sequence[QuantizedNetwork], data: Path | None, done: Done = lambda *_: None
) -> dict[str, dict[str, Any]]:
    """For each network, by name: ``val``, ``test`` (shares, or None), ``digest``, ``data``.

    ``data`` of a network says on which samples it was measured. Networks of raw outputs, and those
    for which there are neither samples nor a record, have None. Raises DatasetError for a folder
    that cannot be read.
    """
    read: dict[str, dict[str, Labelled]] = {}
    found = {}
    for at, one in enumerate(networks):
        done(at, len(networks))
        key = json.dumps([dict(one.input), list(one.network.labels or ())], sort_keys=True)
        if key not in read:
            read[key] = _splits(one, data)
        found[one.network.name] = _measured(one, read[key]) or recorded(one)
    done(len(networks), len(networks))
    return found


def recorded(network: QuantizedNetwork) -> dict[str, Any]:
    """The accuracy that training recorded in a network's artefact."""
    known = network.provenance.get("accuracy")
    known = known if isinstance(known, Mapping) else {}
    shares = {split: _share(known.get(split)) for split in SPLITS}
    source = RECORDED if any(share is not None for share in shares.values()) else "not known"
    return {**shares, "digest": network.digest(), "data": source}


def _share(value: object) -> float | None:
    """``value`` if it is a share: what an artefact says is not trusted."""
    if isinstance(value, float | int) and not isinstance(value, bool) and 0 <= value <= 1:
        return float(value)
    return None


def _splits(network: QuantizedNetwork, data: Path | None) -> dict[str, Labelled]:
    """Samples of the splits that there are for this network."""
    if not network.network.labels:
        return {}
    if has_examples(network):
        return {split: read_labelled(network, split=split) for split in SPLITS}
    if network.front_end is None or data is None:
        return {}
    present = open_gsc(data).splits
    return {
        split: read_labelled(network, [data], split=split) for split in SPLITS if present.get(split)
    }


def _measured(network: QuantizedNetwork, splits: dict[str, Labelled]) -> dict[str, Any] | None:
    if not splits:
        return None
    shares: dict[str, float | None] = dict.fromkeys(SPLITS)
    counts = []
    for split, samples in splits.items():
        right = _logits(network, samples.samples).argmax(axis=1) == samples.labels
        shares[split] = round(float(right.mean()), 5)
        counts.append(f"{split} {len(right):,}")
    source = next(iter(splits.values())).source.partition(", ")[0]
    data = f"{source}: {', '.join(counts)} samples, int8"
    return {**shares, "digest": network.digest(), "data": data}


def _logits(network: QuantizedNetwork, samples: np.ndarray) -> np.ndarray:
    """Logits by the CPU engine; by the golden model, which is slower, where it is not built."""
    try:
        with CpuEngine(network, threads=1) as engine:
            return engine.infer(samples)[0]
    except ToolError:
        return forward(network, samples, keep_activations=False).logits
