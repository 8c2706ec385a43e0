"""What a network's input is: stated in the file, and concluded for files from before that."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from twofold.hw.contract import presets
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.artefacts import QuantizedNetwork, container
from twofold.sw.artefacts.input import (
    ARRAY,
    DIGIT_PICTURES,
    FIXED,
    SPEECH,
    input_of_older_file,
    parse_input,
)
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.data.frontend import FRONT_ENDS
from twofold.sw.errors import ArtefactError

QUANTIZED = random_quantized(presets.network("tiny"), 3)


def write(path: Path, quantized: QuantizedNetwork, **members: Any) -> None:
    """Write a file whose header says ``members`` of its input and nothing else."""
    quantized.save(path)
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("header.json"))
    arrays = {
        f"{stage.name}.{key}": getattr(layer, key)
        for stage, layer in zip(quantized.network.stages, quantized.layers, strict=True)
        for key in ("weight", "add")
    }
    del header["sha256"], header["input"]
    version = header.pop("version")
    container.write(path, header | members, arrays, version=version)


def test_a_new_network_takes_an_array_until_it_is_said_what_it_takes():
    assert QUANTIZED.input == ARRAY


@pytest.mark.parametrize(
    "stated",
    [SPEECH, DIGIT_PICTURES, {"kind": "array", "dtype": "int8", "scale": 0.5}],
    ids=lambda stated: stated["kind"],
)
def test_the_file_keeps_it(tmp_path: Path, stated: dict[str, Any]):
    replace(QUANTIZED, input=stated).save(tmp_path / "net.npz")
    assert QuantizedNetwork.load(tmp_path / "net.npz").input == stated


@pytest.mark.parametrize(
    ("named", "front_end"), [({}, FIXED), ({"front_end": "centred"}, "centred"),
                             ({"front_end": "fixed"}, FIXED)]
)  # fmt: skip
def test_files_that_name_a_front_end_alone(tmp_path: Path, named: dict[str, str], front_end: str):
    path = tmp_path / "net.npz"
    write(path, random_quantized(presets.network("gsc"), 1), **named)
    assert QuantizedNetwork.load(path).input == {"kind": "audio", "front_end": front_end}


def test_front_end_is_that_of_audio():
    assert QUANTIZED.front_end is None
    assert replace(QUANTIZED, input=SPEECH).front_end == FIXED


@pytest.mark.parametrize("variant", presets.VARIANTS)
def test_shipped_files_say_what_they_take(variant: str):
    speech = QuantizedNetwork.load(shipped("gsc", variant))
    assert speech.input == {"kind": "audio", "front_end": speech.front_end}
    assert speech.front_end in FRONT_ENDS
    assert QuantizedNetwork.load(shipped("tiny", variant)).input == DIGIT_PICTURES


def test_nothing_is_concluded_of_other_networks():
    speech = presets.network("gsc")
    assert input_of_older_file(replace(speech, labels=tuple(map(str, range(12))))) == ARRAY
    assert input_of_older_file(replace(presets.network("tiny"), name="digits")) == ARRAY


def test_a_file_that_states_an_array_is_believed(tmp_path: Path):
    """Even where the shape is the one of speech."""
    speech = random_quantized(presets.network("gsc"), 1)
    speech.save(tmp_path / "net.npz")
    assert QuantizedNetwork.load(tmp_path / "net.npz").input == ARRAY


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("audio", "needs an object"),
        ({}, "kind is None, choose one of array, audio, picture"),
        ({"kind": ["array"]}, "choose one of"),
        ({"kind": "audio"}, "needs the name of its front_end"),
        ({"kind": "audio", "front_end": 7}, "needs the name"),
        ({"kind": "audio", "front_end": "x" * 65}, "needs the name"),
        ({"kind": "array", "front_end": "log-mel-1"}, "has no member 'front_end'"),
        ({"kind": "array", "scale": 0.0}, "finite number > 0"),
        ({"kind": "array", "scale": float("nan")}, "finite number > 0"),
        ({"kind": "array", "scale": "1"}, "finite number > 0"),
        ({"kind": "array", "dtype": "int16"}, "choose one of uint8, int8, float32"),
        ({"kind": "array", "dtype": []}, "choose one of uint8, int8, float32"),
        ({"kind": "picture", "examples": ""}, "not the name of a data set"),
    ],
)
def test_refuses(stated: Any, message: str):
    with pytest.raises(ArtefactError, match=message):
        replace(QUANTIZED, input=stated)


def test_a_picture_has_one_or_three_channels():
    two = replace(presets.network("tiny"), input_shape=(2, 8, 8))
    with pytest.raises(ArtefactError, match="1 or 3 channels, the network takes 2"):
        replace(random_quantized(two, 1), input={"kind": "picture"})


def test_a_damaged_statement_in_a_file_is_one_line(tmp_path: Path):
    path = tmp_path / "net.npz"
    write(path, QUANTIZED, input={"kind": "smell"})
    with pytest.raises(ArtefactError, match=r"net\.npz: input: kind is 'smell'"):
        QuantizedNetwork.load(path)


def test_input_from_a_command_line():
    assert parse_input("array") == ARRAY
    assert parse_input("picture") == {"kind": "picture"}
    assert parse_input("audio:log-mel-1") == SPEECH
    for text in ("audio", "audio:", "array:x", "", "video"):
        with pytest.raises(ArtefactError, match="choose one of array, picture, audio:log-mel-1"):
            parse_input(text)
