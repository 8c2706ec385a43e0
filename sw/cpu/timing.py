"""Speed of the CPU engine: ``python -m twofold.sw.cpu.timing --network FILE``.

Configurations are interleaved, so that noise affects all of them; each repeat calls the engine
repeatedly for a fraction of a second. A row holds the median and quartiles over the repeats, in
samples per second of wall-clock time, and the same per second of CPU time, which other programs on
the computer disturb less.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.files import reading
from twofold.sw import ranges
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.cpu.engine import MOST_THREADS, CpuEngine
from twofold.sw.cpu.library import available_isas
from twofold.sw.errors import ArtefactError


@dataclass(frozen=True)
class Row:
    """One configuration's result.

    Attributes
    ----------
    engine, network, isa, batch, threads: what was run.
    samples_per_second: median over the repeats, by wall-clock time.
    spread: lower and upper quartile of the same.
    samples_per_core_second: median over the repeats, by CPU time of all threads.
    best_per_core_second: the best repeat, by CPU time.
    logits_ok: whether the logits equal those of the portable kernels.
    """

    engine: str
    network: str
    isa: str
    batch: int
    threads: int
    samples_per_second: float
    spread: tuple[float, float]
    samples_per_core_second: float
    best_per_core_second: float
    logits_ok: bool


class Configuration:
    """An engine, the inputs of one call, and the repeats taken so far."""

    def __init__(
        self, quantized: QuantizedNetwork, inputs: np.ndarray, *, isa: str, threads: int
    ) -> None:
        self.engine = CpuEngine(quantized, threads, isa)
        self.inputs = inputs
        self.clock: list[float] = []
        self.core: list[float] = []

    def repeat(self, seconds: float) -> None:
        """Call the engine for about ``seconds`` after one warm-up call; record the rates."""
        self.engine.infer(self.inputs)
        calls = 0
        start, start_core = time.perf_counter(), time.process_time()
        while calls == 0 or time.perf_counter() - start < seconds:
            self.engine.infer(self.inputs)
            calls += 1
        samples = calls * len(self.inputs)
        self.clock.append(samples / (time.perf_counter() - start))
        self.core.append(samples / max(time.process_time() - start_core, 1e-9))

    def row(self, expected: np.ndarray) -> Row:
        """The result; ``expected`` holds the correct logits of at least as many inputs."""
        logits, _ = self.engine.infer(self.inputs)
        low, middle, high = (float(rate) for rate in np.percentile(self.clock, (25, 50, 75)))
        return Row(
            engine="twofold-cpu",
            network=self.engine.network.name,
            isa=self.engine.isa,
            batch=len(self.inputs),
            threads=self.engine.threads,
            samples_per_second=middle,
            spread=(low, high),
            samples_per_core_second=float(np.median(self.core)),
            best_per_core_second=max(self.core),
            logits_ok=bool(np.array_equal(logits, expected[: len(logits)])),
        )

    def layers(self, seconds: float) -> list[dict[str, object]]:
        """CPU time of each layer, in microseconds per sample, over about ``seconds``."""
        self.engine.time_layers()
        calls, start = 0, time.perf_counter()
        while calls == 0 or time.perf_counter() - start < seconds:
            self.engine.infer(self.inputs)
            calls += 1
        self.engine.time_layers(False)
        samples = calls * len(self.inputs)
        return [
            {
                "isa": self.engine.isa, "batch": len(self.inputs), "threads": self.engine.threads,
                "layer": layer.name, "kernel": layer.kernel,
                "microseconds": layer.seconds / samples * 1e6,
            }
            for layer in self.engine.layer_times()
        ]  # fmt: skip


_ROW_COLUMNS = {
    "isa": "isa",
    "batch": "batch",
    "threads": "threads",
    "samples_per_second": "samples/s",
    "spread": "quartiles",
    "samples_per_core_second": "/core s",
    "best_per_core_second": "best",
    "logits_ok": "exact",
}
_LAYER_COLUMNS = {
    name: name for name in ("isa", "batch", "threads", "layer", "kernel", "microseconds")
}


def random_inputs(quantized: QuantizedNetwork, count: int) -> np.ndarray:
    """Uniform noise of the network's input shape, with a fixed seed."""
    shape = (count, *quantized.network.input_shape)
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


