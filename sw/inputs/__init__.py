"""Inputs of any kind: what a user has on disk becomes the bytes that a network takes.

`read_inputs` and `read_labelled` are the doors; a file here is a kind of input. What a network's
input is stands in its artefact (`twofold.sw.artefacts.input`) and is never concluded from a shape.
"""

from twofold.sw.inputs.folders import default_data
from twofold.sw.inputs.labelled import Labelled, read_labelled
from twofold.sw.inputs.reading import read_inputs
from twofold.sw.inputs.result import Failure, Inputs, shown

__all__ = ["Failure", "Inputs", "Labelled", "default_data", "read_inputs", "read_labelled", "shown"]
