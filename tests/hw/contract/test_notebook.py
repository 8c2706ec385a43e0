"""What a notebook shows of a network and a machine."""

from twofold.hw.contract.notebook import page
from twofold.hw.contract.shipped import machine
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file


def test_a_machine() -> None:
    tiny = machine("tiny-fast-small")
    assert repr(tiny).startswith("<Machine tiny-fast-small: ") and len(repr(tiny)) < 100
    shown = tiny._repr_html_()
    assert shown.count("<tr>") == len(tiny.plans) + 1
    assert all(f"<td>{plan.cycles:,}</td>" in shown for plan in tiny.plans)
    assert "1 x 8 x 8 &gt; conv1" in shown


def test_a_network() -> None:
    network = QuantizedNetwork.load(shipped_file("tiny-fast"))
    assert repr(network).startswith("<QuantizedNetwork tiny-fast: ") and len(repr(network)) < 100
    shown = network._repr_html_()
    assert shown.count("<tr>") == len(network.layers) + 1
    assert all(f"<td>{stage.name}</td>" in shown for stage in network.network.stages)


def test_text_is_escaped() -> None:
    assert "<script>" not in page("<script>", "<script>", ["<script>"], [["<script>"]])
