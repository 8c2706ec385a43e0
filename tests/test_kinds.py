"""Every table that is keyed by a kind has a row for each of them; nothing tests types instead."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

import twofold.hw.area.model
import twofold.hw.area.stage
import twofold.hw.engines.pooling
import twofold.hw.engines.scatter.stage
import twofold.hw.machine.stages
import twofold.hw.solve.candidates
import twofold.hw.solve.timeline
import twofold.sim.rtl.probes
import twofold.sim.workloads.random_network
import twofold.sw.artefacts.quantized
import twofold.sw.bench.engines.pytorch
import twofold.sw.golden.model
import twofold.sw.golden.pooling
import twofold.sw.model.layers
import twofold.sw.model.masks
import twofold.sw.model.pooling
import twofold.sw.onnx.export.pooling
import twofold.sw.pack.packer
import twofold.sw.quantize.integer
import twofold.sw.train.explore.cost
from twofold.hw.contract.engines import ENGINES, GatherPlan, JoinPlan, ScatterPlan, VectorPlan
from twofold.hw.contract.layers import LAYERS, POOLINGS, SPARSITIES, Add, Output

ROOT = Path(__file__).parents[1]
KINDS = {kind.__name__ for kind in (*LAYERS.values(), *ENGINES.values())}
KINDS |= {"GatherPlan", "ScatterPlan", "JoinPlan", "VectorPlan"}
KINDS |= {"GatherStage", "ScatterStage", "VectorStage"}
HIDDEN = {Output.PIXELS, Output.WINNERS}

TABLES: list[tuple[Mapping, set]] = [
    *(
        (table, set(LAYERS.values()))
        for table in (
            twofold.sw.golden.model._RULES,
            twofold.sw.quantize.integer._RULES,
            twofold.sw.model.layers._PRODUCTS,
        )
    ),
    # The benchmark refuses additions by name.
    (twofold.sw.bench.engines.pytorch._KINDS, set(LAYERS.values()) - {Add}),
    *(
        (table, set(SPARSITIES.values()))
        for table in (
            twofold.sw.artefacts.quantized._STRUCTURES,
            twofold.sw.model.masks._RELAXED,
            twofold.sw.model.masks._CHOICES,
            twofold.sim.workloads.random_network._STRUCTURES,
        )
    ),
    *(
        (table, set(POOLINGS))
        for table in (
            twofold.hw.engines.pooling.COMBINERS,
            twofold.sw.golden.pooling.COMBINERS,
            twofold.sw.model.pooling.EXACT,
            twofold.sw.model.pooling.REAL,
            twofold.sw.onnx.export.pooling.FORMS,
        )
    ),
    *(
        (table, {GatherPlan, ScatterPlan, JoinPlan, VectorPlan})
        for table in (
            twofold.hw.machine.stages._STAGES,
            twofold.hw.area.model._FRONTS,
            twofold.hw.area.model._BACKS,
            twofold.sw.pack.packer._ORDERS,
        )
    ),
    *(
        (table, set(ENGINES.values()))
        for table in (
            twofold.hw.solve.candidates._CANDIDATES,
            twofold.hw.solve.candidates._WIDEST,
            twofold.sim.workloads.random_network._FOLDINGS,
            twofold.sw.train.explore.cost._FITS,
        )
    ),
    *(
        (table, set(Output))
        for table in (
            twofold.hw.machine.stages._TAILS,
            twofold.hw.engines.scatter.stage.LINKS,
            twofold.hw.engines.scatter.stage._TILES,
            twofold.hw.engines.scatter.stage._TAILS,
            twofold.hw.area.stage.ROWS,
            twofold.hw.area.model._ENDS,
        )
    ),
    (twofold.sim.rtl.probes._DECODERS, HIDDEN),
    (
        twofold.hw.solve.timeline._PARTS,
        {
            (GatherPlan, Output.PIXELS),
            *((ScatterPlan, output) for output in Output),
            (JoinPlan, Output.PIXELS),
            (VectorPlan, Output.WINNERS),
            (VectorPlan, Output.LOGITS),
        },
    ),
]


@pytest.mark.parametrize("number", range(len(TABLES)))
def test_tables_are_complete(number: int) -> None:
    table, kinds = TABLES[number]
    assert set(table) == kinds


def type_tests(path: Path) -> list[str]:
    """Places that ask for the type of a layer, plan, stage or folding."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        named: list[ast.expr] = []
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
            named = [node.args[1]]
        elif isinstance(node, ast.MatchClass):
            named = [node.cls]
        elif isinstance(node, ast.Compare) and getattr(node.left, "func", None) is not None:
            asked = getattr(getattr(node.left, "func", None), "id", "") == "type"
            named = node.comparators if asked else []
        names = {leaf.id for one in named for leaf in ast.walk(one) if isinstance(leaf, ast.Name)}
        if names & KINDS:
            found.append(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}")
    return found


def test_nothing_asks_which_kind_a_layer_is() -> None:
    paths = [path for room in ("hw", "sw", "sim") for path in (ROOT / room).rglob("*.py")]
    assert len(paths) > 100
    assert [place for path in paths for place in type_tests(path)] == []


def test_the_search_finds_type_tests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "if isinstance(layer, (Conv2d, int)) or type(plan) is GatherPlan:\n    pass\n"
        "match layer:\n    case Linear():\n        pass\n    case int():\n        pass\n"
        "isinstance(value, str)\n"
    )
    (tmp_path / "one.py").write_text(source)
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert sorted(type_tests(tmp_path / "one.py")) == ["one.py:1", "one.py:1", "one.py:4"]
