"""``twofold time``: speed of a device, for the kernel alone and with transfers and launches."""

import argparse
import json
import threading
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.sw import ranges
from twofold.sw.cli.device import add_device, opened
from twofold.sw.cli.options import quantized

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twofold.sw.driver import Accelerator

    Samples = NDArray[np.uint8]

HELP = "measure a device: kernel alone, with transfers, launches, latency, and power where reported"
BATCH, RUN, TARGET = 65_536, 8192, 1.0
REPEATS = 15
LATENCIES = 300
PERCENTILES = (50, 90, 99, 99.9)
PERIOD = 0.1
"""Seconds between power readings."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of ``twofold time``."""
    add_device(parser)
    parser.add_argument(
        "--batch", type=ranges.SAMPLES,
        help=f"samples of a call (default: a second of them, up to {BATCH:,})",
    )  # fmt: skip
    parser.add_argument(
        "--input", type=Path, action="append", default=[], metavar="FILE",
        help="samples to measure with, repeated as often as a batch needs (default: noise)",
    )  # fmt: skip
    parser.add_argument(
        "--repeats", type=ranges.REPEATS, default=REPEATS, help="of each kind (%(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Measure and print. Raises what the device raises."""
    from twofold.sw.inputs import read_inputs

    network = quantized(args)
    samples = read_inputs(network, args.input).complete().samples if args.input else None
    with opened(args, network) as (accelerator, reason):
        figures = measure(accelerator, args.batch, args.repeats, samples)
    figures |= {"network": network.network.name, "reason": reason}
    if args.json:
        print(json.dumps(figures))
    else:
        _show(figures)
    return 0


def measure(
    accelerator: "Accelerator", batch: int | None, repeats: int, samples: "Samples | None" = None
) -> dict[str, Any]:
    """Medians and quartiles, each over ``repeats`` repeats after one warm-up.

    ``samples``, uint8 [n, channels, height, width], are repeated as often as needed; if None,
    random samples are sent.
    """
    from twofold.sw.driver.measure import fitting_samples

    batch = batch or fitting_samples(accelerator, BATCH, TARGET)
    figures: dict[str, Any] = {
        "devices": [device.name for device in accelerator.devices],
        "units": accelerator.units,
        "batch": batch,
        "repeats": repeats,
    }
    figures |= _kernel(accelerator, min(batch, RUN), repeats, samples)
    figures["replay"] = _replay(accelerator, samples)
    figures |= _batches(accelerator, batch, repeats, samples)
    figures["latency_seconds"] = _latency(accelerator, samples)
    return figures


def _kernel(
    accelerator: "Accelerator", count: int, repeats: int, samples: "Samples | None"
) -> dict[str, Any]:
    """Runs on one unit, with the samples kept on the card."""
    from twofold.sw.driver.measure import KernelTimer, Spread, launch_seconds, seconds

    timer = KernelTimer(accelerator, count, samples)
    try:
        many = Spread.of(count / seconds(lambda: timer.run(count), repeats))
    finally:
        timer.close()
    return {
        "kernel_samples": count,
        "kernel_samples_per_second": asdict(many),
        "launch_seconds": asdict(launch_seconds(accelerator, min(20 * repeats, LATENCIES))),
    }


def _replay(accelerator: "Accelerator", samples: "Samples | None") -> dict[str, Any] | None:
    """Samples that a board keeps, computed over and over: past the line, at the board's clock."""
    from twofold.sw.driver.replay import replayed

    found = replayed(accelerator, samples)
    if found is None:
        return None
    return asdict(found) | {"samples_per_second": found.samples_per_second}


def _batches(
    accelerator: "Accelerator", batch: int, repeats: int, samples: "Samples | None"
) -> dict[str, Any]:
    """Whole batches, both written in place and copied from an array."""
    from twofold.sw.driver.measure import Spread, samples_to_send, seconds

    inputs = samples_to_send(accelerator, batch, 1, samples)
    with accelerator.buffer(batch) as buffer, PowerMeter(accelerator) as meter:
        buffer.write(inputs)
        in_place = seconds(lambda: accelerator.infer(buffer), repeats)
    copied = seconds(lambda: accelerator.infer(inputs), repeats)
    rate = Spread.of(batch / in_place)
    return {
        "samples_per_second": asdict(rate),
        "samples_per_second_copied": asdict(Spread.of(batch / copied)),
        "watts": meter.watts,
        "samples_per_second_per_watt": rate.median / meter.watts if meter.watts else None,
    }


def _latency(accelerator: "Accelerator", samples: "Samples | None") -> dict[str, float]:
    """Latency of single samples, from the call to the result."""
    import numpy as np

    from twofold.sw.driver.measure import LIMIT, samples_to_send, seconds

    image = samples_to_send(accelerator, 1, 2, samples)
    times = seconds(lambda: accelerator.infer(image), LATENCIES, LIMIT)
    found = {f"p{share:g}": float(np.percentile(times, share)) for share in PERCENTILES}
    return found | {"max": float(times.max()), "samples": len(times)}


class PowerMeter:
    """Samples the power of all cards while something runs. Use as a context manager.

    Attributes
    ----------
    watts: mean of the sum over all cards; None unless the drivers report it for every device.
    """

    def __init__(self, accelerator: "Accelerator") -> None:
        addresses = [device.address for device in accelerator.devices]
        self._cards = [address for address in addresses if address is not None]
        self._known = len(self._cards) == len(addresses)
        self._seen: list[float] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PowerMeter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def watts(self) -> float | None:
        """Mean power in W."""
        return sum(self._seen) / len(self._seen) if self._seen else None

    def _watch(self) -> None:
        from twofold.sw.xrt.cards import power

        while self._known:
            found = [power(card) for card in self._cards]
            known = [watts for watts in found if watts is not None]
            if len(known) == len(self._cards):
                self._seen.append(sum(known))
            if self._stop.wait(PERIOD):
                return


def _show(figures: dict[str, Any]) -> None:
    watts = figures["watts"]
    lines = {
        "device": f"{', '.join(figures['devices'])}: {figures['reason']}",
        "network": f"{figures['network']}, units: {figures['units']}",
        "kernel alone": f"{_rate(figures['kernel_samples_per_second'])}, one unit, runs of "
        f"{figures['kernel_samples']:,} samples",
        **_replay_line(figures["replay"]),
        "launch": f"{1e6 * figures['launch_seconds']['median']:,.1f} us for a run of one sample",
        "with transfers": f"{_rate(figures['samples_per_second'])}, "
        f"batches of {figures['batch']:,}, written in place",
        "copied": f"{_rate(figures['samples_per_second_copied'])}, from an array",
        "latency": _percentiles(figures["latency_seconds"]),
        "power": "not reported"
        if watts is None
        else f"{watts:.1f} W, {figures['samples_per_second_per_watt']:,.0f} samples/s/W",
    }
    for name, text in lines.items():
        print(f"{name:15} {text}")


def _replay_line(found: dict[str, Any] | None) -> dict[str, str]:
    if found is None:
        return {}
    text = f"{found['samples_per_second']:,.0f} samples/s, {found['samples']:,} samples of "
    text += f"{found['cycles'] / found['samples']:,.1f} cycles at {found['clock_hz'] / 1e6:g} MHz"
    return {"past the line": text}


def _percentiles(latency: dict[str, float]) -> str:
    shares = ((name, seconds) for name, seconds in latency.items() if name != "samples")
    text = ", ".join(f"{name} {1e6 * seconds:,.1f} us" for name, seconds in shares)
    return f"{text}, of {latency['samples']:,} samples alone"


def _rate(spread: dict[str, float]) -> str:
    return f"{spread['median']:,.0f} samples/s ({spread['low']:,.0f} .. {spread['high']:,.0f})"
