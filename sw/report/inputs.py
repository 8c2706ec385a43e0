"""The results that other commands wrote to ``build/reports``, and which are missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twofold.hw.boards import DEFAULT, default, find, suffix
from twofold.hw.boards.board import Board
from twofold.hw.contract.errors import FileError
from twofold.hw.contract.files import read_json
from twofold.sw.bench.engines import GPU
from twofold.sw.errors import ArtefactError
from twofold.sw.report import forms

VARIANTS = ("dense", "sparse-dense", "accurate", "fast")
"""Variants of the machine, in the order of the figures."""
NAMES = {
    "dense": "dense",
    "sparse-dense": "sparse-dense",
    "accurate": "sparse-sparse, accurate",
    "fast": "sparse-sparse, fast",
}
DIGITS = ("dense", "accurate", "fast")
"""Variants that are compared on the published network's own task, ten digits."""
DIGITS_TASK = "digits10"
"""Name of that task in ``twofold train``, and the beginning of its networks' names."""
SPLITS = ("test", "val")
LIMIT = 1 << 26
"""Maximum size of a file that is read, in bytes."""


@dataclass(frozen=True)
class Inputs:
    """Results, as plain JSON values.

    Attributes
    ----------
    bench: from ``twofold bench``, or None.
    simulations: from ``twofold sim``, one per variant: the ``full`` folding, without mismatches,
        of the network whose speed and accuracy the timings are about.
    resources: from ``twofold resources``, by variant.
    net: the network they are about.
    card: from ``twofold time --json`` on a card, or None.
    board: the board that the machine is assumed to be on.
    digits: networks for ten digits, by variant: ``network``, ``digest``, and for ``test`` and
        ``val`` what ``twofold eval --json`` found; ``simulation``, from ``twofold sim``, or None.
    """

    bench: dict[str, Any] | None = None
    simulations: dict[str, dict[str, Any]] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    net: str = "gsc"
    card: dict[str, Any] | None = None
    board: Board = field(default_factory=default)
    digits: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Everything that was timed on the CPU."""
        return [row for row in self._timed if row["engine"] not in GPU]

    @property
    def gpu_rows(self) -> list[dict[str, Any]]:
        """Everything that was timed on a GPU, whose name is ``device``."""
        return [row for row in self._timed if row["engine"] in GPU]

    @property
    def _timed(self) -> list[dict[str, Any]]:
        rows = self.bench["rows"] if self.bench else []
        return [row for row in rows if row["samples_per_second"] is not None]

    def accuracy(self, network: str) -> dict[str, Any]:
        """``test`` and ``val`` of a network, as shares, and ``data``; None where not known."""
        known = (self.bench or {}).get("accuracies", {}).get(network)
        if known is None:
            stated = (tree.get("network_accuracy") for tree in self.simulations.values()
                      if tree.get("network") == network)  # fmt: skip
            known = next((one for one in stated if one), None)
        return {"test": None, "val": None, "data": "not known", **(known or {})}

    def missing(self, about: str = "") -> list[str]:
        """Missing results, with the commands that make them; only lines that contain ``about``."""
        found = [] if self.bench else ["no timings of the processor: run `twofold bench`"]
        for variant in VARIANTS:
            if variant not in self.simulations:
                found.append(
                    f"no RTL simulation of {NAMES[variant]} in folding full, without mismatches, "
                    "of the network that was timed: run "
                    f"`twofold sim --net {self.net} --variant {variant} --folding full "
                    "--samples 100`"
                )
            if variant not in self.resources:
                found.append(
                    f"no area of {NAMES[variant]}: run "
                    f"`twofold resources --net {self.net} --variant {variant}{self._board_option}`"
                )
        if self.net == "gsc" and not self.digits:
            found.append("no accuracy at ten digits: run `make digits`")
        if self.card is None:
            found.append(
                "no timings of a card: run `twofold time --json > build/reports/time.json` on a "
                "machine that has one"
            )
        return [line for line in found if about in line]

    @property
    def _board_option(self) -> str:
        return "" if self.board.name == DEFAULT else f" --board {self.board.name}"

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values for `from_json`, without the lists of parts and samples."""
        return {
            "net": self.net,
            "board": self.board.name,
            "card": self.card,
            "bench": self.bench,
            "simulations": {k: _without(v, "per_sample") for k, v in self.simulations.items()},
            "resources": {k: _without(v, "parts", "engines") for k, v in self.resources.items()},
            "digits": self.digits,
        }

    @staticmethod
    def from_json(tree: dict[str, Any]) -> "Inputs":
        """The inputs that `to_json` wrote."""
        return Inputs(
            tree["bench"],
            tree["simulations"],
            tree["resources"],
            tree["net"],
            tree["card"],
            find(tree.get("board", DEFAULT)),
            tree.get("digits", {}),
        )


