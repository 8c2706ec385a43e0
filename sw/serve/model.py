"""A network that is served, and what computes it."""

from dataclasses import dataclass

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.driver import Accelerator


@dataclass(frozen=True, eq=False)
class Model:
    """A network that is served.

    Attributes
    ----------
    network: with its labels and front end.
    accelerator: that it is loaded on.
    device: what computes, for people.
    simulated: whether that stands in for a card, and its speed says nothing about one.
    """

    network: QuantizedNetwork
    accelerator: Accelerator
    device: str = ""
    simulated: bool = False
