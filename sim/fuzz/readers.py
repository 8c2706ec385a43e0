"""Everything that reads files or words from outside, and good input to begin with."""

import io
import json
import os
import runpy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
import soundfile

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.files import write_bytes, write_text
from twofold.hw.contract.machine import Machine
from twofold.hw.contract.shipped import machine
from twofold.hw.xclbin import xclbin
from twofold.sim.emulation.bitstream import Target, describe
from twofold.sim.emulation.protocol import ProtocolError, call, decode
from twofold.sim.fuzz.mutate import mutated
from twofold.sim.fuzz.options import QUICK, option_cases
from twofold.sim.fuzz.streams import (
    answers,
    read_answers,
    read_request,
    read_sound,
    requests,
)
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.shipped import shipped_file
from twofold.sw.data.gsc import open_gsc
from twofold.sw.inputs import read_inputs, read_labelled
from twofold.sw.onnx.export.onnx import export
from twofold.sw.onnx.importer.assemble import import_onnx
from twofold.sw.pack import pack, unpack
from twofold.sw.report.inputs import collect
from twofold.sw.report.page import render

MODELS_VARIABLE, MODEL_BYTES = "TWOFOLD_MODELS", 200_000
MACHINE, NETWORK, SPEECH = "tiny-fast-small", "tiny-fast", "gsc-fast"


@dataclass(frozen=True)
class Reader:
    """A reader, and how cases for it are made.

    Attributes
    ----------
    name: of the reader, and of its kind of file.
    suffix: of its files.
    seeds: makes good files; called once.
    read: reads a file; anything that it raises but ``refusals`` is a fault.
    change: makes a case of a good file.
    refusals: exceptions that say in one line what is wrong.
    """

    name: str
    suffix: str
    seeds: Callable[[], Sequence[bytes]]
    read: Callable[[Path], object]
    change: Callable[[bytes, Random], bytes] = mutated
    refusals: tuple[type[BaseException], ...] = (TwofoldError,)


def _quantized() -> QuantizedNetwork:
    return QuantizedNetwork.load(shipped_file(NETWORK))


def _artefact() -> list[bytes]:
    return [shipped_file(NETWORK).read_bytes(), shipped_file("tiny-accurate").read_bytes()]


def _machine() -> list[bytes]:
    return [machine(name).to_text().encode() for name in (MACHINE, "gsc-fast-full")]


def _onnx() -> list[bytes]:
    """Our own export, and small models of others where the environment names a folder of them."""
    found = [export(_quantized()).SerializeToString()]
    folder = os.environ.get(MODELS_VARIABLE)
    paths = sorted(Path(folder).rglob("*.onnx")) if folder else []
    return found + [path.read_bytes() for path in paths if path.stat().st_size <= MODEL_BYTES]


def _image() -> list[bytes]:
    held = machine(MACHINE)
    return [pack(random_quantized(held.network), held.folding)]


def _read_image(path: Path) -> object:
    held = machine(MACHINE)
    return unpack(path.read_bytes(), held.network, held.folding)


def _wav() -> list[bytes]:
    found = []
    for rate, subtype in ((16_000, "PCM_16"), (44_100, "PCM_24"), (8000, "PCM_U8")):
        samples = np.random.default_rng(rate).integers(-(1 << 15), 1 << 15, rate, np.int16)
        file = io.BytesIO()
        soundfile.write(file, samples, rate, subtype, format="WAV")
        found.append(file.getvalue())
    return found


def _sound() -> list[bytes]:
    """The other formats of audio."""
    samples, found = np.sin(np.arange(16_000) / 9) / 2, []
    for name, subtype in (("FLAC", None), ("OGG", None), ("AIFF", None), ("AU", None),
                          ("MP3", None), ("WAVEX", "FLOAT"), ("RF64", "PCM_16")):  # fmt: skip
        file = io.BytesIO()
        soundfile.write(file, samples, 16_000, subtype, format=name)
        found.append(file.getvalue())
    return found


def _picture() -> list[bytes]:
    from PIL import Image

    found = []
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    for form, mode in (("PNG", "L"), ("PNG", "P"), ("JPEG", "L"), ("BMP", "RGB"), ("PPM", "L")):
        file = io.BytesIO()
        grey.convert(mode).save(file, form)
        found.append(file.getvalue())
    return found


