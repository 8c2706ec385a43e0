"""What runs an ONNX model for comparison: ONNX Runtime, or qonnx for its Quant nodes."""

from importlib import import_module
from typing import Any, Protocol

import numpy as np
import onnx

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.dialects.quant import DOMAINS

SILENT = 4
"""Log severity for ONNX Runtime; its errors are raised anyway."""


class Runs(Protocol):
    """Something that runs a model."""

    def run(self, feeds: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, each with as many rows as ``feeds``."""
        ...


def reference_of(content: bytes, standard: bytes) -> tuple[str, Runs]:
    """What runs the model as it is, and its name; ``standard`` is the same model in standard QDQ,
    which stands in where nothing runs the original.
    """
    model = onnx.load_model_from_string(content)
    if not any(node.domain in DOMAINS for node in model.graph.node):
        return "ONNX Runtime", Session(content, plain=False)
    try:
        return "qonnx", QonnxSession(model)
    except ImportError:
        return (
            "ONNX Runtime, on the model in standard QDQ (`pip install qonnx` runs its Quant nodes)",
            Session(standard, plain=False),
        )


class Session:
    """A session of ONNX Runtime, with or without (``plain``) graph optimisations.

    Releases before 1.24, the last ones for Python 3.10, fail to optimise some graphs of signed
    quantizers. Such a graph runs as it is.

    Raises OnnxError if ONNX Runtime refuses the model.
    """

    def __init__(self, content: bytes, *, plain: bool) -> None:
        import onnxruntime

        levels = onnxruntime.GraphOptimizationLevel
        try:
            self._session = _session(
                content, levels.ORT_DISABLE_ALL if plain else levels.ORT_ENABLE_ALL
            )
        except OnnxError:
            if plain:
                raise
            self._session = _session(content, levels.ORT_DISABLE_ALL)
        self._input = self._session.get_inputs()[0]
        self._outputs = [output.name for output in self._session.get_outputs()]
        batch = self._input.shape[0]
        self._batch = batch if isinstance(batch, int) and batch > 0 else 0

    def run(self, feeds: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, each with as many rows as ``feeds``."""
        batch = self._batch or len(feeds)
        rows: list[list[np.ndarray]] = []
        for start in range(0, len(feeds), batch):
            part = feeds[start : start + batch]
            left = batch - len(part)
            part = np.concatenate([part, np.repeat(part[-1:], left, axis=0)])
            try:
                found = self._session.run(self._outputs, {self._input.name: part})
            except Exception as error:  # the runtime's own errors have no other base
                raise OnnxError(f"ONNX Runtime cannot run the model: {error}") from error
            rows.append([np.asarray(value)[: batch - left] for value in found])
        columns = zip(*rows, strict=True)
        return {
            name: np.concatenate(column)
            for name, column in zip(self._outputs, columns, strict=True)
        }


def _session(content: bytes, level: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = SILENT
    options.intra_op_num_threads = 1  # samples are few, and threads that wait would spin
    options.graph_optimization_level = level
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's own errors have no other base
        raise OnnxError(f"ONNX Runtime refuses the model: {error}") from error


class QonnxSession:
    """A model with Quant nodes, run by the package qonnx. Raises ImportError without it."""

    def __init__(self, model: onnx.ModelProto) -> None:
        wrapper = import_module("qonnx.core.modelwrapper").ModelWrapper
        clean = import_module("qonnx.util.cleanup").cleanup_model
        self._execute = import_module("qonnx.core.onnx_exec").execute_onnx
        try:
            self._model = clean(wrapper(model))
        except Exception as error:  # its errors have no common base
            raise OnnxError(f"qonnx refuses the model: {str(error)[:200]}") from error
        constants = {tensor.name for tensor in self._model.graph.initializer}
        names = [value.name for value in self._model.graph.input if value.name not in constants]
        self._input, self._shape = names[0], self._model.get_tensor_shape(names[0])

    def run(self, feeds: np.ndarray) -> dict[str, np.ndarray]:
        """Outputs by name, each with as many rows as ``feeds``."""
        rows = []
        for sample in feeds:
            try:
                found = self._execute(self._model, {self._input: sample.reshape(self._shape)})
            except Exception as error:  # its errors have no common base
                raise OnnxError(f"qonnx cannot run the model: {str(error)[:200]}") from error
            rows.append(found)
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