def collect(folder: Path, net: str = "gsc", board: Board | None = None) -> Inputs:
    """Results about ``net`` in a folder of reports, for ``board`` or the default board.

    Raises ArtefactError for damaged files.
    """
    board = board or default()
    benches = [_formed(path, forms.BENCH) for path in sorted(folder.glob("bench*.json"))]
    benches = [tree for tree in benches if _is_bench(tree, net)]
    simulations = [
        _simulation(path, tree)
        for path in sorted(folder.glob("sim*.json"))
        if _is_simulation(tree := read(path), net)
    ]
    area = folder / f"resources{suffix(board)}.json"
    form = forms.fields({"variants": forms.named(forms.fields())})
    variants = _formed(area, form).get("variants") if area.exists() else None
    areas = _areas(variants or {}, net)
    for name, tree in areas.items():
        forms.AREA(tree, f"{area}: variants.{name}")
    bench = max(benches, key=lambda tree: str(tree.get("when")), default=None)
    return Inputs(
        bench=bench,
        simulations=_fastest([tree for tree in simulations if _same(tree, bench)]),
        resources=areas,
        net=net,
        card=_on_card(folder / "time.json", net),
        board=board,
        digits=_digits(folder) if net == "gsc" else {},
    )


def read(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ArtefactError."""
    try:
        tree = read_json(path, LIMIT)
    except FileError as error:
        raise ArtefactError(f"{error}; make it again") from error
    if not isinstance(tree, dict):
        raise ArtefactError(f"{path}: holds no JSON object; make it again")
    return tree


def _formed(path: Path, form: forms.Form) -> dict[str, Any]:
    """The object in a JSON file, of a form. Raises ArtefactError."""
    return _checked(path, read(path), form)


def _simulation(path: Path, tree: dict[str, Any]) -> dict[str, Any]:
    _checked(path, tree, forms.SIMULATION)
    return _checked(path, tree, forms.KNOWN) if tree.get("known") else tree


def _checked(path: Path, tree: dict[str, Any], form: forms.Form) -> dict[str, Any]:
    try:
        form(tree, "it")
    except ArtefactError as error:
        raise ArtefactError(f"{path}: {error}; make it again") from error
    return tree


def _on_card(path: Path, net: str) -> dict[str, Any] | None:
    """Timings of a card: only those with power, which software devices do not report."""
    tree = read(path) if path.exists() else {}
    same = str(tree.get("network", "")).startswith(f"{net}-")
    return _checked(path, tree, forms.CARD) if same and tree.get("watts") else None


_MEASURED = ("clips", "correct", "interval95", "per_class")
_SIMULATED = ("samples", "mismatches", "cycles_per_sample", "latency_cycles")


def _digits(folder: Path) -> dict[str, dict[str, Any]]:
    """Networks for ten digits that were evaluated on both splits; of a variant the best on val."""
    names = {f"{DIGITS_TASK}-{variant}": variant for variant in DIGITS}
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob("eval*.json")):
        tree = read(path)
        if str(tree.get("network")) not in names:
            continue
        if _is_evaluation(_checked(path, tree, forms.EVALUATION)):
            own = {"network": tree["network"], "digest": tree["digest"]}
            one = found.setdefault(tree["digest"], own)
            one[tree["split"]] = {name: tree[name] for name in _MEASURED}
    best: dict[str, dict[str, Any]] = {}
    for one in found.values():
        variant = names[one["network"]]
        known = best.get(variant)
        whole = all(split in one for split in SPLITS)
        if whole and (known is None or share(one["val"]) > share(known["val"])):
            best[variant] = one
    simulations = _of_digits(folder, set(names))
    return {
        variant: best[variant] | {"simulation": simulations.get(best[variant]["digest"])}
        for variant in DIGITS
        if variant in best
    }


def _is_evaluation(tree: dict[str, Any]) -> bool:
    """Whether it is of the clips of a whole split, and without mismatches."""
    split = tree["split"]
    whole = split in SPLITS and tree["source"].endswith(f", {split} split")
    counted = any(known["clips"] for known in tree["per_class"].values())
    return whole and counted and not tree["mismatches_vs_golden"]


def share(measured: dict[str, Any]) -> float:
    """Share of ``clips`` that are ``correct``; there is at least one clip."""
    return measured["correct"] / measured["clips"]


def _of_digits(folder: Path, names: set[str]) -> dict[str, dict[str, Any]]:
    """Sound simulations of networks with these names, by their digest; the fastest of each."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("sim*.json")):
        tree = read(path)
        if str(tree.get("network")) not in names:
            continue
        _checked(path, tree, forms.SIMULATED)
        if not tree.get("failures") and tree["mismatches"] == 0 and tree.get("network_accuracy"):
            found.setdefault(tree["network_accuracy"]["digest"], []).append(tree)
    return {
        digest: {name: min(trees, key=_rank)[name] for name in _SIMULATED}
        for digest, trees in found.items()
    }


def _without(tree: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in tree.items() if name not in names}


def _is_bench(tree: dict[str, Any], net: str) -> bool:
    """Whether it is about ``net``, with accuracies, which files of version 0.1 do not have."""
    if "accuracies" not in tree:
        return False
    networks = tree.get("networks", {}).values()
    return any(str(facts.get("network", "")).startswith(f"{net}-") for facts in networks)


def _is_simulation(tree: dict[str, Any], net: str) -> bool:
    """Whether it is a sound run of the machine that a card would hold."""
    sound = not tree.get("failures") and tree.get("mismatches") == 0
    full = tree.get("folding") == "full"
    return sound and full and tree.get("net") == net and tree.get("variant") in VARIANTS


def _same(simulation: dict[str, Any], bench: dict[str, Any] | None) -> bool:
    """Whether a simulation is of the very network that was timed, as far as both say so."""
    known = (bench or {}).get("accuracies", {}).get(simulation.get("network"))
    own = simulation.get("network_accuracy")
    return not (known and own) or known["digest"] == own["digest"]


def _fastest(simulations: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """For each variant, the machine with the fewest cycles; if equal, the one with most samples."""
    best: dict[str, dict[str, Any]] = {}
    for tree in simulations:
        known = best.get(tree["variant"])
        if known is None or _rank(tree) < _rank(known):
            best[tree["variant"]] = tree
    return best


def _rank(tree: dict[str, Any]) -> tuple[float, int]:
    return round(tree["cycles_per_sample"]), -tree["samples"]


def _areas(variants: dict[str, dict[str, Any]], net: str) -> dict[str, dict[str, Any]]:
    """For each variant of ``net``, the machine at full folding, else the largest."""
    best: dict[str, dict[str, Any]] = {}
    for tree in variants.values():
        name, _, variant = str(tree.get("network", "")).partition("-")
        if name != net or variant not in VARIANTS:
            continue
        known = best.get(variant)
        if known is None or _size(tree) > _size(known):
            best[variant] = tree
    return best


def _size(tree: dict[str, Any]) -> tuple[bool, float]:
    return tree.get("folding") == "full", tree.get("lut", 0)