def _checkpoint() -> list[bytes]:
    """As `twofold.sw.train.checkpoint.save` writes them."""
    header = {"net": {"w": "tensor:t0"}, "records": [{"epoch": 1}], "rate": 1e-3}
    file = io.BytesIO()
    content = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(file, header=content, t0=np.zeros((3, 4), np.float32))
    return [file.getvalue()]


def _read_checkpoint(path: Path) -> object:
    from twofold.sw.train.checkpoint import load

    return load(path)


def _array() -> list[bytes]:
    file = io.BytesIO()
    np.save(file, np.zeros((3, 1, 8, 8), np.uint8))
    return [file.getvalue()]


def _arrays() -> list[bytes]:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((3, 1, 8, 8), np.uint8), y=np.arange(3))
    return [file.getvalue()]


def _inputs(network: str) -> Callable[[Path], object]:
    def read(path: Path) -> object:
        found = read_inputs(QuantizedNetwork.load(shipped_file(network)), [path])
        return found.complete()

    return read


def _bitstream() -> list[bytes]:
    return [xclbin.encode(describe(Target(machine(MACHINE), 2), b"library"))]


def _report() -> list[bytes]:
    """A report of each kind, by the name of its file."""
    row = {
        "engine": "twofold", "version": "1", "precision": "int8", "sparsity": "sparse-sparse",
        "batch": 64, "threads": 1, "samples_per_second": 80.0, "spread": [79.0, 81.0],
        "samples_per_core_second": 80.0, "logits_ok": True, "logits_error": 0.0,
        "joules_per_sample": None, "note": "", "network": "gsc-fast",
    }  # fmt: skip
    facts = {"network": "gsc-dense", "source": "gsc-dense.npz", "weights": 100,
             "nonzero_weights": 5, "winners": []}  # fmt: skip
    bench = {
        "command": "twofold bench", "when": "2026-01-01", "minutes": 2.0, "load_before": 0.1,
        "machine": {"cpu": "a", "family_model_stepping": "6/1/1", "cores": 2, "python": "3.11",
                    "instruction_sets": ["avx2"], "virtual_machine": True, "memory_gib": 8.0,
                    "system": "Linux"},
        "energy": "none", "samples": "test", "settings": {"rounds": 3, "seconds": 0.1},
        "networks": {"dense": facts},
        "accuracies": {"gsc-fast": {"test": 0.9, "val": 0.9, "data": "clips", "digest": "a"}},
        "rows": [row, row | {"sparsity": "dense", "batch": 1}],
        "layers": [{"network": "gsc-fast", "sparsity": "dense", "isa": "avx2", "layer": "conv1",
                    "kernel": "generic", "microseconds": 1.5}],
    }  # fmt: skip
    sim = {
        "net": "gsc", "variant": "fast", "network": "gsc-fast", "folding": "full",
        "samples": 200, "mismatches": 0,
        "failures": {}, "cycles_per_sample": 88.0, "latency_cycles": 500, "known": 200,
        "multiplications": 300_000, "multiplications_dense": 13_912_400, "correct": 180,
        "accuracy": 0.9, "source": "test samples",
    }  # fmt: skip
    taken = {"lut": 200_000, "ff": 150_000, "bram36": 100, "uram": 200, "dsp": 1500}
    area = {
        "network": "gsc-fast",
        "folding": "full",
        "share_of_slr": {"lut": 0.5, "ff": 0.2, "bram36": 0.2, "uram": 0.6, "dsp": 0.5},
    }
    rate = {"median": 9.0, "low": 8.0, "high": 10.0}
    card = {
        "network": "gsc-fast",
        "watts": 40.0,
        "units": 4,
        "samples_per_second": rate,
        "samples_per_second_per_watt": 1000.0,
    }
    evaluations = {
        f"eval-{split}": {
            "network": "digits10-fast", "digest": "a", "split": split, "clips": 9, "correct": 8,
            "source": f"Google Speech Commands, {split} split", "interval95": [0.5, 1.0],
            "per_class": {"zero": {"clips": 9, "correct": 8}}, "mismatches_vs_golden": 0,
        }
        for split in ("test", "val")
    }  # fmt: skip
    trees = {
        "bench": bench, "sim": sim, "resources": {"variants": {"fast": area | taken}}, "time": card,
        **evaluations,
    }  # fmt: skip
    return [json.dumps({name: tree}).encode() for name, tree in trees.items()]


