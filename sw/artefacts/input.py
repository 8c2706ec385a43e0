"""What a network's input is, as its artefact states it in ``QuantizedNetwork.input``.

It is a mapping of plain JSON values with the member ``kind``:

- ``array``: bytes whose meaning only the user knows. ``dtype`` (optional) is what the model took
  before it was imported: ``uint8``, ``int8`` or ``float32``; ``scale`` (optional, > 0) is the real
  value of one step, so that a real value is ``scale * (byte - network.zero_point)``.
- ``audio``: features of one second of sound; ``front_end`` names the algorithm that computes them.
  ``decision`` (optional) says how a stream of windows becomes words
  (`twofold.sw.artefacts.decision`).
- ``picture``: pixels, grey (one channel) or RGB (three). ``examples`` (optional) names data that
  comes with Twofold: ``digits``.

`input_of_older_file` is the only place that infers the input from anything else: files written
before this member existed do not have it.
"""

import math
from collections.abc import Mapping
from typing import Any

from twofold.hw.contract.network import Network
from twofold.hw.contract.presets import DIGITS, GSC_LABELS
from twofold.sw.artefacts.decision import Decision
from twofold.sw.errors import ArtefactError

ARRAY: Mapping[str, Any] = {"kind": "array"}
FIXED = "log-mel-1"
"""Front end of all networks before there was another."""
SPEECH: Mapping[str, Any] = {"kind": "audio", "front_end": FIXED}
DIGIT_PICTURES: Mapping[str, Any] = {"kind": "picture", "examples": "digits"}

INPUT_PROPERTY = "twofold.input"
"""Metadata property of an exported ONNX model that carries this mapping as JSON."""
DTYPES = ("uint8", "int8", "float32")
PICTURE_CHANNELS = (1, 3)
NAME_LENGTH_MAX = 64
_MEMBERS = {
    "array": {"dtype", "scale"},
    "audio": {"front_end", "decision"},
    "picture": {"dtype", "scale", "examples"},
}


def check_input(value: Any, network: Network) -> None:
    """Raise ArtefactError, naming the rule, unless ``value`` is a valid input of ``network``."""
    if not isinstance(value, Mapping):
        raise ArtefactError(f"input is {value!r}, needs an object with a kind")
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in _MEMBERS:
        raise ArtefactError(f"input: kind is {kind!r}, choose one of {', '.join(_MEMBERS)}")
    unknown = sorted(map(str, value.keys() - _MEMBERS[kind] - {"kind"}))
    if unknown:
        raise ArtefactError(f"input: kind {kind} has no member {unknown[0]!r}")
    if kind == "audio" and not _is_name(value.get("front_end")):
        raise ArtefactError("input: audio needs the name of its front_end, such as 'log-mel-1'")
    if "decision" in value:
        Decision.from_json(value["decision"])
    channels = network.input_shape[0]
    if kind == "picture" and channels not in PICTURE_CHANNELS:
        raise ArtefactError(f"input: a picture has 1 or 3 channels, the network takes {channels}")
    if "examples" in value and not _is_name(value["examples"]):
        raise ArtefactError("input: examples is not the name of a data set")
    if "dtype" in value and value["dtype"] not in DTYPES:
        raise ArtefactError(
            f"input: dtype is {value['dtype']!r}, choose one of {', '.join(DTYPES)}"
        )
    scale = value.get("scale", 1.0)
    if not isinstance(scale, float) or not 0 < scale < math.inf:
        raise ArtefactError(f"input: scale is {scale!r}, needs a finite number > 0")


def parse_input(text: str) -> Mapping[str, Any]:
    """Parse an input given as ``array``, ``picture`` or ``audio:FRONT_END``.

    Raises ArtefactError for anything else.
    """
    kind, colon, front_end = text.partition(":")
    if kind in ("array", "picture") and not colon:
        return {"kind": kind}
    if kind == "audio" and _is_name(front_end):
        return {"kind": kind, "front_end": front_end}
    raise ArtefactError(
        f"input is {text!r}, choose one of array, picture, audio:{SPEECH['front_end']}"
    )


def input_of_older_file(network: Network, front_end: Any = None) -> Mapping[str, Any]:
    """Input of a network whose file does not state it.

    ``front_end``: member of that name of the file's header, where it has one: networks for audio
    had it before the input was stated. Otherwise by the tasks that there were then.
    """
    if front_end is not None:
        return {"kind": "audio", "front_end": FIXED if front_end == "fixed" else front_end}
    speech = set(network.labels) <= {*GSC_LABELS, *_DIGIT_WORDS}
    if speech and network.input_shape == (1, 32, 32):
        return dict(SPEECH)
    tiny = network.name.startswith("tiny") and network.labels == DIGITS
    if tiny and network.input_shape == (1, 8, 8):
        return dict(DIGIT_PICTURES)
    return dict(ARRAY)


_DIGIT_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
)  # fmt: skip


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and 0 < len(value) <= NAME_LENGTH_MAX
