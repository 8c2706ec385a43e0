"""Test bench of the core, run by cocotb: every layer of every sample against the golden model.

The job (see `twofold.sim.testbenches.job`) specifies network, machine and samples. Inputs change
after the falling edge and outputs are sampled before the rising one, so a beat is transferred if
valid and ready are both seen high.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, ReadOnly

from twofold.hw.contract.files import appending
from twofold.hw.contract.folding import plans
from twofold.hw.contract.parameters import ParameterStatus
from twofold.hw.contract.results import result_row
from twofold.hw.engines.links import result_layout
from twofold.sim.compare import mismatches
from twofold.sim.rtl.beats import parameter_beats, pixel_beats, results_of, timeout
from twofold.sim.rtl.library import storage_bytes
from twofold.sim.rtl.probes import decode_probes
from twofold.sim.testbenches.job import VARIABLE, Finding, Job
from twofold.sw.golden.model import forward
from twofold.sw.pack.packer import pack

PERIOD_NS = 4
RESET_CYCLES = 4
QUIET_CYCLES = 50
STALL = 0.3
HEADER_BYTES = 64

Chance = Callable[[], bool]


def never() -> bool:
    """Never stall."""
    return False


@dataclass
class Source:
    """Beats for one of the core's inputs; once offered, a beat stays until it is taken."""

    beats: Iterator[int]
    idle: Chance = never
    beat: int | None = None
    sent: int = 0

    def offer(self, valid: Any, payload: Any) -> None:
        """Drive the input for the next cycle."""
        if self.beat is None and not self.idle():
            self.beat = next(self.beats, None)
            if self.beat is not None:
                payload.value = self.beat
        valid.value = int(self.beat is not None)

    def settle(self, ready: Any) -> bool:
        """Whether the beat was taken in this cycle."""
        taken = self.beat is not None and bool(ready.value)
        if taken:
            self.beat = None
            self.sent += 1
        return taken


@dataclass
class Observed:
    """What came out of the core: beats of results, and the cycle of each result's last beat."""

    started: list[int] = field(default_factory=list)
    finished: list[int] = field(default_factory=list)
    results: list[int] = field(default_factory=list)
    probes: list[list[int]] = field(default_factory=list)


