"""The forms in which tools write quantized networks, turned into one: standard QDQ.

Every dialect is a module that rewrites its own nodes; what follows reads `QuantizeLinear`,
`DequantizeLinear` and float operators only. `canonical` is the entry.
"""

import onnx

from twofold.sw.errors import OnnxError
from twofold.sw.onnx.importer.checked import STANDARD, require_sound
from twofold.sw.onnx.importer.dialects import qoperator, quant
from twofold.sw.onnx.importer.dialects.arithmetic import plain
from twofold.sw.onnx.importer.dialects.editing import Editor, inferred_shapes
from twofold.sw.onnx.importer.dialects.folding import fold
from twofold.sw.onnx.importer.dialects.naming import dialect_of
from twofold.sw.onnx.importer.nodes import refuse

__all__ = ["canonical", "dialect_of", "inferred_shapes"]

OPSET = 13
"""Least operator set of a rewritten model: the first with scales per channel."""
REWRITERS = {**qoperator.REWRITERS, **quant.REWRITERS}
"""What turns a node into standard nodes, by domain and operator."""


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network in standard QDQ, with its constants folded; ``model`` is sound.

    Nodes of other domains for which there is no rewriter stay as they are. Raises OnnxError for a
    node of a known dialect in a form that is not supported.
    """
    editor = Editor(model)
    foreign = [node for node in model.graph.node if (node.domain, node.op_type) in REWRITERS]
    if foreign and editor.opset < OPSET:
        editor = _raised(editor, foreign)
    fold(editor)
    editor.rewrite(lambda node: _rewritten(editor, node))
    editor.rewrite(lambda node: plain(editor, node))
    fold(editor)
    found = editor.model
    require_sound(found)
    return found


def _rewritten(editor: Editor, node: onnx.NodeProto) -> list[onnx.NodeProto] | None:
    rewriter = REWRITERS.get((node.domain, node.op_type))
    return None if rewriter is None else rewriter(editor, node)


def _raised(editor: Editor, foreign: list[onnx.NodeProto]) -> Editor:
    """The model in operator set `OPSET`, converted by ONNX, which knows standard nodes only: the
    foreign ones wait aside, each with an Identity in its place.
    """
    aside = {node.output[0]: node for node in foreign}
    if any(node.domain not in STANDARD for node in editor.model.graph.node if node not in foreign):
        return editor
    waiting = onnx.ModelProto()
    waiting.CopyFrom(editor.model)
    for node in waiting.graph.node:
        if node.output[0] in aside:
            node.CopyFrom(onnx.helper.make_node("Identity", node.input[:1], node.output, node.name))
    try:
        raised = onnx.version_converter.convert_version(waiting, OPSET)
    except Exception as error:  # the converter's errors have no other base
        raise OnnxError(
            f"operator set {editor.opset} cannot be brought to {OPSET} by ONNX "
            f"({str(error)[:200]}); export the model for operator set {OPSET}"
        ) from error
    for node in raised.graph.node:
        if node.output[0] in aside:
            node.CopyFrom(aside[node.output[0]])
    kept = {entry.name for entry in raised.graph.initializer}
    raised.graph.initializer.extend(
        entry for entry in editor.model.graph.initializer if entry.name not in kept
    )
    missing = set(aside) - {name for node in raised.graph.node for name in node.output}
    if missing:
        raise refuse(aside[min(missing)], f"is lost in operator set {OPSET}; export for it")
    return Editor(raised)
