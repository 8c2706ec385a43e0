"""``twofold unisim``: cells, and a machine made of them, with the vendor's simulation models."""

import argparse
import json
from dataclasses import asdict

from twofold.sw import ranges
from twofold.sw.cli.options import (
    EXIT_MISMATCH,
    add_build,
    add_json,
    add_machine,
    machine_for,
    quantized,
)

HELP = "run cells and a machine made of them with the vendor's simulation models of the cells"
SAMPLES, CYCLES = 8, 40_000
SEED = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold unisim``."""
    add_machine(parser, net="tiny")
    parser.add_argument(
        "--samples",
        type=ranges.SAMPLES,
        default=SAMPLES,
        help="random samples for the machine (%(default)s)",
    )
    parser.add_argument(
        "--cycles",
        type=ranges.CYCLES,
        default=CYCLES,
        help="of each comparison of a cell (%(default)s)",
    )
    add_build(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Compare and print; returns 1 if anything differs. The models are those in the folder that
    ``TWOFOLD_UNISIM`` names, or of the Vivado that ``XILINX_VIVADO`` does.

    Raises ToolError if there are none, and what building raises.
    """
    from rich.console import Console

    from twofold.sim.unisim.cells import run_cells
    from twofold.sim.unisim.machines import run_machine
    from twofold.sim.unisim.models import find_models
    from twofold.sim.workloads.random_network import random_inputs
    from twofold.sw.cli.progress import Steps

    models = find_models()
    network = quantized(args)
    machine = machine_for(args, network.network)
    inputs = random_inputs(network.network, args.samples, SEED)
    with Steps(Console(stderr=True)) as steps:
        cells = list(run_cells(models, args.build, args.cycles, steps))
        whole = run_machine(network, machine.folding, inputs, models, args.build, steps)
    if args.json:
        tree = {"models": str(models.folder), "cells": [asdict(one) for one in cells]}
        named = {"name": machine.name, "fingerprint": machine.fingerprint.hex()}
        print(json.dumps(tree | {"machine": named | asdict(whole)}))
    else:
        for one in cells:
            print(f"{one.name:14} {one.cell:9} {one.mismatches} of {one.compared:,} cycles differ")
        made = ", ".join(f"{count} {cell}" for cell, count in whole.cells.items() if count)
        print(
            f"{machine.name}: {whole.mismatches} of {whole.samples} samples differ, "
            f"{whole.cycles_per_sample} cycles a sample; in its Verilog, each tile once: {made}"
        )
    return 0 if whole.passed and all(one.passed for one in cells) else EXIT_MISMATCH
