"""Exported networks in ONNX Runtime, as an independent implementation of the same integers."""

from pathlib import Path

import numpy as np
import onnxruntime

from twofold.sw.errors import OnnxError

SAMPLES_AT_A_TIME = 64


class OnnxNetwork:
    """An exported model, loaded into ONNX Runtime.

    Parameters
    ----------
    source: file of the model, or its content.

    Raises OnnxError if ONNX Runtime refuses it, or if it was not exported by Twofold.
    """

    def __init__(self, source: Path | bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(
                source if isinstance(source, bytes) else str(source),
                options,
                providers=["CPUExecutionProvider"],
            )
        except Exception as error:  # its errors have no other common base class
            raise OnnxError(f"ONNX Runtime refuses the model: {error}") from error
        outputs = {value.name for value in self._session.get_outputs()}
        inputs = [value.name for value in self._session.get_inputs()]
        ours = "logits" in outputs and outputs & {"probabilities", "values"}
        if inputs != ["image"] or not ours:
            raise OnnxError(
                f"model has inputs {inputs} and outputs {sorted(outputs)}, not Twofold's"
            )

    def logits(self, inputs: np.ndarray) -> np.ndarray:
        """Logits, int32 ``[samples, outputs]``, of uint8 ``[samples, channels, height, width]``."""
        return self._run("logits", inputs)

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Probabilities, float32 ``[samples, classes]``; not available for raw outputs."""
        return self._run("probabilities", inputs)

    def _run(self, output: str, inputs: np.ndarray) -> np.ndarray:
        parts = []
        for start in range(0, max(len(inputs), 1), SAMPLES_AT_A_TIME):
            feed = {"image": inputs[start : start + SAMPLES_AT_A_TIME]}
            parts.append(np.asarray(self._session.run([output], feed)[0]))
        return np.concatenate(parts)
