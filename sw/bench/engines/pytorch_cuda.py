"""PyTorch in eager mode on a GPU: float32 without TF32, float16, and 2:4 sparsity.

Convolutions are cuDNN's, the fastest of those that it tries for a batch size; sums of products in
float16 are in float32. ``fp16 2:4`` compresses the linear layers whose weights are 2:4, for GPUs of
compute capability 8.0 or more. PyTorch's quantized convolutions are for the processor.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.sparse import to_sparse_semi_structured

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.bench.engines.pytorch import forward_of
from twofold.sw.bench.floats import float_layers
from twofold.sw.bench.gpu.half import TWO_FOUR, half_layers
from twofold.sw.bench.gpu.two_four import two_four_layers
from twofold.sw.bench.job import Engine, Job, RefusedError, Run

CAPABILITY = (8, 0)
"""Compute capability from which GPUs multiply 2:4 matrices."""
Compress = Callable[[Tensor], Tensor]


class PyTorchCuda:
    """Networks as plain functions, in channels-last layout, with their parameters on a device.

    Parameters
    ----------
    device: of PyTorch; the processor serves tests.
    compress: makes a compressed tensor of 2:4 weights ``[outputs, inputs]``; None if the device
        has no use for it.

    Raises RefusedError if there is no such device.
    """

    version = str(torch.__version__)

    def __init__(self, device: str = "cuda", compress: Compress | None = None) -> None:
        self._device = torch.device(device)
        self._compress = compress
        self.device = device
        if self._device.type == "cuda":
            if not torch.cuda.is_available():
                raise RefusedError("finds no GPU, or this PyTorch is built without CUDA")
            self.device = torch.cuda.get_device_name(self._device)
            if torch.cuda.get_device_capability(self._device) >= CAPABILITY:
                self._compress = compress or to_sparse_semi_structured
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = True

    def load(self, job: Job) -> Run:
        if job.precision == "int8":
            raise RefusedError("has no quantized convolutions of unsigned activations on a GPU")
        quantized = QuantizedNetwork.load(job.artefact)
        layers = float_layers(quantized) if job.precision == "fp32" else half_layers(quantized)
        sparse = two_four_layers(quantized) if job.precision == TWO_FOUR else []
        parameters = [
            (self._weight(weight, stage.name in sparse), torch.from_numpy(bias).to(self._device))
            for stage, (weight, bias) in zip(quantized.network.stages, layers, strict=True)
        ]
        forward = forward_of(quantized.network, parameters)
        logits = np.zeros((job.batch, quantized.network.outputs), layers[-1][1].dtype)
        return Resident(forward, logits, self._device)

    def _weight(self, weight: np.ndarray, compressed: bool) -> Tensor:
        found = torch.from_numpy(weight).to(self._device)
        if not compressed:
            return found
        if self._compress is None:
            raise RefusedError("2:4 sparsity needs a GPU of compute capability 8.0 or more")
        return self._compress(found)


class Resident:
    """A function on a device, as a `Run`; logits stay valid until the next call.

    Parameters
    ----------
    forward: logits of inputs, both on the device.
    logits: an array of their shape and type.
    device: of the function.
    """

    def __init__(
        self, forward: Callable[[Tensor], Tensor], logits: np.ndarray, device: torch.device
    ) -> None:
        self._forward = forward
        self._device = device
        self._locked = device.type == "cuda"
        self._logits = torch.from_numpy(self.placed(logits))

    def placed(self, inputs: np.ndarray) -> np.ndarray:
        """A copy of ``inputs`` in page-locked memory."""
        kind = torch.from_numpy(inputs).dtype
        found = torch.empty(inputs.shape, dtype=kind, pin_memory=self._locked).numpy()
        found[...] = inputs
        return found

    @torch.inference_mode()
    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(inputs).to(self._device, non_blocking=True)
        self._logits.copy_(self._forward(x), non_blocking=True)
        if self._locked:
            torch.cuda.current_stream(self._device).synchronize()
        return self._logits.numpy()


def engine() -> Engine:
    """The engine. Raises RefusedError where there is no GPU, or no CUDA in PyTorch."""
    return PyTorchCuda()
