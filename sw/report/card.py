"""The card: cycle counts converted to samples per second, and published figures of others."""

from dataclasses import dataclass

from twofold.hw.boards.board import Board

SAMPLE_BYTES = 1024
CORES = 24
"""Cores of the CPU in the study, a Xeon 8275CL."""


def unit_samples(board: Board, cycles: float) -> float:
    """Samples per second of a compute unit that takes ``cycles`` per sample, at the board's clock.

    The clock is an assumption: nothing has been placed and routed.
    """
    return board.clock_mhz * 1e6 / cycles


def link_samples(board: Board) -> float:
    """Samples per second that the link can transfer to the card."""
    return board.host.to_card / SAMPLE_BYTES


def card_samples(board: Board, cycles: float) -> float:
    """Samples per second of a card, limited by its link.

    Assumes that if one unit fits a region, every region can hold one.
    """
    return min(board.units * unit_samples(board, cycles), link_samples(board))


def peak_products(board: Board) -> float:
    """INT8 products per second of all DSPs of the device, at the board's clock."""
    return board.total.dsp * board.family.products_per_dsp * board.clock_mhz * 1e6


@dataclass(frozen=True)
class Published:
    """Numenta's figures for an Alveo U250 and this task.

    Attributes
    ----------
    single: samples per second of one network on the card.
    chip: samples per second of as many networks as it holds.
    networks: how many it holds.
    """

    single: int
    chip: int
    networks: int


PUBLISHED = {
    "dense": Published(3_049, 12_195, 4),
    "sparse-dense": Published(35_714, 689_655, 24),
    "sparse-sparse": Published(102_564, 1_369_863, 20),
}
PUBLISHED_DIGITS = {
    "dense": "96.4 to 96.9 %", "accurate": "96.4 to 97.0 %", "fast": "96.4 to 97.0 %",
}  # fmt: skip
"""Numenta's accuracies of dense and sparse-sparse networks on ten digits, by the variant here."""
PUBLISHED_CLIPS = 2552
"""Clips that these are measured on."""
PUBLISHED_DIGITS_SOURCE = (
    "Published accuracies stand in the settings of its authors' experiments (nupic.research, "
    "projects/whydense/gsc): the best epoch on test, means of several seeds."
)
PUBLISHED_SOURCE = (
    "Hunter, Spracklen, Ahmad: Two Sparsities Are Better Than One (arXiv 2112.13896), and "
    "Spracklen: Can CPUs leverage sparsity? (2021). Their task is ten spoken digits of another "
    "version of the data set, so accuracies are not comparable with those here."
)