def load_inputs(path: Path) -> np.ndarray:
    """Inputs from an ``.npy`` file. Raises ArtefactError."""
    try:
        with reading(path) as file:
            inputs = np.load(file, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ArtefactError(f"{path}: not an .npy file of inputs: {error}") from error
    if not isinstance(inputs, np.ndarray) or inputs.ndim < 3 or len(inputs) == 0:
        raise ArtefactError(f"{path}: needs uint8 inputs, [samples, channels, height, width]")
    return inputs


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m twofold.sw.cpu.timing", description=__doc__)
    parser.add_argument("--network", type=Path, required=True, help="quantized network (.npz)")
    parser.add_argument("--inputs", type=Path, help="uint8 inputs (.npy); noise without")
    batch = ranges.Listed(ranges.SAMPLES)
    parser.add_argument("--batch", type=batch, default=[1, 64, 1024], help="samples a call")
    threads = ranges.Listed(ranges.whole(1, MOST_THREADS))
    parser.add_argument("--threads", type=threads, default=[1], help="numbers of threads")
    parser.add_argument("--isa", help="instruction sets, or `all`; the fastest without")
    parser.add_argument(
        "--repeats", type=ranges.REPEATS, default=15, help="repeats of each configuration"
    )
    parser.add_argument("--seconds", type=ranges.SECONDS, default=0.1, help="length of a repeat")
    parser.add_argument("--layers", action="store_true", help="also the time of each layer")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    return parser.parse_args(argv)


def _isas(text: str | None) -> list[str]:
    if text == "all":
        return list(available_isas())
    return text.split(",") if text else [available_isas()[-1]]


def _table(title: str, columns: dict[str, str], rows: list[dict[str, object]]) -> Table:
    """``columns`` maps fields of the rows to headings."""
    table = Table(title=title)
    for heading in columns.values():
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    return table


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    if isinstance(value, tuple):
        return " .. ".join(_cell(part) for part in value)
    return str(value)


def run(args: argparse.Namespace) -> int:
    """Measure and print; exit code 1 if an instruction set gives other logits."""
    quantized = QuantizedNetwork.load(args.network)
    inputs = load_inputs(args.inputs) if args.inputs else random_inputs(quantized, max(args.batch))
    inputs = np.resize(inputs, (max(args.batch), *inputs.shape[1:]))
    with CpuEngine(quantized, isa="portable") as engine:
        expected, _ = engine.infer(inputs)
    configurations = [
        Configuration(quantized, inputs[:batch], isa=isa, threads=threads)
        for isa in _isas(args.isa)
        for batch in args.batch
        for threads in args.threads
    ]
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("measuring", total=args.repeats * len(configurations))
        for _ in range(args.repeats):
            for configuration in configurations:
                configuration.repeat(args.seconds)
                progress.advance(task)
    rows = [configuration.row(expected) for configuration in configurations]
    layers = [part for one in configurations for part in one.layers(args.seconds)]
    if args.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "layers": layers}, indent=1))
    else:
        console = Console(width=None if sys.stdout.isatty() else 100)
        title = f"twofold-cpu, {quantized.network.name}"
        console.print(_table(title, _ROW_COLUMNS, [asdict(row) for row in rows]))
        if args.layers:
            console.print(_table("processor time per sample", _LAYER_COLUMNS, layers))
    return 0 if all(row.logits_ok for row in rows) else 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run with ``argv``; an error prints one line to stderr and gives its exit code."""
    try:
        return run(_arguments(argv))
    except TwofoldError as error:
        print(f"timing: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