def _read_report(path: Path) -> object:
    """A damaged report beside the good ones."""
    folder = path.with_suffix("")
    folder.mkdir()
    names = set[str]()
    for content in _report():
        ((name, tree),) = json.loads(content).items()
        write_text(folder / f"{name}.json", json.dumps(tree))
        names.add(name)
    try:
        found = json.loads(path.read_bytes().decode())
        ((name, tree),) = found.items()
        content = json.dumps(tree)
    except (ValueError, AttributeError, RecursionError):
        name, content = "bench", path.read_bytes().decode(errors="replace")
    if name in names:
        write_text(folder / f"{name}.json", content)
    return render(collect(folder))


def _list() -> list[bytes]:
    return [b"yes/a.wav\nyes/b.wav\n", b"\xef\xbb\xbf./yes/a.wav\r\nyes\\b.wav\r\n"]


def _read_list(path: Path) -> object:
    root = path.with_suffix("")
    (root / "yes").mkdir(parents=True)
    for name in ("a", "b"):
        write_bytes(root / "yes" / f"{name}.wav", b"RIFF")
    write_bytes(root / "testing_list.txt", path.read_bytes())
    return open_gsc(root).splits


def _call() -> list[bytes]:
    return [call(6, {3: 1 << 32, 4: b"content", 6: 0})[14:]]


def _options() -> list[bytes]:
    return option_cases()


def _run_options(path: Path) -> object:
    """The program itself, as if it was started with these words; of commands that may take long
    only how they read them. Raises SystemExit where it ends with another code than 0.
    """
    import sys

    words = json.loads(path.read_bytes())
    if words[0] not in QUICK:
        return runpy.run_module("twofold.sw.cli.main")["parser"]().parse_args(words)
    sys.argv = ["twofold", *words]
    try:
        return runpy.run_module("twofold.sw.cli.main", run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise
        return None


def _as_it_is(content: bytes, _draw: Random) -> bytes:
    return content


READERS: dict[str, Reader] = {
    one.name: one
    for one in (
        Reader("artefact", ".npz", _artefact, QuantizedNetwork.load),
        Reader("machine", ".json", _machine, Machine.load),
        Reader("onnx", ".onnx", _onnx, lambda path: import_onnx(path.read_bytes())),
        Reader("image", ".bin", _image, _read_image),
        Reader("wav", ".wav", _wav, _inputs(SPEECH)),
        Reader("sound", ".flac", _sound, _inputs(SPEECH)),
        Reader("stream", ".wav", _wav, read_sound),
        Reader("picture", ".png", _picture, _inputs(NETWORK)),
        Reader("npy", ".npy", _array, _inputs(NETWORK)),
        Reader("npz", ".npz", _arrays, _inputs(NETWORK)),
        Reader("labelled", ".npz", _arrays, lambda path: read_labelled(_quantized(), [path])),
        Reader("checkpoint", ".npz", _checkpoint, _read_checkpoint),
        Reader(
            "serial", ".bin", lambda: [answers(machine(MACHINE))],
            lambda path: read_answers(machine(MACHINE), path),
        ),
        Reader(
            "request", ".json", lambda: requests(machine(MACHINE).network.input_shape),
            lambda path: read_request(_quantized(), path),
        ),
        Reader("xclbin", ".xclbin", _bitstream, lambda path: xclbin.decode(path.read_bytes())),
        Reader("report", ".json", _report, _read_report),
        Reader("list", ".txt", _list, _read_list),
        Reader(
            "emulation", ".bin", _call, lambda path: decode(memoryview(path.read_bytes())),
            refusals=(ProtocolError,),
        ),
        Reader(
            "options", ".json", _options, _run_options, change=_as_it_is, refusals=(SystemExit,)
        ),
    )
}  # fmt: skip
