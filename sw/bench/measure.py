"""Interleaved repeats of every engine in every configuration, and the resulting rows."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from twofold.sw.bench import machine
from twofold.sw.bench.accuracy import SPLITS
from twofold.sw.bench.engines import GPU
from twofold.sw.bench.job import Job
from twofold.sw.bench.process import DiedError, EngineProcess
from twofold.sw.bench.subjects import Subject

Report = Callable[[str, int, int], None]
"""Called with the progress of a step: its name, parts done, total parts."""

LIMITS = {"fp32": 1e-3, "fp16": 1.5e-3, "fp16 2:4": 1.5e-3, "int8": 1e-3, "winners": 5e-2}
"""Largest logit error that counts as correct. Winners among equal activations may differ.

With all values rounded to float16 and sums in float32, the networks that ship have errors of up to
7e-4. The limit is twice that, for convolutions that transform their inputs; with bfloat16 all
of these networks are beyond it.
"""
AGREEMENT = 0.97
"""Share of the samples whose label must be correct."""
EXACT = ("twofold",)
"""Engines that round exactly as the machine does."""


@dataclass(frozen=True)
class Settings:
    """How much to measure.

    Parameters
    ----------
    batches: samples per call that every engine is timed with.
    sweep: further batch sizes, of which each engine's best is timed too.
    threads: numbers of threads.
    rounds: repeats of each configuration.
    seconds: length of a repeat.
    tuning: trials for a self-tuning engine, per batch size.
    load_seconds, repeat_seconds: timeouts for an answer.
    """

    batches: tuple[int, ...]
    sweep: tuple[int, ...]
    threads: tuple[int, ...]
    rounds: int
    seconds: float
    tuning: int
    load_seconds: float = 1800
    repeat_seconds: float = 120


@dataclass
class Configuration:
    """An engine with a network, a batch size and a number of threads, and its results.

    Attributes
    ----------
    note: why it is not timed, otherwise empty.
    logits_ok: whether the logits are correct; None if there are none.
    logits_error: mean error in standard deviations of the correct logits.
    clock, core: samples per second of wall-clock time, and of CPU time, for each repeat.
    energy: joules per sample for each repeat, if the computer can measure it.
    """

    engine: EngineProcess
    subject: Subject
    precision: str
    batch: int
    threads: int
    key: int
    note: str = ""
    logits_ok: bool | None = None
    logits_error: float | None = None
    clock: list[float] = field(default_factory=list)
    core: list[float] = field(default_factory=list)
    energy: list[float] = field(default_factory=list)

    @property
    def timed(self) -> bool:
        """Whether it takes part in the rounds."""
        return not self.note

    def load(self, settings: Settings, cache: Path) -> None:
        """Load it into the engine and check the logits."""
        if self.engine.missing:
            self.note = self.engine.missing
            return
        subject = self.subject
        job = Job(
            network=subject.name,
            precision=self.precision,
            batch=self.batch,
            threads=self.threads,
            model=subject.models[self.precision],
            operators=subject.operators,
            artefact=subject.artefact,
            cache=cache,
            tuning=settings.tuning,
            winners=bool(subject.facts["winners"]),
        )
        inputs = subject.inputs[self.precision]
        try:
            answer = self.engine.load(self.key, job.to_json(), inputs, settings.load_seconds)
        except DiedError as error:
            self.note = str(error)
            return
        if "refused" in answer:
            self.note = answer["refused"]
            return
        self._check(np.array(answer["logits"]))

    def _check(self, found: np.ndarray) -> None:
        rounding = "exact" if self.engine.name in EXACT else self.precision
        right = self.subject.logits[rounding]
        self.logits_error, agreement = compare(found, right)
        limit = LIMITS["winners" if self.subject.facts["winners"] else self.precision]
        self.logits_ok = self.logits_error <= limit and agreement >= AGREEMENT
        if not self.logits_ok:
            allowed = f"{limit:.1e}".replace(".0e", "e")
            self.note = (
                f"wrong logits: error {self.logits_error:.1e} (limit {allowed}), "
                f"{100 * agreement:.0f} % of the labels"
            )
            self.engine.drop(self.key)

    def repeat(self, settings: Settings) -> None:
        """Measure one repeat."""
        before = machine.joules()
        try:
            answer = self.engine.repeat(self.key, settings.seconds, settings.repeat_seconds)
        except DiedError as error:
            self.note = str(error)
            return
        after = machine.joules()
        self.clock.append(answer["samples"] / answer["seconds"])
        self.core.append(answer["samples"] / max(answer["core_seconds"], 1e-9))
        if before is not None and after is not None and after > before:
            self.energy.append((after - before) / answer["samples"])

    def row(self) -> dict[str, Any]:
        """The result as plain JSON values."""
        row: dict[str, Any] = {
            "engine": self.engine.name,
            "version": self.engine.version,
            "precision": self.precision,
            "network": self.subject.facts["network"],
            "sparsity": self.subject.sparsity,
            "accuracy": {split: self.subject.facts["accuracy"][split] for split in SPLITS},
            "batch": self.batch,
            "threads": self.threads,
            "samples_per_second": None,
            "spread": None,
            "samples_per_core_second": None,
            "logits_ok": self.logits_ok,
            "logits_error": self.logits_error,
            "joules_per_sample": statistics.median(self.energy) if self.energy else None,
            "note": self.note,
        }
        if self.engine.name in GPU:
            # Neither threads, nor CPU time, nor the processor's energy say anything of a GPU.
            row |= {"threads": None, "joules_per_sample": None, "device": self.engine.device}
        if self.timed and self.clock:
            low, middle, high = (float(rate) for rate in np.percentile(self.clock, (25, 50, 75)))
            row["samples_per_second"] = round(middle, 1)
            row["spread"] = [round(low, 1), round(high, 1)]
            if self.engine.name not in GPU:
                row["samples_per_core_second"] = round(statistics.median(self.core), 1)
        return row


def compare(found: np.ndarray, right: np.ndarray) -> tuple[float, float]:
    """Mean error of logits in standard deviations of the correct ones, and share of equal labels.

    Logits of another shape, or that are not finite, have an infinite error.
    """
    if found.shape != right.shape or not np.isfinite(found).all():
        return float("inf"), 0.0
    error = float(np.abs(found - right).mean() / max(float(right.std()), 1e-9))
    return error, float((found.argmax(1) == right.argmax(1)).mean())


def measure(
    engines: Sequence[EngineProcess],
    subjects: Sequence[Subject],
    settings: Settings,
    cache: Path,
    report: Report,
) -> list[dict[str, Any]]:
    """Rows of every configuration."""
    keys = iter(range(1 << 30))
    cases = [
        (subject, precision, threads)
        for subject in subjects
        for precision in subject.precisions
        for threads in settings.threads
    ]

    def configurations(batches: Iterable[int]) -> list[Configuration]:
        """Configurations ordered with the engine varying fastest."""
        return [
            Configuration(engine, subject, precision, batch, threads, next(keys))
            for subject, precision, threads in cases
            for batch in batches
            for engine in engines
        ]

    regular = configurations(settings.batches)
    for done, one in enumerate(regular):
        report("prepare and check", done, len(regular))
        one.load(settings, cache)
    report("prepare and check", len(regular), len(regular))
    regular += _best(configurations(settings.sweep), settings, cache, report)
    _rounds(regular, settings, report)
    return [one.row() for one in regular]


def _best(
    swept: list[Configuration], settings: Settings, cache: Path, report: Report
) -> list[Configuration]:
    """The fastest of the configurations that differ only in the batch; the others are dropped."""
    best: dict[tuple[Any, ...], Configuration] = {}
    for done, one in enumerate(swept):
        report("find best batch", done, len(swept))
        one.load(settings, cache)
        if not one.timed:
            continue
        for _ in range(2):
            if one.timed:
                one.repeat(settings)
        key = one.engine.name, one.subject.name, one.precision, one.threads
        known = best.get(key)
        faster = one.timed and (known is None or max(one.clock) > max(known.clock))
        loser = known if faster else one
        if loser is not None:
            loser.engine.drop(loser.key)
        if faster:
            best[key] = one
    if swept:
        report("find best batch", len(swept), len(swept))
    for one in best.values():
        one.clock.clear()
        one.core.clear()
        one.energy.clear()
    return list(best.values())


def _rounds(configurations: list[Configuration], settings: Settings, report: Report) -> None:
    """Repeat all working configurations in turn, alternating forwards and backwards."""
    timed = [one for one in configurations if one.timed]
    total, done = settings.rounds * len(timed), 0
    for number in range(settings.rounds):
        for one in timed if number % 2 == 0 else reversed(timed):
            if one.timed:
                one.repeat(settings)
            done += 1
            report("measure", done, total)


def document(rows: list[dict[str, Any]], settings: Settings, **facts: Any) -> dict[str, Any]:
    """Content of ``bench.json``."""
    return {**facts, "settings": asdict(settings), "rows": rows}
