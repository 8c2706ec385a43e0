"""The last layer: one scale for all classes, since logits are compared as they are."""

import numpy as np

from twofold.hw.contract.arith import WEIGHT_MAX
from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.walk import Chain


def with_one_scale(chain: Chain) -> None:
    """Give the last layer one scale, where it has one for each class, by rounding its weights to
    the steps of the coarsest that all of them need; noted in ``chain.dropped``.

    Raises OnnxError if a factor is not above 0.
    """
    layer = chain.layers[-1]
    gain = layer.gain
    if gain.min() <= 0:
        raise OnnxError(f"{layer.name}: a class has a scale of {gain.min():.3g}, needs above 0")
    if (gain == gain[0]).all():
        return
    weight = layer.weight.reshape(layer.channels, -1).astype(np.float64)
    real = weight * gain[:, np.newaxis]
    step = max(float(np.abs(real).max()) / WEIGHT_MAX, float(np.finfo(np.float32).tiny))
    rounded = np.rint(real / step)
    error = float(np.abs(rounded * step - real).max())
    layer.weight = rounded.reshape(layer.weight.shape).astype(np.int8)
    layer.gain = np.full(layer.channels, step)
    layer.unit = layer.unit * 0 + step
    chain.dropped.append(
        f"{layer.name}: a scale for each class; weights are rounded to one scale, {step:.6g} "
        f"(largest error of a weight {error / step:.2g} steps)"
    )
