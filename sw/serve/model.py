"""A network that is served, and what computes it."""

from dataclasses import dataclass

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver.computes import Computes

AHEAD = 2
"""Runs under way on one device: one computes while the next is made ready."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network that is served.

    Attributes
    ----------
    network: with its labels and front end.
    accelerator: that it is loaded on.
    ahead: runs that the accelerator takes at the same time.
    device: what computes, for people.
    simulated: whether that stands in for a card, and its speed says nothing about one.
    """

    network: QuantizedNetwork
    accelerator: Computes
    device: str = ""
    simulated: bool = False
    ahead: int = AHEAD
