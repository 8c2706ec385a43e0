"""Backends: different ways to compute the same logits. Each imports what it needs on use."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.hw.contract import machine as contract
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.network import Network

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twofold.sw.artefacts import QuantizedNetwork

    Inputs = NDArray[np.uint8]
    Logits = NDArray[np.int32]
    Backend = Callable[[QuantizedNetwork, Inputs], Logits]

MachineFor = Callable[[Network], contract.Machine]
"""Chooses a network's machine."""


def golden(quantized: "QuantizedNetwork", inputs: "Inputs") -> "Logits":
    """Compute with NumPy integers."""
    from twofold.sw.golden import forward

    return forward(quantized, inputs, keep_activations=False).logits


def pytorch(quantized: "QuantizedNetwork", inputs: "Inputs") -> "Logits":
    """Compute with integers in PyTorch."""
    from twofold.sw.quantize.integer import integer_logits

    return integer_logits(quantized, inputs)


def onnx(quantized: "QuantizedNetwork", inputs: "Inputs") -> "Logits":
    """Run the exported network in ONNX Runtime."""
    from twofold.sw.onnx.export.onnx import export
    from twofold.sw.onnx.export.runtime import OnnxNetwork

    return OnnxNetwork(export(quantized).SerializeToString()).logits(inputs)


def cpu(quantized: "QuantizedNetwork", inputs: "Inputs") -> "Logits":
    """Run the CPU engine."""
    from twofold.sw.cpu import CpuEngine

    with CpuEngine(quantized) as engine:
        return engine.infer(inputs)[0]


def rtl(build: Path, machine_for: MachineFor) -> "Backend":
    """Simulates the machine chosen for a network, cycle by cycle; built under ``build``."""

    def run(quantized: "QuantizedNetwork", inputs: "Inputs") -> "Logits":
        from twofold.hw.contract.parameters import ParameterStatus
        from twofold.sim.rtl.simulated import SimulatedMachine
        from twofold.sw.pack.packer import pack

        folding = machine_for(quantized.network).folding
        with SimulatedMachine.build(quantized.network, folding, build) as machine:
            status = machine.load(pack(quantized, folding))
            if status is not ParameterStatus.OK:
                raise ToolError(f"the simulated machine refuses its parameters: {status.name}")
            return machine.run(inputs).logits

    return run


_BACKENDS: "dict[str, Callable[[Path, MachineFor], Backend]]" = {
    "golden": lambda *_: golden,
    "torch": lambda *_: pytorch,
    "onnx": lambda *_: onnx,
    "cpu": lambda *_: cpu,
    "rtl": rtl,
}
NAMES = tuple(_BACKENDS)


def backend(name: str, build: Path, machine_for: MachineFor) -> "Backend":
    """Backend by its command-line name; only the RTL backend calls ``machine_for``."""
    return _BACKENDS[name](build, machine_for)
