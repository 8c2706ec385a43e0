"""The parent's side of an engine's process: sends requests, waits, and restarts it if it dies."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, Any

import twofold.sw
from twofold.hw.contract.files import appending

ROOT = Path(next(iter(twofold.sw.__path__))).parent
"""Folder of the package's sources, wherever it is installed."""
START = """
import runpy, sys, types
package = types.ModuleType("twofold")
package.__path__ = [sys.argv.pop(1)]
sys.modules["twofold"] = package
runpy.run_module("twofold.sw.bench.worker", run_name="__main__", alter_sys=True)
"""
"""Starts a worker under any interpreter, even one without this package installed."""


START_SECONDS = 300


class DiedError(Exception):
    """The process died or timed out on the current request."""


class EngineProcess:
    """A running `twofold.sw.bench.worker`. Use as a context manager.

    Parameters
    ----------
    name: module of `twofold.sw.bench.engines`.
    python: interpreter of the environment that has the engine.
    log: file for whatever the engine prints.

    Attributes
    ----------
    version: of the engine; None if it cannot be used.
    device: name of the GPU that it runs on; None on the processor, and if it cannot be used.
    missing: why it cannot be used, otherwise empty.
    """

    def __init__(self, name: str, log: Path, python: str = sys.executable) -> None:
        self.name = name
        self.version: str | None = None
        self.device: str | None = None
        self.missing = ""
        self._command = [python, "-c", START, str(ROOT), name]
        self._log = log
        self._loads: dict[int, dict[str, Any]] = {}
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread()
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def __enter__(self) -> "EngineProcess":
        try:
            found = self._start()
        except DiedError as error:
            self.missing = f"does not start: {error}"
            return self
        self.version, self.device = found.get("version"), found.get("device")
        self.missing = found.get("refused", "")
        if "missing" in found:
            self.missing = f"not installed (needs the Python package {found['missing']!r})"
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    @property
    def pid(self) -> int:
        """PID of the current process. Raises DiedError if there is none."""
        if self._process is None:
            raise DiedError("not running")
        return self._process.pid

    def load(self, key: int, job: dict[str, Any], inputs: Path, timeout: float) -> dict[str, Any]:
        """Answer to ``load``. Raises DiedError, after restarting and reloading all earlier jobs."""
        request = {"do": "load", "id": key, "job": job, "inputs": str(inputs)}
        answer = self._ask(request, timeout)
        if "logits" in answer:
            self._loads[key] = request
        return answer

    def repeat(self, key: int, seconds: float, timeout: float) -> dict[str, Any]:
        """Answer to ``repeat``. Raises DiedError, after restarting and reloading all other jobs."""
        request = self._loads.pop(key)
        answer = self._ask({"do": "repeat", "id": key, "seconds": seconds}, timeout)
        self._loads[key] = request
        return answer

    def drop(self, key: int) -> None:
        """Unload a job."""
        if self._loads.pop(key, None) is not None:
            self._ask({"do": "drop", "id": key}, 60)

    def _ask(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        try:
            return self._exchange(request, timeout)
        except DiedError:
            self._stop()
            self._start()
            for known in self._loads.values():
                self._exchange(known, timeout)
            raise

    def _start(self) -> dict[str, Any]:
        with appending(self._log) as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._lines = queue.SimpleQueue()
        self._reader = threading.Thread(
            target=_forward, args=(self._process.stdout, self._lines), daemon=True
        )
        self._reader.start()
        return self._exchange({"do": "start"}, START_SECONDS)

    def _exchange(self, request: dict[str, Any], timeout: float) -> dict[str, Any]:
        process = self._process
        if process is None or process.stdin is None:
            raise DiedError("not running")
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = self._lines.get(timeout=timeout)
        except OSError:
            line = ""
        except queue.Empty:
            raise DiedError(f"no answer within {timeout:.0f} s") from None
        if not line:
            status = process.wait()
            how = f"signal {-status}" if status < 0 else f"exit code {status}"
            raise DiedError(f"its process ended with {how}; {self._log.name} has its last words")
        return json.loads(line)

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # including the engine's children
        process.wait()
        self._reader.join()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # unflushed output has no reader
                if pipe is not None:
                    pipe.close()


def _forward(source: IO[str], lines: "queue.SimpleQueue[str]") -> None:
    """Put every line into the queue, and an empty one at the end."""
    for line in source:
        lines.put(line)
    lines.put("")
