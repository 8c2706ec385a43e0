"""Follow a graph from its input to its logits, layer by layer."""

import onnx

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.graph import NODES_MAX, Graph, refuse
from twofold.sw.onnx.importer.handlers import BEHIND_PAD, HANDLERS
from twofold.sw.onnx.importer.joins import Side, addition
from twofold.sw.onnx.importer.layout import AXES, Layout
from twofold.sw.onnx.importer.own import PARTS, WINNERS, parts, winners
from twofold.sw.onnx.importer.quantizers import activation
from twofold.sw.onnx.importer.tail import READERS as TAIL
from twofold.sw.onnx.importer.tail import read_tail
from twofold.sw.onnx.importer.walk import IMAGE_KINDS, Chain, Tap, Walk

__all__ = ["Chain", "operators", "read_chain"]

BOTH_WAYS = ("Add", "Mul")
"""Operators whose activations may be either input."""


def read_chain(graph: Graph) -> tuple[Chain, list[str]]:
    """Layers of ``graph``, and what does not fit: a line for each obstacle, naming its node.

    Raises OnnxError if the input's type is not supported.
    """
    if graph.input_kind not in IMAGE_KINDS:
        raise OnnxError(f"input {graph.input!r} is neither uint8, int8 nor float32")
    reader = _Reader(graph)
    chain = reader.read()
    return chain, reader.obstacles


def operators() -> set[str]:
    """Operators that are supported between input and outputs."""
    return {*HANDLERS, *WINNERS, *PARTS, *TAIL}


def branches_of(graph: Graph, nodes: list[onnx.NodeProto]) -> list[list[onnx.NodeProto]]:
    """The nodes that read activations, by branch: those that choose winners, or that take parts of
    the channels for the same sum, belong together.
    """
    if any(node.op_type == "TopK" for node in nodes):
        return [nodes]
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in nodes:
        end = node
        while node.op_type == "Slice" and end.op_type != "Sum":
            behind = graph.consumers(end.output[0])
            if len(behind) != 1:
                break
            end = behind[0]
        found.setdefault(end.output[0] if end.output else "", []).append(node)
    return list(found.values())


class _Reader:
    """Reads on behind what it cannot read, so that everything is said at once."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.walk = graph, Walk(graph)
        self.branches: list[Walk] = []
        self.sides: dict[str, Side] = {}
        self.obstacles: list[str] = []
        self.met: set[str] = set()

    def read(self) -> Chain:
        for _ in range(NODES_MAX):
            try:
                if self._finished():
                    break
                self._step()
            except OnnxError as error:
                self.obstacles.append(str(error))
                if not self._resume():
                    break
        self.obstacles.extend(self.walk.obstacles)
        return self.walk.chain

    def _step(self) -> None:
        walk = self.walk
        nodes = walk.heads or self.graph.consumers(walk.name)
        walk.heads = None
        self.met.add(walk.name)
        if walk.layer is None and not walk.first and not any(walk.padded):
            heads = branches_of(self.graph, nodes)
            if len(heads) > 1:
                self.branches += [walk.branch(head) for head in heads[:0:-1]]
                walk.shared, nodes = walk.at, heads[0]
        if not nodes:
            raise OnnxError(f"value {walk.name!r} leads nowhere before there are logits")
        if walk.layer is None and {node.op_type for node in nodes} == {"Slice"}:
            parts(walk, nodes)
        elif any(node.op_type == "TopK" for node in nodes):
            winners(walk, nodes)
        elif len(nodes) > 1:
            raise OnnxError(
                f"value {walk.name!r} goes to {len(nodes)} nodes "
                f"({', '.join(sorted({node.op_type for node in nodes}))}); the machine takes "
                "chains of layers"
            )
        elif self._joins(nodes[0]):
            self._join(nodes[0])
        else:
            self._node(nodes[0])

    def _joins(self, node: onnx.NodeProto) -> bool:
        """Whether a node adds activations to others."""
        plain = node.op_type == "Add" and len(node.input) == 2 and not self.walk.first
        return plain and not any(self.graph.is_constant(name) for name in node.input)

    def _join(self, node: onnx.NodeProto) -> None:
        """Come to an addition from one side; go on behind it from the second, and with the next
        branch from the first.
        """
        walk = self.walk
        if walk.layer is not None or walk.integers:
            raise refuse(node, "adds sums that are not quantized; quantize both of its sides")
        here = Side(
            walk.name, walk.at, walk.scale, walk.kept, walk.below, walk.factors, walk.layout
        )
        there = self.sides.pop(node.output[0], None)
        if there is None:
            self.sides[node.output[0]] = here
            if not self.branches:
                raise refuse(node, "adds something that is not made of the input's activations")
            self.walk = self.branches.pop()
            return
        sides = (here, there) if node.input[0] == here.name else (there, here)
        layer = addition(node, sides)
        for side in sides:
            walk.chain.taps[side.source] = walk.chain.taps.get(side.source) or Tap(
                "" if side.factors is not None else side.name,
                side.scale, side.layout.order, side.below,
            )  # fmt: skip
        walk.below = walk.factors = None
        walk.take(layer)
        walk.name = node.output[0]

    def _node(self, node: onnx.NodeProto) -> None:
        walk = self.walk
        if not node.output or (node.input[0] != walk.name and node.op_type not in BOTH_WAYS):
            raise refuse(node, "activations are not its first input")
        handler = HANDLERS.get(node.op_type)
        if handler is None:
            raise refuse(
                node,
                "not supported here; the machine takes chains of Conv, Gemm and MatMul between "
                "QuantizeLinear and DequantizeLinear, with Relu, pooling, TopK",
            )
        if any(walk.padded) and node.op_type not in BEHIND_PAD:
            raise refuse(node, "behind a Pad; only a convolution takes its rows and columns")
        handler(walk, node)
        walk.name = node.output[0]

    def _resume(self) -> bool:
        """Go on at the next activations that are dequantized; whether there are any."""
        reached = [self.walk.name]
        for name in reached:
            for node in self.graph.consumers(name):
                fresh = [output for output in node.output if output not in reached]
                reached.extend(fresh)
                dims = (self.graph.shape(name) or [])[1:]
                if node.op_type != "DequantizeLinear" or name in self.met or len(dims) not in AXES:
                    continue
                self.obstacles.extend(self.walk.obstacles)
                self.branches, self.sides = [], {}
                walk = self.walk = Walk(self.graph)
                walk.name, walk.layout, walk.first = name, Layout.of(tuple(dims)), False
                walk.integers, walk.kind = True, None
                try:
                    found = activation(self.graph, node)
                    walk.limit = 255 - found.zero_point - found.offset
                except OnnxError:
                    continue
                self.met.add(name)
                return True
        return False

    def _finished(self) -> bool:
        """Whether only the logits are left; if so, record them."""
        walk, layer = self.walk, self.walk.layer
        if layer is None or layer.relu or layer.floors or walk.between:
            return False
        rank = 2 if walk.flat or not layer.convolution else len(walk.layout.axes) + 1
        tail = read_tail(self.graph, walk.name, rank, layer.channels)
        if tail is None:
            return False
        if layer.positions > 1:
            raise OnnxError(f"{layer.name}: logits behind pooling")
        if self.branches or self.sides:
            raise OnnxError(f"value {walk.name!r}: logits behind one branch of several")
        walk.append(layer)
        walk.chain.taps[walk.at] = Tap(walk.name, 1.0)
        walk.chain.logit_factor = tail.factor
        walk.chain.dropped.extend(tail.dropped)
        return True
