"""Process of one engine: ``python -m twofold.sw.bench.worker ENGINE``.

Takes requests as lines of JSON on standard input and answers on standard output, one line each;
whatever the engine prints goes to standard error. Exits at end of input, and is killed when its
parent dies.

- ``{"do": "start"}``: ``{"version": ...}``, with ``device`` if it is a GPU; or
  ``{"missing": package}`` or ``{"refused": reason}``
- ``{"do": "load", "id": n, "job": {...}, "inputs": file}``: ``{"logits": [...]}`` of the inputs,
  or ``{"refused": reason}``
- ``{"do": "repeat", "id": n, "seconds": s}``: ``{"samples", "seconds", "core_seconds"}``
- ``{"do": "drop", "id": n}``: ``{}``
"""

import ctypes
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from twofold.sw.bench.job import Engine, Job, Placing, RefusedError, Run

PR_SET_PDEATHSIG = 1
WARM_UP = 20
"""Calls before anything is timed on a device, which picks its kernels and raises its clock."""


@dataclass(frozen=True)
class _Loaded:
    run: Run
    inputs: np.ndarray


class Worker:
    """An engine and its jobs."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._engine: Engine | None = None
        self._loaded: dict[int, _Loaded] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Carry out a request and return the answer."""
        match request["do"]:
            case "start":
                return self._start()
            case "load":
                return self._load(request)
            case "repeat":
                return _repeat(self._loaded[request["id"]], request["seconds"])
            case "drop":
                self._loaded.pop(request["id"], None)
                return {}
            case other:
                raise ValueError(f"request {other!r}")

    def _start(self) -> dict[str, Any]:
        try:
            found: Engine = importlib.import_module(
                f"twofold.sw.bench.engines.{self._name}"
            ).engine()
        except ModuleNotFoundError as error:
            return {"missing": error.name}
        except RefusedError as error:
            return {"refused": str(error)}
        self._engine = found
        device = getattr(found, "device", None)
        return {"version": found.version, **({"device": device} if device else {})}

    def _load(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._engine is None:
            raise ValueError("load before start")
        job = Job.from_json(request["job"])
        samples = np.load(request["inputs"], allow_pickle=False)
        inputs = np.ascontiguousarray(np.resize(samples, (job.batch, *samples.shape[1:])))
        try:
            run = self._engine.load(job)
            logits = np.concatenate([run(block).copy() for block in _blocks(samples, job.batch)])
            inputs = _placed(run, inputs)
        except RefusedError as error:
            return {"refused": str(error)}
        except Exception as error:  # an engine may raise anything; the next job may still work
            return {"refused": f"fails: {type(error).__name__}: {' '.join(str(error).split())}"}
        self._loaded[request["id"]] = _Loaded(run, inputs)
        return {"logits": logits[: len(samples)].astype(float).tolist()}


def _placed(run: Run, inputs: np.ndarray) -> np.ndarray:
    """Inputs where the device wants them, and the device warmed up; as they are without one."""
    if not isinstance(run, Placing):
        return inputs
    inputs = run.placed(inputs)
    for _ in range(WARM_UP):
        run(inputs)
    return inputs


def _blocks(samples: np.ndarray, batch: int) -> Iterator[np.ndarray]:
    """``samples`` in full batches; the last one is filled up from the start."""
    for at in range(0, len(samples), batch):
        yield np.ascontiguousarray(np.take(samples, range(at, at + batch), axis=0, mode="wrap"))


def _repeat(loaded: _Loaded, seconds: float) -> dict[str, Any]:
    """Call repeatedly for about ``seconds``, after one warm-up call."""
    run, inputs = loaded.run, loaded.inputs
    run(inputs)
    calls, start, start_core = 0, time.perf_counter(), time.process_time()
    while calls == 0 or time.perf_counter() - start < seconds:
        run(inputs)
        calls += 1
    taken, core = time.perf_counter() - start, time.process_time() - start_core
    return {"samples": calls * len(inputs), "seconds": taken, "core_seconds": core}


def main() -> int:
    """Serve requests until end of input."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    worker = Worker(sys.argv[1])
    for line in sys.stdin:
        answers.write(json.dumps(worker.answer(json.loads(line))) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
