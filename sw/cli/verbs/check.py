"""``twofold check``: self-test of a device, with its transfer and launch rates."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twofold.sw import ranges
from twofold.sw.cli.device import add_device, opened
from twofold.sw.cli.options import quantized

if TYPE_CHECKING:
    from twofold.sw.driver import Accelerator

HELP = "test a device: transfer rates, launch rate, and samples against the golden model"
TRANSFER_BYTES = 64 << 20
REPEATS = 7
SAMPLES, TARGET = 4096, 2.0
SEED = 11


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold check``."""
    add_device(parser)
    parser.add_argument(
        "--samples", type=ranges.SAMPLES, help="of the self-test (default: about 2 s of them)"
    )


def run(args: argparse.Namespace) -> int:
    """Test and print; returns 1 if a sample differs. Raises what the device raises."""
    from twofold.sw.driver.opening import available

    network = quantized(args)
    reference = "golden" if "golden" in available() else "cpu"
    with opened(args, network) as (accelerator, reason):
        figures = _rates(accelerator)
        figures["reason"] = reason
        with opened(args, network, reference) as (other, _):
            figures |= _self_test(accelerator, other, args.samples)
    figures |= {"network": network.network.name, "reference": reference}
    if args.json:
        print(json.dumps(figures))
    else:
        _show(figures)
    return 1 if figures["mismatches"] else 0


def _rates(accelerator: "Accelerator") -> dict[str, Any]:
    """Launch rate, and transfer rates for devices on a bus."""
    from twofold.sw.driver.measure import launch_seconds, transfer_rates
    from twofold.sw.xrt.library import RUNTIMES

    rates = {}
    if accelerator.devices[0].name.partition(":")[0] in RUNTIMES:
        rates = transfer_rates(accelerator, TRANSFER_BYTES, REPEATS)
    launch = launch_seconds(accelerator)
    return {
        "devices": [device.name for device in accelerator.devices],
        "units": accelerator.units,
        "fingerprint": accelerator.machine.fingerprint.hex(),
        "transfer_bytes": TRANSFER_BYTES,
        "megabytes_per_second": {which: asdict(rate) for which, rate in rates.items()},
        "launch_seconds": asdict(launch),
        "launches_per_second": round(1 / launch.median, 1),
    }


def _self_test(
    accelerator: "Accelerator", reference: "Accelerator", samples: int | None
) -> dict[str, Any]:
    """Compare the device with the reference on random samples."""
    import numpy as np

    from twofold.sw.driver.measure import fitting_samples, random_samples

    count = samples or min(
        fitting_samples(one, SAMPLES, TARGET) for one in (accelerator, reference)
    )
    inputs = random_samples(accelerator, count, SEED)
    ticket = accelerator.submit(inputs)
    expected, labels = reference.infer(inputs)
    found, found_labels = accelerator.result(ticket)
    wrong = (found != expected).any(axis=1)
    if labels is not None:
        wrong |= found_labels != labels
    failures = sum(unit["failures"] for unit in accelerator.counters().values())
    return {
        "samples": count,
        "mismatches": int(np.count_nonzero(wrong)),
        "failed_runs": failures,
    }


def _show(figures: dict[str, Any]) -> None:
    launch = figures["launch_seconds"]["median"]
    machine = figures["fingerprint"][:12]
    lines = {
        "device": f"{', '.join(figures['devices'])}: {figures['reason']}",
        "machine": f"{figures['network']}, {machine}, units: {figures['units']}",
    }
    for name, rate in figures["megabytes_per_second"].items():
        lines[name.replace("_", " ")] = f"{rate['median']:,.0f} MB/s"
    lines |= {
        "launch": f"{1e6 * launch:,.1f} us for a run of one sample",
        "self-test": f"{figures['mismatches']} of {figures['samples']} samples differ from "
        f"{figures['reference']}",
        "failed runs": str(figures["failed_runs"]),
    }
    for name, text in lines.items():
        print(f"{name:12} {text}")
