"""What a serial line to a machine uses, by formula (see `twofold.hw.link`)."""

from twofold.hw.area.component import Component
from twofold.hw.area.prices import prices_of
from twofold.hw.boards.board import Board
from twofold.hw.boards.resources import Resources
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.link import WORD_BYTES, WORDS_MAX, result_words, sample_words
from twofold.hw.contract.network import Network
from twofold.hw.contract.regs import BEAT_BYTES
from twofold.hw.contract.results import result_row
from twofold.hw.link.frames import WORD_BITS
from twofold.hw.link.runner import capacity_of

LINE = Resources(lut=2700, ff=1000)
"""Receiver, transmitter, frames and commands."""


def link(network: Network, folding: Folding, board: Board) -> list[Component]:
    """What a board that a design has to itself puts around the machine; nothing on other boards,
    whose platforms are not part of what a unit may use.
    """
    if board.desk is None:
        return []
    prices, row = prices_of(board.family), result_row(network)
    words = sample_words(network, folding.input_bytes)
    count = capacity_of(words)
    found = LINE
    for depth in (2 * WORDS_MAX, count * words, count * result_words(row)):
        found += prices.table(depth, WORD_BITS, 1, 1, "block")
    beat = WORD_BITS * result_words(row) if row.beats == 1 else 8 * BEAT_BYTES
    piece = 8 * max(WORD_BYTES, folding.input_bytes)
    return [Component("", "link", 1, found + Resources(lut=beat + piece, ff=beat + 2 * piece))]
