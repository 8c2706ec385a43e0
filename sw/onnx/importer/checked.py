"""Structural checks on an untrusted model, done once at the boundary.

After `require_sound`, readers may rely on this: names are unique, every value that is read is also
made, there is no cycle, every node has the inputs, outputs and attributes that its operator has in
the model's operator set, attributes have the right types, and a constant has the amount of data
that its shape says.
"""

import math
from collections.abc import Iterable, Iterator, Sequence

import onnx
from onnx import AttributeProto, TensorProto, defs

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.wire import FIELDS_MAX

STANDARD = ("", "ai.onnx")
NODES_MAX = 1 << 12
ELEMENTS_MAX = 1 << 26
"""Maximum elements of one constant; the largest board holds fewer weights on the chip."""
DIMS_MAX = 8
LIST_MAX = 1 << 10
"""Maximum entries of a list attribute."""
SHOWN_MAX = 24

BITS: dict[int, int] = {
    TensorProto.FLOAT: 32, TensorProto.DOUBLE: 64, TensorProto.FLOAT16: 16,
    TensorProto.BFLOAT16: 16, TensorProto.UINT8: 8, TensorProto.INT8: 8, TensorProto.UINT16: 16,
    TensorProto.INT16: 16, TensorProto.UINT32: 32, TensorProto.INT32: 32, TensorProto.UINT64: 64,
    TensorProto.INT64: 64, TensorProto.BOOL: 8, TensorProto.INT4: 4, TensorProto.UINT4: 4,
}  # fmt: skip
"""Supported types of constants, and their bits per element."""
NEW, OPEN, DONE = range(3)
TYPED = ("float_data", "int32_data", "int64_data", "double_data", "uint64_data")
LISTS = {
    AttributeProto.INTS: "ints", AttributeProto.FLOATS: "floats", AttributeProto.STRINGS: "strings"
}  # fmt: skip


def report(obstacles: Sequence[str]) -> OnnxError:
    """One error that lists all obstacles."""
    unique = list(dict.fromkeys(obstacles))
    if len(unique) == 1:
        return OnnxError(unique[0])
    shown = [f"({index}) {text}" for index, text in enumerate(unique[:SHOWN_MAX], 1)]
    if len(unique) > SHOWN_MAX:
        shown.append(f"and {len(unique) - SHOWN_MAX} more")
    return OnnxError(f"{len(unique)} obstacles: {'; '.join(shown)}")


def require_sound(model: onnx.ModelProto) -> None:
    """Raise OnnxError, listing what is wrong with the structure of ``model``, if anything is."""
    graph = model.graph
    if len(graph.node) > NODES_MAX:
        raise OnnxError(f"model has {len(graph.node)} nodes, at most {NODES_MAX} are read")
    versions = {entry.domain: entry.version for entry in model.opset_import}
    version = next((versions[name] for name in STANDARD if name in versions), None)
    if version is None or not 1 <= version <= defs.onnx_opset_version():
        raise OnnxError(
            f"model is of operator set {version}, known are 1..{defs.onnx_opset_version()}; "
            "export it for one of them"
        )
    found = [*_frame(model), *_names(graph)]
    for node in graph.node:
        found.extend(f"{label(node)}: {why}" for why in _node(node, version))
    for tensor in graph.initializer:
        found.extend(f"constant {shown(tensor.name)}: {why}" for why in tensor_faults(tensor))
    found.extend(_cycle(graph))
    if found:
        raise report(found)


def shown(name: str) -> str:
    """A name from the file, for messages."""
    return repr(name[:80])


def label(node: onnx.NodeProto) -> str:
    """How messages refer to a node."""
    name = node.name or next((output for output in node.output if output), "?")
    return f"node {shown(name)} ({node.op_type[:40]!s})"


def _frame(model: onnx.ModelProto) -> Iterator[str]:
    if model.functions:
        yield "functions inside the model are not supported; export with them inlined"
    if model.graph.sparse_initializer:
        yield "sparse constants are not supported; store them dense"


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    """Check that every value is made exactly once, and that no other value is read."""
    inputs = {value.name for value in graph.input}
    constants = [tensor.name for tensor in graph.initializer]
    made = inputs | set(constants)
    if len(set(constants)) != len(constants):
        yield "two constants have the same name"
    for node in graph.node:
        for name in node.output:
            if name and name in made:
                yield f"{label(node)}: its output {shown(name)} is made elsewhere too"
            made.add(name)
    for node in graph.node:
        for name in node.input:
            if name and name not in made:
                yield f"{label(node)}: nothing makes its input {shown(name)}"
    for value in graph.output:
        if value.name not in made:
            yield f"nothing makes the output {shown(value.name)}"
    if not graph.output:
        yield "the model has no output"


