"""Networks and machines as notebooks show them: a table, and the chain of layers."""

from collections.abc import Iterable, Sequence
from html import escape

from twofold.hw.contract.network import Network, Stage


def sizes(shape: Sequence[int]) -> str:
    """Channels, rows and columns, without those of 1 behind the channels."""
    kept = shape[:1] if tuple(shape[1:]) == (1, 1) else shape
    return " x ".join(map(str, kept))


def chain(network: Network) -> str:
    """The network in a line: its input, and each layer with what it gives."""
    layers = (f"{stage.name} {sizes(stage.out_shape)}" for stage in network.stages)
    return " > ".join((sizes(network.input_shape), *layers))


def structure(stage: Stage) -> list[str]:
    """Name, output, weights and winners of a layer."""
    winners = "all" if stage.k == stage.channels else f"{stage.k} of {stage.channels}"
    weights = stage.layer.sparsity.text(stage.channels, stage.inputs)
    return [stage.name, sizes(stage.out_shape), weights, winners]


STRUCTURE = ("layer", "output", "weights", "winners")
"""Headings of `structure`."""


def page(title: str, line: str, headings: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """HTML of a title, a line below it and a table; all text is escaped."""
    head = "".join(f"<th>{escape(text)}</th>" for text in headings)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(text)}</td>' for text in row)}</tr>" for row in rows
    )
    return (
        f"<p><b>{escape(title)}</b><br>{escape(line)}</p>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )
