"""``twofold bench``: other engines and ours on this CPU, and engines on a GPU if there is one."""

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.hw.contract.presets import NETWORKS
from twofold.sw.bench.engines import ENGINES, GPU, PROCESSOR
from twofold.sw.cli.options import (
    NET,
    add_build,
    add_data,
    add_input,
    add_json,
    named_network,
    report_subject,
)
from twofold.sw.cli.unused import refuse
from twofold.sw.data.options import data_folder

if TYPE_CHECKING:
    from twofold.sw.bench.measure import Settings
    from twofold.sw.bench.process import EngineProcess
    from twofold.sw.bench.subjects import Subject
    from twofold.sw.cli.progress import Steps

HELP = "time networks on other engines and on ours: what this processor makes of sparsity"
LOG = "engines.log"
"""Log of what the engines print, in ``build/bench``."""


def engine_names(text: str) -> list[str]:
    """Parse a comma-separated list of engines."""
    names = text.split(",")
    unknown = sorted(set(names) - ENGINES.keys())
    if unknown:
        raise argparse.ArgumentTypeError(
            f"engine is {unknown[0]!r}, choose among {', '.join(ENGINES)}"
        )
    return names


def default_engines() -> list[str]:
    """All engines for the processor, and those for a GPU if there is one."""
    from twofold.sw.bench.gpu.driver import driver

    return [*PROCESSOR, *(GPU if driver() else ())]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold bench``."""
    parser.add_argument("--net", choices=NETWORKS, help=f"shipped networks (default: {NET})")
    parser.add_argument(
        "--network", metavar="NAME|FILE", help="this network (.npz, or one that ships) instead"
    )
    add_input(parser)
    parser.add_argument(
        "--quick", action="store_true", help="few short repeats, no sweep, no tuning; < 3 minutes"
    )
    parser.add_argument(
        "--engines", type=engine_names, help="some of them, with commas (default: all that can be)"
    )
    parser.add_argument(
        "--accept-deepsparse-licence",
        action="store_true",
        help="install and run DeepSparse, whose licence allows evaluation only",
    )
    add_data(parser)
    add_build(parser)
    add_json(parser)


def settings_of(quick: bool, cores: int) -> "Settings":
    """How much to measure on a computer with ``cores`` cores."""
    from twofold.sw.bench.measure import Settings

    threads = (1,) if cores == 1 else (1, cores)
    if quick:
        return Settings((1, 64), (), threads, rounds=3, seconds=0.1, tuning=0)
    return Settings((1, 64), (4, 16, 256), threads, rounds=11, seconds=0.3, tuning=192)


def run(args: argparse.Namespace) -> int:
    """Measure, write ``reports/bench.json`` and print it. Raises any TwofoldError."""
    from rich.console import Console

    from twofold.hw.contract.reports import write_report
    from twofold.sw.bench import machine
    from twofold.sw.bench.gpu.measure import measure_gpu
    from twofold.sw.bench.layers import layer_times
    from twofold.sw.bench.measure import document, measure
    from twofold.sw.bench.show import show
    from twofold.sw.cli.progress import Steps

    if args.network is None:
        refuse(args, "input", why="is for --network; those that ship have samples of their own")
    else:
        refuse(args, "net", why="names other networks; leave it out with --network")
    args.net = args.net or NET
    args.engines = args.engines or default_engines()
    begun, load = datetime.now(timezone.utc), machine.load()
    cache = (args.build / "bench").absolute()
    cache.mkdir(parents=True, exist_ok=True)
    interpreters = _interpreters(args, cache)
    settings = settings_of(args.quick, machine.describe()["cores"])
    with ExitStack() as stack:
        steps = stack.enter_context(Steps(Console(stderr=True)))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=cache, prefix=".run.")))
        steps("networks, samples", 0, 1)
        known = _accuracies(args, steps)
        subjects, source = _subjects(args, folder, known)
        steps("networks, samples", 1, 1)
        engines = _engines(args, cache, interpreters, stack)
        processor = [one for one in engines if one.name in PROCESSOR]
        rows = measure(processor, subjects, settings, cache, steps)
        beside = [one for one in engines if one.name in GPU]
        more, facts = measure_gpu(beside, subjects, settings, folder, cache, steps)
        layers = layer_times(subjects, settings.seconds) if "twofold" in args.engines else []
    report = document(
        rows + more,
        settings,
        **_circumstances(args, begun),
        load_before=load,
        samples=source,
        layers=layers,
        networks={subject.name: dict(subject.facts) for subject in subjects},
        accuracies=known,
        **facts,
    )
    subject = args.net if args.network is None else report_subject(args, subjects[0].name)
    path = write_report(args.build, "bench.json", subject, json.dumps(report, indent=1) + "\n")
    if args.json:
        print(json.dumps(report))
    else:
        show(report, Console(width=None if sys.stdout.isatty() else 100))
        print(f"written to {path}")
    return 0


def _circumstances(args: argparse.Namespace, begun: datetime) -> dict[str, Any]:
    """How, when and where the report was made."""
    from twofold.sw.bench import machine

    return {
        "command": _command(args),
        "when": begun.isoformat(timespec="seconds"),
        "minutes": round((datetime.now(timezone.utc) - begun).total_seconds() / 60, 1),
        "quick": args.quick,
        "machine": machine.describe(),
        "energy": "measured by RAPL" if machine.joules() is not None else "not measured: no RAPL",
    }


def _engines(
    args: argparse.Namespace, cache: Path, interpreters: dict[str, str], stack: ExitStack
) -> "list[EngineProcess]":
    """The engines, each in a process that ends with ``stack``; their output goes to a new log."""
    from twofold.sw.bench.process import EngineProcess

    log = cache / LOG
    log.unlink(missing_ok=True)
    engines = [
        stack.enter_context(EngineProcess(name, log, interpreters.get(name, sys.executable)))
        for name in args.engines
    ]
    for engine in engines:
        if engine.name == "deepsparse" and engine.name not in interpreters:
            engine.missing = "licence not accepted (--accept-deepsparse-licence)"
    return engines


def _accuracies(args: argparse.Namespace, steps: "Steps") -> dict[str, dict[str, Any]]:
    """Accuracy of each variant, or of the network given, on the same data."""
    from twofold.hw.contract.presets import VARIANTS
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.artefacts.shipped import shipped
    from twofold.sw.bench.accuracy import accuracies

    if args.network is None:
        paths = [shipped(args.net, variant) for variant in VARIANTS]
    else:
        paths = [named_network(args.network)]
    networks = [QuantizedNetwork.load(path) for path in paths]
    return accuracies(networks, data_folder(args.data), lambda *at: steps("accuracy", *at))


def _subjects(
    args: argparse.Namespace, folder: Path, known: dict[str, dict[str, Any]]
) -> "tuple[list[Subject], str]":
    """The networks under test and where the samples come from. Raises any TwofoldError."""
    from twofold.sw.artefacts import QuantizedNetwork
    from twofold.sw.artefacts.input import FIXED
    from twofold.sw.artefacts.shipped import shipped
    from twofold.sw.bench import subjects

    if args.network is None:
        front = QuantizedNetwork.load(shipped(args.net, "fast")).front_end
        inputs, source = subjects.samples(args.net, data_folder(args.data), front or FIXED)
        return subjects.prepare(args.net, inputs, folder, known), source
    import numpy as np

    from twofold.sw.inputs import read_inputs

    path = named_network(args.network)
    quantized = QuantizedNetwork.load(path)
    if args.input:
        inputs = read_inputs(quantized, args.input).complete().samples[: subjects.SAMPLES]
        source = ", ".join(map(str, args.input))
    else:
        shape = (subjects.SAMPLES, *quantized.network.input_shape)
        inputs, source = np.random.default_rng(1).integers(0, 256, shape, np.uint8), "noise"
    name = quantized.network.name
    return [subjects.subject_of(name, quantized, path.name, inputs, folder, known[name])], source


def _interpreters(args: argparse.Namespace, cache: Path) -> dict[str, str]:
    """Interpreter of each engine that has an environment of its own. Raises ToolError."""
    from twofold.sw.bench import environment

    if "deepsparse" not in args.engines or not _accepted(args):
        return {}
    found = environment.ready(cache)
    if found is None:
        print("installing DeepSparse into an environment of its own", file=sys.stderr)
        found = environment.create(cache)
    return {"deepsparse": str(found)}


def _accepted(args: argparse.Namespace) -> bool:
    from twofold.sw.bench.environment import LICENCE

    if args.accept_deepsparse_licence:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    print(LICENCE, file=sys.stderr)
    print("Install and run it for this evaluation? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _command(args: argparse.Namespace) -> str:
    """The command line that reproduces this report."""
    parts: list[Any] = ["twofold bench"]
    if args.network is not None:
        parts.append(f"--network {args.network}")
    elif args.net != NET:
        parts.append(f"--net {args.net}")
    if args.quick:
        parts.append("--quick")
    if args.engines != default_engines():
        parts.append(f"--engines {','.join(args.engines)}")
    if args.accept_deepsparse_licence:
        parts.append("--accept-deepsparse-licence")
    return " ".join(parts)
