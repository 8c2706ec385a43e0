"""Rows of engines on a GPU, apart from those on the processor: other batches, no threads."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from twofold.sw.bench.gpu.driver import driver
from twofold.sw.bench.gpu.half import on_gpu
from twofold.sw.bench.measure import Report, Settings, measure
from twofold.sw.bench.process import EngineProcess
from twofold.sw.bench.subjects import Subject

BATCHES = (1, 64, 4096)
SWEEP = (16, 256, 1024)
"""Further batches, unless there is no sweep at all."""


def settings_on_gpu(settings: Settings) -> Settings:
    """How much to measure on a GPU where ``settings`` are those of the processor."""
    return replace(
        settings, batches=BATCHES, sweep=SWEEP if settings.sweep else (), threads=(1,), tuning=0
    )


def measure_gpu(
    engines: Sequence[EngineProcess],
    subjects: Sequence[Subject],
    settings: Settings,
    folder: Path,
    cache: Path,
    report: Report,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows of every configuration, and ``gpu`` for ``bench.json``; both empty without engines.

    ``settings`` are those of the processor; files of the networks go into ``folder``.
    """
    if not engines:
        return [], {}
    own = settings_on_gpu(settings)
    rows = measure(engines, [on_gpu(one, folder) for one in subjects], own, cache, report)
    found = driver()
    facts = {
        "cards": found.cards if found else [],
        "cuda": found.cuda if found else None,
        "settings": asdict(own),
    }
    return rows, {"gpu": facts}
