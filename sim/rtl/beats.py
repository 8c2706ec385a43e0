"""Beats of the core's streams as bytes, as Verilator stores them; and throughput from the cycles of
the results.
"""

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.arith import LOGIT_BITS
from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.folding import Folding, plans
from twofold.hw.contract.network import Network
from twofold.hw.contract.results import ResultRow
from twofold.hw.engines.links import parameter_layout, result_layout
from twofold.sim.rtl.probes import unpack_field

Inputs = NDArray[np.uint8]
Results = tuple[NDArray[np.int32], NDArray[np.int64] | None]
"""Logits ``[samples, outputs]``, and labels ``[samples]``, None for raw outputs."""


def cycles_per_sample(finished: NDArray[np.int64]) -> float:
    """Mean distance between results in the second half of a run, given the cycle of each; 0 for a
    single result.
    """
    half = (len(finished) - 1) // 2
    if len(finished) < 2:
        return 0.0
    return float(finished[-1] - finished[half]) / (len(finished) - 1 - half)


def parameter_beats(image: bytes, size: int) -> Inputs:
    """Words of a parameter image as beats ``[n, size]`` on the core's ``parameters`` stream. Raises
    ParameterError.
    """
    if not image or len(image) % 4:
        raise ParameterError(f"parameter image is {len(image)} bytes long, needs a multiple of 4")
    layout = parameter_layout()
    words = np.frombuffer(image, "<u4").astype(np.uint64)
    beats = words << np.uint64(layout["data"].offset)
    beats[-1] |= np.uint64(1 << layout["last"].offset)
    return np.ascontiguousarray(beats.view(np.uint8).reshape(-1, 8)[:, :size])


def pixel_beats(inputs: Inputs, input_bytes: int, size: int) -> tuple[Inputs, int]:
    """Samples as beats ``[n, size]`` on the core's ``i`` stream, and the beats per sample.

    ``inputs`` is uint8 ``[samples, ...]``, row by row. A sample that does not fill its last beat is
    padded with zeros.
    """
    flat = np.ascontiguousarray(inputs).reshape(len(inputs), -1)
    beats = -(-flat.shape[1] // input_bytes)
    padded = np.zeros((len(inputs), beats * input_bytes), np.uint8)
    padded[:, : flat.shape[1]] = flat
    whole = np.zeros((len(inputs) * beats, size), np.uint8)
    whole[:, :input_bytes] = padded.reshape(-1, input_bytes)
    return whole, beats


def results_of(beats: Inputs, row: ResultRow) -> Results:
    """Results from the beats ``[samples * row.beats, bytes]`` of the core's ``o`` stream."""
    layout = result_layout(row)
    if row.beats > 1:
        data = np.ascontiguousarray(beats[:, : layout["data"].width // 8])
        rows = data.view("<i4").reshape(-1, row.columns)
        labels = None if row.label_column is None else rows[:, row.label_column].astype(np.int64)
        return rows[:, : row.outputs], labels
    logits = unpack_field(beats, layout["logits"].offset, row.outputs, LOGIT_BITS)
    labels = None
    if row.labelled:
        labels = unpack_field(beats, layout["label"].offset, 1, layout["label"].width)[:, 0]
    return logits.astype(np.uint32).view(np.int32), labels


def timeout(network: Network, folding: Folding) -> int:
    """Timeout: cycles without any transfer after which a machine is certain to have hung."""
    return 10_000 + 4 * sum(plan.cycles for plan in plans(network, folding))
