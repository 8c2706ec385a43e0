"""The machine file: everything that defines which hardware is built, in one versioned JSON file.

A machine is a network description with its folding, for a board. Two machines with the same
`Machine.fingerprint` are the same hardware: names, labels and the board do not count. The file is
untrusted input, so everything in it is checked before use.
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from twofold.hw.contract.errors import FileError, MachineError, TwofoldError
from twofold.hw.contract.files import read_bytes, write_text
from twofold.hw.contract.fingerprint import fingerprint
from twofold.hw.contract.folding import Folding, Plan, folding_from_json, plans
from twofold.hw.contract.network import Network
from twofold.hw.contract.notebook import STRUCTURE, chain, page, structure
from twofold.hw.contract.reading import network_from_json

FORMAT = "twofold.machine"
VERSION = 1
SUFFIX = ".machine.json"
BOARD = "u250"
"""Board of a machine if none is given."""
FILE_BYTES_MAX = 1 << 20
NUMBER_MAX = 1 << 20
"""Largest number allowed in a file: more than any engine can address."""

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
_KEYS = ("format", "version", "name", "board", "network", "folding", "fingerprint")


@dataclass(frozen=True)
class Machine:
    """Hardware for one network description.

    Parameters
    ----------
    name: slug for file names and reports, as in ``gsc-fast-full``.
    network: description of the network that it is built for.
    folding: how much of it is built; includes the input bytes taken per cycle, and the frames.
    board: slug of the target board; see `twofold.hw.boards`.

    Raises
    ------
    MachineError: a name is not a slug.
    FoldingError: the folding does not fit the network; the message names the layer and the rule.
    """

    name: str
    network: Network
    folding: Folding
    board: str = BOARD

    def __post_init__(self) -> None:
        for what, value in (("name", self.name), ("board", self.board)):
            _require(
                _SLUG.fullmatch(value) is not None,
                f"{what} is {value[:80]!r}, needs 1..80 letters, digits, '-', '_' or '.'",
            )
        _ = self.plans

    def __repr__(self) -> str:
        cycles = max(plan.cycles for plan in self.plans)
        return f"<Machine {self.name}: {len(self.plans)} layers, {cycles:,} cycles a sample>"

    def _repr_html_(self) -> str:
        rows = (
            [*structure(plan.stage), plan.folding.text(), f"{plan.multipliers:,}",
             f"{plan.cycles:,}"]
            for plan in self.plans
        )  # fmt: skip
        headings = (*STRUCTURE, "folding", "multipliers", "cycles")
        return page(repr(self)[1:-1], chain(self.network), headings, rows)

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """Plan of every layer."""
        return plans(self.network, self.folding)

    @cached_property
    def fingerprint(self) -> bytes:
        """Identity of the hardware, 32 bytes; see `twofold.hw.contract.fingerprint`."""
        return fingerprint(self.network, self.folding)

    @property
    def slug(self) -> str:
        """Name, board unless it is the default, and the beginning of the fingerprint."""
        board = "" if self.board == BOARD else f"-{self.board}"
        return f"{self.name}{board}-{self.fingerprint.hex()[:8]}"

    def computes(self, network: Network) -> bool:
        """Whether the machine computes ``network``: only names and labels may differ."""
        return next(_differences(self.network, network), None) is None

    def check_network(self, network: Network) -> None:
        """Raise MachineError, naming layer and rule, unless the machine computes ``network``.

        Only names and labels may differ.
        """
        found = list(_differences(self.network, network))
        if found:
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            raise MachineError(
                f"{network.name} does not fit the machine {self.name}: {found[0]}{more}; choose "
                "another machine, or solve one with `twofold solve`"
            )

    def to_json(self) -> dict[str, Any]:
        """Plain, ordered representation; `machine_from_json` reads it back."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "name": self.name,
            "board": self.board,
            "network": self.network.to_json(),
            "folding": self.folding.to_json(),
            "fingerprint": self.fingerprint.hex(),
        }

    def to_text(self) -> str:
        """Content of the machine file."""
        return _text(self.to_json())

    def save(self, path: str | Path) -> None:
        """Write the file atomically. Raises MachineError if it cannot be written."""
        path = Path(path)
        try:
            write_text(path, self.to_text())
        except FileError as error:
            raise MachineError(str(error)) from error

    @staticmethod
    def load(path: str | Path) -> "Machine":
        """Read what `save` wrote; untrusted input. Raises MachineError naming the file."""
        path = Path(path)
        try:
            return machine_from_json(_tree(read_bytes(path, FILE_BYTES_MAX)))
        except FileError as error:
            raise MachineError(str(error)) from error
        except TwofoldError as error:
            raise MachineError(f"{path}: {error}") from error


