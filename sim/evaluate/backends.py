"""Backends: different ways to the same logits."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hw.contract.errors import ToolError
from hw.contract.image import ImageStatus
from hw.contract.presets import folding_for
from sim.golden import forward
from sw.artefacts import QuantizedNetwork

Images = NDArray[np.uint8]
Logits = NDArray[np.int32]
Backend = Callable[[QuantizedNetwork, Images], Logits]


def golden(quantized: QuantizedNetwork, images: Images) -> Logits:
    """NumPy integers."""
    return forward(quantized, images, keep_activations=False).logits


def pytorch(quantized: QuantizedNetwork, images: Images) -> Logits:
    """Whole numbers in PyTorch."""
    from sw.quantize.integer import integer_logits

    return integer_logits(quantized, images)


def onnx(quantized: QuantizedNetwork, images: Images) -> Logits:
    """The exported network in ONNX Runtime."""
    from sw.export.onnx import export
    from sw.export.runtime import OnnxNetwork

    return OnnxNetwork(export(quantized).SerializeToString()).logits(images[:, None])


def rtl(build: Path, size: str) -> Backend:
    """The machine, cycle by cycle, in the folding ``size``; built under ``build``."""

    def run(quantized: QuantizedNetwork, images: Images) -> Logits:
        from sim.rtl.machine import Machine
        from sw.pack.packer import pack

        folding = folding_for(quantized.network, size)
        with Machine.build(quantized.network, folding, build) as machine:
            status = machine.load(pack(quantized, folding))
            if status is not ImageStatus.OK:
                raise ToolError(f"the simulated machine refuses its image: {status.name}")
            return machine.run(images).logits

    return run


def backend(name: str, build: Path, size: str) -> Backend:
    """Backend by its name on the command line."""
    return {"golden": golden, "torch": pytorch, "onnx": onnx, "rtl": rtl(build, size)}[name]


NAMES = ("golden", "torch", "onnx", "rtl")
