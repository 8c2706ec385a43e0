"""Inputs of any kind: turn the user's files into the bytes that a network takes.

`read_inputs` and `read_labelled` are the entry points; each module here handles one kind of input.
What a network's input is, is stated in its artefact (`twofold.sw.artefacts.input`) and is never
inferred from a shape.
"""

from twofold.sw.inputs.folders import default_data
from twofold.sw.inputs.labelled import Labelled, read_labelled
from twofold.sw.inputs.reading import read_inputs
from twofold.sw.inputs.result import Failure, Inputs, shown

__all__ = ["Failure", "Inputs", "Labelled", "default_data", "read_inputs", "read_labelled", "shown"]
