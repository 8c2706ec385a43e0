"""A model that is being rewritten: nodes are replaced, constants and names are added."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from twofold.sw.onnx.importer.checked import STANDARD
from twofold.sw.onnx.importer.nodes import PASSING, array_of, value_of

Rewriter = Callable[[onnx.NodeProto], "list[onnx.NodeProto] | None"]
"""Nodes in place of one; None leaves it."""


class Editor:
    """A copy of a sound model. Nodes that nothing depends on are dropped.

    Members
    -------
    model: the copy; opset: its version of the standard operators.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        versions = {entry.domain: entry.version for entry in model.opset_import}
        self.opset = next(versions[name] for name in STANDARD if name in versions)
        graph = self.model.graph
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        self._known: dict[str, np.ndarray] = {}
        self._shapes: dict[str, list[int]] | None = None
        self._names = {name for node in graph.node for name in (*node.input, *node.output)}
        self._made: set[str] = set()
        self._names |= {value.name for value in (*graph.input, *graph.output)} | {*self._constants}

    def array(self, name: str) -> np.ndarray | None:
        """Value of a constant, through nodes that change nothing; None if it is none."""
        seen: set[str] = set()
        while name not in self._constants:
            node = self.producer(name)
            if node is None or node.op_type not in PASSING or name in seen:
                return None
            seen.add(name)
            name = node.input[0]
        if name not in self._known:
            self._known[name] = array_of(self._constants[name])
        return self._known[name]

    def producer(self, name: str) -> onnx.NodeProto | None:
        """Node that makes a value."""
        return self._makers().get(name)

    def shape(self, name: str) -> list[int] | None:
        """Shape of a value for a batch of 1, by ONNX's shape inference; None if it is unknown."""
        if self._shapes is None:
            self._shapes = inferred_shapes(self.model)
        return self._shapes.get(name)

    def constant(self, values: np.ndarray, hint: str) -> str:
        """Add a constant; returns its name."""
        return self.store(numpy_helper.from_array(np.array(values, order="C"), self.fresh(hint)))

    def store(self, tensor: TensorProto) -> str:
        """Add a constant under its own name, which is new; returns it."""
        self.model.graph.initializer.append(tensor)
        self._constants[tensor.name] = tensor
        return tensor.name

    def fresh(self, hint: str) -> str:
        """A name that nothing has yet."""
        return self._free(hint, self._names)

    @staticmethod
    def _free(hint: str, taken: set[str]) -> str:
        name, number = hint, 0
        while name in taken:
            number += 1
            name = f"{hint}.{number}"
        taken.add(name)
        return name

    def node(
        self, kind: str, inputs: Iterable[str], hint: str, *, output: str = "", **options: Any
    ) -> onnx.NodeProto:
        """A node named after the one that it stands for, ``hint``; its output by default is new."""
        name = self._free(hint if hint not in self._made else f"{hint}.{kind}", self._made)
        return helper.make_node(kind, list(inputs), [output or self.fresh(hint)], name, **options)

    def rewrite(self, rewriter: Rewriter) -> None:
        """Replace every node for which ``rewriter`` gives others; whoever made its outputs."""
        found: list[onnx.NodeProto] = []
        changed = False
        for node in list(self.model.graph.node):
            instead = rewriter(node)
            changed |= instead is not None
            found.extend([node] if instead is None else instead)
        if changed:
            self.set_nodes(found)

    def set_nodes(self, nodes: Iterable[onnx.NodeProto]) -> None:
        """Replace all nodes; those that no output depends on are dropped."""
        copies = []
        for node in nodes:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copies.append(copy)
        needed = {value.name for value in self.model.graph.output}
        kept: list[onnx.NodeProto] = []
        for node in reversed(copies):
            if needed & set(node.output):
                kept.append(node)
                needed.update(node.input)
        self._shapes = None
        del self.model.graph.node[:]
        self.model.graph.node.extend(reversed(kept))

    def in_order(self) -> list[onnx.NodeProto]:
        """Nodes, each behind those whose outputs it reads; the graph has no cycle."""
        producers = self._makers()
        done: set[int] = set()
        found: list[onnx.NodeProto] = []
        for root in self.model.graph.node:
            work = [(root, False)]
            while work:
                node, ready = work.pop()
                if ready:
                    found.append(node)
                elif id(node) not in done:
                    done.add(id(node))
                    work.append((node, True))
                    work.extend(
                        (producers[name], False) for name in node.input if name in producers
                    )
        return found

    def constants_of_nodes(self) -> None:
        """Turn Constant nodes into constants; those of text stay."""
        left = []
        for node in self.in_order():
            value = value_of(node) if node.op_type == "Constant" else None
            if value is None:
                left.append(node)
            else:
                self.store(numpy_helper.from_array(np.array(value, order="C"), node.output[0]))
        self.set_nodes(left)

    def _makers(self) -> dict[str, onnx.NodeProto]:
        return {name: node for node in self.model.graph.node for name in node.output if name}


def inferred_shapes(given: onnx.ModelProto) -> dict[str, list[int]]:
    """Shapes of the values that have one for a batch of 1; empty if ONNX finds a contradiction,
    which the reader then meets at the node.
    """
    model = onnx.ModelProto()
    model.CopyFrom(given)
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        if dims and dims[0].dim_value < 1:
            dims[0].dim_value = 1
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")
    try:
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    except Exception:  # its errors have no other base
        return {}
    found: dict[str, list[int]] = {}
    for value in (*inferred.input, *inferred.value_info, *inferred.output):
        kind = value.type.tensor_type
        sizes = [dimension.dim_value for dimension in kind.shape.dim]
        if kind.HasField("shape") and min(sizes, default=1) >= 1:
            found[value.name] = sizes
    return found
