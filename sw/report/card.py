"""The card: what cycle counts come to in samples a second, and what others have published."""

from dataclasses import dataclass

CLOCK_MHZ = 300
"""Assumed clock: nothing is placed and routed."""
UNITS = 4
"""Compute units on a card, one in each super logic region; assumed to fit when one does."""
SAMPLE_BYTES = 1024
PCIE_BYTES = 11.0e9
"""Bytes a second into the card, measured by its vendor's own test."""
DSP = 12288
PRODUCTS_PER_DSP = 2
"""INT8 products of a DSP48E2 in a cycle, where they share a factor."""
CORES = 24
"""Cores of the processor in the study, a Xeon 8275CL."""

PCIE_SAMPLES = PCIE_BYTES / SAMPLE_BYTES
PEAK_PRODUCTS = DSP * PRODUCTS_PER_DSP * CLOCK_MHZ * 1e6


def unit_samples(cycles: float) -> float:
    """Samples a second of a compute unit that takes so many cycles a sample."""
    return CLOCK_MHZ * 1e6 / cycles


def card_samples(cycles: float) -> float:
    """Samples a second of a card, its link included."""
    return min(UNITS * unit_samples(cycles), PCIE_SAMPLES)


@dataclass(frozen=True)
class Published:
    """Numenta's figures for an Alveo U250 and this task.

    Attributes
    ----------
    single: samples a second of one network on the card.
    chip: samples a second of as many as it holds.
    networks: how many those are.
    """

    single: int
    chip: int
    networks: int


PUBLISHED = {
    "dense": Published(3_049, 12_195, 4),
    "sparse-dense": Published(35_714, 689_655, 24),
    "sparse-sparse": Published(102_564, 1_369_863, 20),
}
PUBLISHED_SOURCE = (
    "Hunter, Spracklen, Ahmad: Two Sparsities Are Better Than One (arXiv 2112.13896), and "
    "Spracklen: Can CPUs leverage sparsity? (2021). The speed-ups, 112x and 56x, agree with both; "
    "the samples per second were not checked against the paper again."
)
