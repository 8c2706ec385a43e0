"""The CPU engine: a quantized network, compiled kernels and threads."""

import os
from dataclasses import dataclass

import numpy as np

from twofold.hw.contract.closing import Closing, Owner
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.layers import POOLINGS
from twofold.hw.contract.network import OUTPUTS_MAX, Stage
from twofold.sw.artefacts import QuantizedLayer, QuantizedNetwork
from twofold.sw.artefacts.arrays import checked_inputs
from twofold.sw.cpu.library import ISAS, LayerDescription, available_isas, library
from twofold.sw.errors import ArtefactError

MOST_KERNELS = OUTPUTS_MAX
"""Maximum kernels of one layer: their winners are selected on the stack."""

MOST_THREADS = 1024


@dataclass(frozen=True)
class LayerTime:
    """Time spent in a layer.

    Attributes
    ----------
    name: of the layer, as in ``conv1``.
    kernel: the routine that runs it.
    seconds: summed over all threads.
    """

    name: str
    kernel: str
    seconds: float


class CpuEngine(Closing):
    """Runs a quantized network on the CPU, bit-exact to `twofold.hw.contract.arith`.

    Threads share the samples of a call: one sample runs on the caller's thread alone. Not
    thread-safe: calls on one engine must not overlap. It belongs to the process that made it: in a
    fork, every call but `close` raises ToolError.

    Parameters
    ----------
    quantized: any network of the family whose accumulators fit in 32 bits.
    threads: compute threads, the caller's included; None for every CPU this process may use.
    isa: one of `available_isas()`; None for the fastest.

    Raises
    ------
    ToolError: the compiled library is missing, the instruction set or the number of threads is not
        available, or memory ran out.
    ArtefactError: a layer is too large for the engine.
    """

    def __init__(
        self, quantized: QuantizedNetwork, threads: int | None = None, isa: str | None = None
    ) -> None:
        self._handle: int | None = None
        self._owner = Owner()
        self.network = quantized.network
        self.threads = len(os.sched_getaffinity(0)) if threads is None else threads
        self.isa = _checked_isa(isa)
        if not 1 <= self.threads <= MOST_THREADS:
            raise ToolError(f"threads is {self.threads}, needs 1..{MOST_THREADS}")
        self._library = library()
        stages = self.network.stages
        kept: list[np.ndarray] = []
        layers = (LayerDescription * len(stages))(
            *(
                _describe(stage, layer, kept)
                for stage, layer in zip(stages, quantized.layers, strict=True)
            )
        )
        self._handle = self._library.twofold_cpu_create(
            layers, len(stages), ISAS.index(self.isa), self.threads
        )
        if self._handle is None:
            raise ToolError(
                f"the CPU engine ran out of memory or threads with {self.threads} threads; "
                "ask for fewer"
            )

    def infer(self, inputs: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """Classify inputs.

        ``inputs`` is uint8 ``[samples, channels, height, width]``; the channel axis may be missing
        if the network has one channel. Returns logits, int32 ``[samples, outputs]``, and labels,
        int64 ``[samples]`` (ties to the lower index), or None for raw outputs. Raises ArtefactError
        for any other shape or type, ToolError after `close`.
        """
        inputs = np.ascontiguousarray(checked_inputs(self.network, inputs))
        logits = np.empty((len(inputs), self.network.outputs), dtype=np.int32)
        labels = np.empty(len(inputs), dtype=np.int64) if self.network.labelled else None
        self._library.twofold_cpu_infer(
            self._open(), _address(inputs), len(inputs), _address(logits),
            None if labels is None else _address(labels),
        )  # fmt: skip
        return logits, labels

    def time_layers(self, on: bool = True) -> None:
        """Measure the time of each layer from now on; costs about 0.1 us per layer and call."""
        self._library.twofold_cpu_time_layers(self._open(), int(on))

    def layer_times(self) -> tuple[LayerTime, ...]:
        """Time spent in each layer while it was measured."""
        handle = self._open()
        return tuple(
            LayerTime(
                name=stage.name,
                kernel=self._library.twofold_cpu_kernel(handle, stage.index).decode(),
                seconds=self._library.twofold_cpu_nanoseconds(handle, stage.index) * 1e-9,
            )
            for stage in self.network.stages
        )

    def close(self) -> None:
        """Stop the threads and free the memory; the engine cannot be used afterwards.

        Does nothing in a fork, which has not got the threads to stop.
        """
        handle, self._handle = self._handle, None
        if handle is not None and self._owner.here:
            self._library.twofold_cpu_destroy(handle)

    def __del__(self) -> None:
        self.close()

    def _open(self) -> int:
        if refusal := self._owner.refusal("the CPU engine"):
            raise ToolError(refusal)
        if self._handle is None:
            raise ToolError("the CPU engine is closed; make a new one")
        return self._handle


def _address(array: np.ndarray) -> int:
    """Address of an array's memory; several times as fast as ``array.ctypes.data``."""
    return array.__array_interface__["data"][0]


def _checked_isa(isa: str | None) -> str:
    available = available_isas()
    if isa is None:
        return available[-1]
    if isa not in available:
        raise ToolError(f"isa is {isa!r}, this machine has {', '.join(available)}")
    return isa


def _describe(stage: Stage, layer: QuantizedLayer, kept: list[np.ndarray]) -> LayerDescription:
    """Description of a layer; its arrays are appended to ``kept`` to keep them alive."""
    if stage.channels > MOST_KERNELS or stage.pooled_bits > 32:
        raise ArtefactError(
            f"{stage.name}: {stage.channels} kernels with accumulators of {stage.pooled_bits} "
            f"bits, the CPU engine takes {MOST_KERNELS} of 32 bits"
        )

    def pointer(array: np.ndarray | None) -> int | None:
        if array is None:
            return None
        kept.append(np.ascontiguousarray(array))
        return kept[-1].ctypes.data

    winners = 0 if stage.layer.k is None else stage.layer.k
    channels, rows, cols = stage.in_shape
    adds = len(stage.sources) > 1
    if adds:
        rows *= len(stage.sources)
    return LayerDescription(
        linear=stage.layer.FLATTENS, in_channels=channels, in_rows=rows, in_cols=cols,
        kernels=stage.channels, kernel_rows=stage.taps if adds else stage.kernel[0],
        kernel_cols=stage.kernel[1],
        stride_rows=stage.taps if adds else stage.strides[0], stride_cols=stage.strides[1],
        **dict(zip(("top", "left", "bottom", "right"), stage.edges, strict=True)),
        pool_rows=stage.pool_window[0], pool_cols=stage.pool_window[1],
        pooling=list(POOLINGS).index(stage.pooling.name),
        winners=winners, shift=layer.shift, last=stage.last,
        narrow=layer.mul is None and stage.add_bits < 32,
        most_active=stage.in_k,
        sets=stage.sets if stage.slots > 1 else 0, zero=stage.zero,
        source=stage.sources[0], other=stage.sources[1] if adds else -1,
        weight=pointer(layer.weight), add=pointer(layer.add), mul=pointer(layer.mul),
    )  # fmt: skip
