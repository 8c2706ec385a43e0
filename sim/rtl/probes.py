"""Decodes probe beats to the activations of every layer."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.arith import ACT_BITS
from twofold.hw.contract.folding import Plan
from twofold.hw.contract.network import Output
from twofold.hw.engines.links import entry_layout, winner_layout

Bytes = NDArray[np.uint8]


def unpack_field(beats: Bytes, offset: int, count: int, bits: int) -> NDArray[np.int64]:
    """``count`` unsigned fields of ``bits`` each, from bit ``offset`` of every beat ``[n, bytes]``:
    ``[n, count]``.
    """
    first, last = offset // 8, -(-(offset + count * bits) // 8)
    spread = np.unpackbits(beats[:, first:last], axis=1, bitorder="little")
    spread = spread[:, offset - 8 * first :][:, : count * bits].reshape(len(beats), count, bits)
    return spread.astype(np.int64) @ (np.int64(1) << np.arange(bits, dtype=np.int64))


def unpack_entries(beats: Bytes, count: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """Index and value of ``count`` entries in the low bits of every beat, each ``[n, count]``."""
    layout = entry_layout(channels)
    whole = unpack_field(beats, 0, count, layout.size)
    index = whole >> layout["index"].offset & (1 << layout["index"].width) - 1
    return index, whole >> layout["value"].offset & (1 << ACT_BITS) - 1


def decode_probes(plans: Sequence[Plan], beats: Sequence[Bytes]) -> list[Bytes]:
    """Activations after every layer but the last.

    Parameters
    ----------
    plans: plans of all layers.
    beats: beats of each probe, whole samples only.

    Returns
    -------
    uint8 ``[samples, channels, rows, columns]`` for a convolution, ``[samples, units]`` for a
    linear layer; losers are 0.
    """
    return [
        _DECODERS[plan.stage.output](plan, seen) for plan, seen in zip(plans, beats, strict=False)
    ]


def decode_lists(plan: Plan, beats: Bytes) -> Bytes:
    """Activations of a convolution, from the beats of its pixel link."""
    stage, folding = plan.stage, plan.folding
    channels, height, width = stage.out_shape
    tiles = folding.rows * folding.cols
    index, value = unpack_entries(beats, tiles, channels)
    shape = (-1, height // folding.rows, width // folding.cols, stage.k, folding.rows, folding.cols)
    order = (0, 3, 1, 4, 2, 5)
    index, value = (
        part.reshape(shape).transpose(order).reshape(-1, stage.k, height, width)
        for part in (index, value)
    )
    dense = np.zeros((len(index), channels, height, width), np.uint8)
    sample, _, row, column = np.nonzero(value)
    dense[sample, index[value != 0], row, column] = value[value != 0]
    return dense


def decode_winners(plan: Plan, beats: Bytes) -> Bytes:
    """Activations of a linear layer, from the beats of its winner stream."""
    channels = plan.stage.channels
    layout = winner_layout(channels, plan.emitted)
    index, value = unpack_entries(beats, plan.emitted, channels)
    last = unpack_field(beats, layout["last"].offset, 1, 1)[:, 0]
    sample = np.cumsum(last) - last
    dense = np.zeros((int(last.sum()), channels), np.uint8)
    beat, entry = np.nonzero(value)
    dense[sample[beat], index[beat, entry]] = value[beat, entry]
    return dense


_DECODERS = {Output.PIXELS: decode_lists, Output.WINNERS: decode_winners}
