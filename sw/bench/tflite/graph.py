"""A builder for LiteRT's model files, with the schema that LiteRT carries with it."""

import importlib
from collections.abc import Sequence
from copy import copy
from typing import Any

import numpy as np

from twofold.sw.bench.tflite.blocks import Blocks

flatbuffers: Any = importlib.import_module("flatbuffers")  # optional: only with the extra `bench`
schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")

IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
CODES_OLD = 127
"""Largest code in the field that held an operator's code before the present one."""
TYPES = {"float32": "FLOAT32", "int32": "INT32", "uint8": "UINT8", "int8": "INT8"}
"""Element types: their names in the schema by those of NumPy."""


class LiteGraph:
    """Tensors and operators in order; a tensor is referred to by its number.

    The object interface of the schema takes lists and arrays as they are; all shapes are fixed.
    """

    def __init__(self) -> None:
        self._graph = schema.SubGraphT()
        self._graph.tensors, self._graph.operators = [], []
        self._buffers = [schema.BufferT()]  # number 0 stands for no data
        self._codes: list[tuple[str, int]] = []

    def tensor(
        self,
        name: str,
        shape: Sequence[int],
        kind: str,
        scale: float | np.ndarray | None = None,
        zero: int = 0,
    ) -> int:
        """Append a tensor without data and return its number.

        Parameters
        ----------
        kind: element type, one of `TYPES`.
        scale: value of a step, or of the steps in each slice of the first dimension; None if
            elements are plain numbers.
        zero: element that stands for 0.
        """
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name, list(shape), 0
        made.type = getattr(schema.TensorType, TYPES[kind])
        if scale is not None:
            steps = np.atleast_1d(np.asarray(scale, dtype=np.float32))
            made.quantization = schema.QuantizationParametersT()
            made.quantization.scale = steps
            made.quantization.zeroPoint = np.full(len(steps), zero, dtype=np.int64)
            made.quantization.quantizedDimension = 0
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def like(self, number: int, name: str, shape: Sequence[int]) -> int:
        """Append a tensor without data, its elements as those of another one."""
        made = copy(self._graph.tensors[number])
        made.name, made.shape, made.buffer = name, list(shape), 0
        self._graph.tensors.append(made)
        return len(self._graph.tensors) - 1

    def constant(
        self, name: str, value: np.ndarray, scale: float | np.ndarray | None = None
    ) -> int:
        """Append a constant and return its number."""
        number = self.tensor(name, value.shape, value.dtype.name, scale)
        self._fill(number, value)
        return number

    def sparse(self, name: str, matrix: Blocks) -> int:
        """Append a constant matrix of which only the blocks that are not zero are kept."""
        number = self.tensor(name, matrix.shape, matrix.values.dtype.name)
        self._fill(number, matrix.values)
        made = schema.SparsityParametersT()
        made.traversalOrder, made.blockMap = [0, 1, 2], [1]  # rows, blocks, inside of a block
        made.dimMetadata = [
            _dense(matrix.shape[0]),
            _compressed(matrix.starts, matrix.places),
            _dense(matrix.values.shape[1]),
        ]
        self._graph.tensors[number].sparsity = made
        return number

    def operator(
        self,
        kind: str,
        inputs: Sequence[int],
        outputs: Sequence[int],
        version: int = 1,
        options: str = "",
        **fields: Any,
    ) -> None:
        """Append an operator.

        Parameters
        ----------
        kind: its name in the schema, such as ``CONV_2D``.
        version: which depends on the element types and features in use.
        options, fields: name of the table of its options without ``Options``, and their values.
        """
        if (kind, version) not in self._codes:
            self._codes.append((kind, version))
        made = schema.OperatorT()
        made.opcodeIndex = self._codes.index((kind, version))
        made.inputs, made.outputs = list(inputs), list(outputs)
        if options:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, f"{options}Options")
            made.builtinOptions = getattr(schema, f"{options}OptionsT")()
            vars(made.builtinOptions).update(fields)
        self._graph.operators.append(made)

    def reshape(self, x: int, name: str, shape: Sequence[int]) -> int:
        """Append a reshape to a tensor called ``name``, and return it."""
        y = self.like(x, name, shape)
        sides = self.constant(f"{name}.shape", np.array(shape, dtype=np.int32))
        self.operator("RESHAPE", [x, sides], [y], options="Reshape", newShape=list(shape))
        return y

    def file(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Content of the file of the finished graph."""
        self._graph.inputs, self._graph.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.description = SCHEMA_VERSION, "twofold"
        model.subgraphs, model.buffers = [self._graph], self._buffers
        model.operatorCodes = [_code(*code) for code in self._codes]
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _fill(self, number: int, value: np.ndarray) -> None:
        data = schema.BufferT()
        data.data = np.frombuffer(value.tobytes(), dtype=np.uint8)
        self._graph.tensors[number].buffer = len(self._buffers)
        self._buffers.append(data)


def _code(kind: str, version: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = getattr(schema.BuiltinOperator, kind)
    made.deprecatedBuiltinCode = min(made.builtinCode, CODES_OLD)
    made.version = version
    return made


def _dense(size: int) -> Any:
    made = schema.DimensionMetadataT()
    made.format, made.denseSize = schema.DimensionType.DENSE, size
    return made


def _compressed(starts: np.ndarray, places: np.ndarray) -> Any:
    made = schema.DimensionMetadataT()
    made.format = schema.DimensionType.SPARSE_CSR
    made.arraySegmentsType = made.arrayIndicesType = schema.SparseIndexVector.Int32Vector
    made.arraySegments, made.arrayIndices = schema.Int32VectorT(), schema.Int32VectorT()
    made.arraySegments.values, made.arrayIndices.values = starts, places
    return made