def machine_from_json(tree: Any) -> Machine:
    """Read back what `Machine.to_json` wrote; untrusted input.

    Raises MachineError if a key is missing or unknown, a value has the wrong type or is out of
    range, the version is not supported, the folding does not fit, or the fingerprint does not match
    the content.
    """
    _require(isinstance(tree, dict), "is no machine file: not a JSON object")
    found = tree.get("format")
    _require(found == FORMAT, f"is no machine file: format is {found!r:.60}, needs {FORMAT!r}")
    version = tree.get("version")
    _require(
        type(version) is int and version == VERSION,
        f"format version is {version!r:.60}, this program reads {VERSION}",
    )
    _same_keys("machine file", tree, _KEYS)
    for value in _leaves(tree):
        _check_leaf(value)
    _require(
        all(isinstance(tree[key], str) for key in ("name", "board", "fingerprint")),
        "name, board and fingerprint must be strings",
    )
    _same_keys("folding", tree["folding"], ("layers", "input_bytes", "frames"))
    try:
        network = network_from_json(tree["network"])
        _same_keys("network", tree["network"], network.to_json())
        machine = Machine(tree["name"], network, folding_from_json(tree["folding"]), tree["board"])
    except MachineError:
        raise
    except TwofoldError as error:
        raise MachineError(str(error)) from error
    _require(
        tree["fingerprint"] == machine.fingerprint.hex(),
        f"fingerprint is {tree['fingerprint'][:12]!r}, its content has "
        f"{machine.fingerprint.hex()[:12]!r}; solve it again",
    )
    return machine


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise MachineError(message)


def _same_keys(what: str, tree: Any, expected: Iterable[str]) -> None:
    _require(isinstance(tree, dict), f"{what} is not an object")
    expected = list(expected)
    missing = [key for key in expected if key not in tree]
    unknown = sorted(key for key in tree if key not in expected)
    _require(not missing, f"{what} has no {', '.join(missing)}")
    _require(not unknown, f"{what} has an unknown key {', '.join(unknown)[:80]!r}")


def _leaves(tree: Any) -> Iterator[Any]:
    if isinstance(tree, dict):
        for value in tree.values():
            yield from _leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _leaves(value)
    else:
        yield tree


def _check_leaf(value: Any) -> None:
    _require(
        value is None or isinstance(value, bool | int | str),
        f"{value!r} is neither an integer nor a string",
    )
    if type(value) is int:
        _require(0 <= value <= NUMBER_MAX, f"a number is {_short(value)}, needs 0..{NUMBER_MAX}")
    if isinstance(value, str):
        _require(len(value) <= 80, f"a string has {len(value)} characters, at most 80")


def _short(value: int) -> str:
    return f"{value}" if abs(value) < 1 << 60 else f"of {value.bit_length()} bits"


def _tree(content: bytes) -> Any:
    try:
        return json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise MachineError(f"is no machine file: not JSON ({str(error)[:80]})") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    tree = dict(pairs)
    if len(tree) != len(pairs):
        raise ValueError("an object has a duplicate key")
    return tree


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _text(tree: dict[str, Any]) -> str:
    """JSON with lists of numbers on one line."""
    text = json.dumps(tree, indent=1)
    return re.sub(r"\[[\s\d,]*\]", lambda found: " ".join(found[0].split()), text) + "\n"


_PHRASES = {
    "out_channels": "{} kernels",
    "out_features": "{} units",
    "kernel": "a window of {}",
    "stride": "stride {}",
    "padding": "padding {}",
    "pool": "a pooling window of {}",
    "k": "{} winners",
    "input_shape": "an image of {}",
    "zero_point": "zero point {}",
}
"""How a field of a description is worded in messages; without an entry, by its name."""


def _differences(machine: Network, network: Network) -> Iterator[str]:
    """What prevents ``network`` from running on hardware for ``machine``, one rule at a time."""
    ours, theirs = machine.to_json(), network.to_json()
    for key, value in ours.items():
        if key not in ("name", "labels", "layers") and value != theirs.get(key):
            yield _difference("input", key, value, theirs.get(key))
    layers, others = ours["layers"], theirs["layers"]
    if len(layers) != len(others):
        yield f"machine has {len(layers)} layers, the network {len(others)}"
    for stage, layer, other in zip(machine.stages, layers, others, strict=False):
        if layer["kind"] != other["kind"]:
            yield f"{stage.name}: machine has a {layer['kind']}, the network a {other['kind']}"
            continue
        for key in layer:
            if layer[key] != other.get(key):
                yield _difference(stage.name, key, layer[key], other.get(key))


def _difference(place: str, key: str, ours: Any, theirs: Any) -> str:
    first, second = _phrase(key, ours), _phrase(key, theirs)
    if first == second:
        return f"{place}: machine has {first}, the network others"
    return f"{place}: machine has {first}, the network {second}"


def _phrase(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return key if value else f"no {key}"
    if key == "sparsity" and isinstance(value, dict):
        return _sparsity_phrase(value)
    if isinstance(value, list | tuple):
        value = " x ".join(map(str, value))
    return _PHRASES.get(key, f"{key} {{}}").format("all" if value is None else value)


def _sparsity_phrase(value: dict[str, Any]) -> str:
    kind = value["kind"]
    if kind == "Complementary":
        share = "" if value["fan_in"] is None else f", {value['fan_in']} weights a kernel"
        return f"{value['sets']} complementary sets{share}"
    if kind == "Taps":
        counts = value["counts"]
        return f"{min(counts)}..{max(counts)} taps a kernel"
    if kind == "Grouped":
        return f"{value['groups']} groups"
    return "dense weights" if kind == "Dense" else kind


__all__ = ["BOARD", "FORMAT", "SUFFIX", "VERSION", "Machine", "machine_from_json"]