def _node(node: onnx.NodeProto, version: int) -> Iterator[str]:
    if node.domain not in STANDARD:
        return
    try:
        schema = defs.get_schema(node.op_type, version, "")
    except defs.SchemaError:
        yield f"there is no such operator in operator set {version}"
        return
    for what, names, least, most, formal in (
        ("inputs", node.input, schema.min_input, schema.max_input, schema.inputs),
        ("outputs", node.output, schema.min_output, schema.max_output, schema.outputs),
    ):
        if not least <= len(names) <= most:
            yield f"{len(names)} {what}, needs {_between(least, most)}"
        single = defs.OpSchema.FormalParameterOption.Single
        for name, parameter in zip(names, formal, strict=False):
            if not name and parameter.option == single:
                yield f"{what[:-1]} {parameter.name} is missing"
    yield from _attributes(node, schema)


def _between(least: int, most: int) -> str:
    if least == most:
        return str(least)
    return f"{least}..{most}" if most < FIELDS_MAX else f"at least {least}"


def _attributes(node: onnx.NodeProto, schema: defs.OpSchema) -> Iterator[str]:
    names = [item.name for item in node.attribute]
    if len(set(names)) != len(names):
        yield "an attribute is given twice"
    for name, formal in schema.attributes.items():
        if formal.required and name not in names:
            yield f"attribute {name} is missing"
    for item in node.attribute:
        formal = schema.attributes.get(item.name)
        wanted = "" if formal is None else str(formal.type).rpartition(".")[2]
        if formal is None:
            yield f"attribute {shown(item.name)} is unknown"
        elif AttributeProto.AttributeType.Name(item.type) != wanted or item.ref_attr_name:
            yield f"attribute {item.name} is of the wrong type, needs {wanted}"
        else:
            yield from _value(item)


def _value(item: AttributeProto) -> Iterator[str]:
    """What is wrong with the value of an attribute whose type is right."""
    key = LISTS.get(item.type)
    if item.type == AttributeProto.FLOAT and not math.isfinite(item.f):
        yield f"attribute {item.name} is not finite"
    elif key is not None:
        values = getattr(item, key)
        if len(values) > LIST_MAX:
            yield f"attribute {item.name} has {len(values)} entries, at most {LIST_MAX} are read"
        elif key == "floats" and not all(map(math.isfinite, values)):
            yield f"attribute {item.name} is not finite"
    elif item.type == AttributeProto.TENSOR:
        for why in tensor_faults(item.t):
            yield f"attribute {item.name}: {why}"
    elif item.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        yield f"attribute {item.name} is a graph; export without If, Loop and Scan"


def tensor_faults(tensor: TensorProto) -> Iterator[str]:
    """What is wrong with a constant, found without decoding it."""
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        yield "lies in another file; save the model as one file"
        return
    if tensor.data_type not in BITS:
        known = tensor.data_type in TensorProto.DataType.values()
        name = TensorProto.DataType.Name(tensor.data_type) if known else tensor.data_type
        yield f"its type is {name}, needs numbers"
        return
    dims = list(tensor.dims[: DIMS_MAX + 1])
    count = math.prod(dims)
    if len(dims) > DIMS_MAX or any(size < 0 for size in dims) or count > ELEMENTS_MAX:
        yield f"its shape is {dims}, needs up to {DIMS_MAX} axes and {ELEMENTS_MAX} elements"
        return
    bits = BITS[tensor.data_type]
    stored = {key: len(getattr(tensor, key)) for key in TYPED if len(getattr(tensor, key))}
    packed = -(-count * bits // 8)
    if tensor.HasField("raw_data"):
        right = not stored and len(tensor.raw_data) == packed
    else:
        lengths = [packed if bits == 4 else count] if count else []
        right = list(stored.values()) == lengths
    if not right or tensor.HasField("segment"):
        yield f"it is damaged: shape {dims}, but data of another length"


def _cycle(graph: onnx.GraphProto) -> Iterable[str]:
    """Message about a cycle in the graph, if there is one."""
    nodes = list(graph.node)
    makers = {name: at for at, node in enumerate(nodes) for name in node.output if name}
    before = [[makers[name] for name in node.input if name in makers] for node in nodes]
    state = [NEW] * len(nodes)
    for root in range(len(nodes)):
        path: list[int] = []
        work = [(root, False)]
        while work:
            at, left = work.pop()
            if left:
                state[path.pop()] = DONE
            elif state[at] == OPEN:
                names = ", ".join(label(nodes[other]) for other in path[path.index(at) :][:5])
                return [f"{names}: a cycle; a network has to be without feedback"]
            elif state[at] == NEW:
                path.append(at)
                state[at] = OPEN
                work.append((at, True))
                work.extend((other, False) for other in before[at])
    return []