class Bench:
    """The core with a driver on each of its streams.

    Parameters
    ----------
    dut: cocotb's handle of the top module.
    """

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.job = Job(Path(os.environ[VARIABLE]))
        self.network = self.job.quantized.network
        self.row = result_row(self.network)
        self.plans = plans(self.network, self.job.folding)
        self.golden = forward(self.job.quantized, self.job.inputs)
        self.timeout = timeout(self.network, self.job.folding)
        self.cycle = 0
        probes = range(len(self.plans) - 1)
        self._valids = [getattr(dut, f"probe_{index}__valid") for index in probes]
        self._payloads = [getattr(dut, f"probe_{index}__payload") for index in probes]

    async def start(self) -> None:
        """Clock and reset."""
        dut = self.dut
        cocotb.start_soon(Clock(dut.clk, PERIOD_NS, "ns").start())
        dut.parameters__valid.value = dut.i__valid.value = dut.o__ready.value = 0
        dut.rst.value = 1
        for _ in range(RESET_CYCLES):
            await self.tick()
        dut.rst.value = 0
        await self.tick()

    async def tick(self) -> None:
        """Advance to just after the next falling edge, where inputs may change."""
        await FallingEdge(self.dut.clk)
        self.cycle += 1

    async def load(self, image: bytes) -> ParameterStatus:
        """Send an image, valid or not, and return the status once the loader has finished."""
        dut = self.dut
        beats = parameter_beats(image, storage_bytes(len(dut.parameters__payload)))
        source = Source(iter(int.from_bytes(beat.tobytes(), "little") for beat in beats))
        quiet = self.timeout
        while source.sent < len(beats):
            source.offer(dut.parameters__valid, dut.parameters__payload)
            await ReadOnly()
            quiet = self.timeout if source.settle(dut.parameters__ready) else quiet - 1
            assert quiet, f"the loader stops after {source.sent} of {len(beats)} words"
            await self.tick()
        dut.parameters__valid.value = 0
        while True:
            await ReadOnly()
            busy, status = int(dut.busy.value), int(dut.status.value)
            await self.tick()
            if not busy:
                return ParameterStatus(status)
            quiet -= 1
            assert quiet, "the loader stays busy"

    async def exchange(self, idle: Chance = never, stall: Chance = never) -> Observed:
        """Send all samples and take all results; fails on a timeout without any transfer."""
        dut, samples = self.dut, len(self.job.inputs)
        size = storage_bytes(len(dut.i__payload))
        beats, per_sample = pixel_beats(self.job.inputs, self.job.folding.input_bytes, size)
        source = Source((int.from_bytes(beat.tobytes(), "little") for beat in beats), idle)
        seen = Observed(probes=[[] for _ in self._valids])
        quiet = self.timeout
        while len(seen.finished) < samples:
            source.offer(dut.i__valid, dut.i__payload)
            ready = not stall()
            dut.o__ready.value = int(ready)
            await ReadOnly()
            moved = source.settle(dut.i__ready)
            if moved and source.sent % per_sample == 1 % per_sample:
                seen.started.append(self.cycle)
            if ready and dut.o__valid.value:
                seen.results.append(int(dut.o__payload.value))
                moved = True
                if len(seen.results) % self.row.beats == 0:
                    seen.finished.append(self.cycle)
                    self._report()
            self._observe(seen)
            quiet = self.timeout if moved else quiet - 1
            assert quiet, (
                f"no transfer for {self.timeout} cycles: {len(seen.finished)} of {samples}"
            )
            await self.tick()
        await self._quiet(seen)
        return seen

    async def _quiet(self, seen: Observed) -> None:
        """Check that nothing comes after the last result."""
        self.dut.i__valid.value = 0
        self.dut.o__ready.value = 1
        for _ in range(QUIET_CYCLES):
            await ReadOnly()
            assert not self.dut.o__valid.value, "one result too many"
            self._observe(seen)
            await self.tick()
        self.dut.o__ready.value = 0

    def _observe(self, seen: Observed) -> None:
        for valid, payload, beats in zip(self._valids, self._payloads, seen.probes, strict=True):
            if valid.value:
                beats.append(int(payload.value))

    def _report(self) -> None:
        with appending(self.job.progress) as file:
            file.write(b".")

    def check(self, name: str, seen: Observed) -> None:
        """Write the findings of every sample, then fail on the first layer that differs."""
        findings = self._findings(seen)
        self.job.write(name, findings)
        for sample, finding in enumerate(findings):
            wrong = {layer: count for layer, count in finding.mismatches.items() if count}
            assert not wrong, f"sample {sample} differs from the golden model in {wrong}"
            expected = None if self.golden.labels is None else self.golden.labels[sample]
            assert finding.label == expected, f"sample {sample}: label {finding.label}"

    def _findings(self, seen: Observed) -> list[Finding]:
        results = _as_bytes(seen.results, result_layout(self.row).size)
        logits, labels = results_of(results, self.row)
        beats = [
            _as_bytes(beats, len(payload))
            for beats, payload in zip(seen.probes, self._payloads, strict=True)
        ]
        layers = [*decode_probes(self.plans, beats), logits]
        wrong = mismatches(self.plans, layers, self.golden)
        return [
            Finding(
                label=None if labels is None else int(labels[sample]),
                logits=logits[sample].tolist(),
                started=seen.started[sample],
                finished=seen.finished[sample],
                mismatches={name: int(counts[sample]) for name, counts in wrong.items()},
            )
            for sample in range(len(seen.finished))
        ]


def _as_bytes(beats: list[int], bits: int) -> np.ndarray:
    size = -(-bits // 8)
    whole = b"".join(beat.to_bytes(size, "little") for beat in beats)
    return np.frombuffer(whole, np.uint8).reshape(-1, size)


@cocotb.test()
async def damaged_image(dut: Any) -> None:
    """Without a valid image no sample is taken; a truncated one is reported as such."""
    bench = Bench(dut)
    await bench.start()
    image = pack(bench.job.quantized, bench.job.folding)
    status = await bench.load(image[:HEADER_BYTES])
    assert status == ParameterStatus.BAD_LENGTH, f"status is {status.name}"
    dut.i__valid.value = 1
    for _ in range(QUIET_CYCLES):
        await ReadOnly()
        assert not dut.i__ready.value, "a sample was taken without a good image"
        await bench.tick()
    dut.i__valid.value = 0


@cocotb.test()
async def back_to_back(dut: Any) -> None:
    """Samples without gaps, results taken immediately."""
    bench = Bench(dut)
    await bench.start()
    status = await bench.load(pack(bench.job.quantized, bench.job.folding))
    assert status == ParameterStatus.OK, f"status is {status.name}"
    bench.check("back_to_back", await bench.exchange())


@cocotb.test()
async def under_stalls(dut: Any) -> None:
    """The same samples with random gaps in the input and random stalls of the results."""
    bench = Bench(dut)
    cocotb.start_soon(Clock(dut.clk, PERIOD_NS, "ns").start())
    await bench.tick()
    assert int(dut.status.value) == ParameterStatus.OK, "the image of the test before is gone"
    chance = random.Random(bench.job.seed).random
    seen = await bench.exchange(lambda: chance() < STALL, lambda: chance() < STALL)
    bench.check("under_stalls", seen)
