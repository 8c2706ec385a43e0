"""Servers in processes of their own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("websockets")

Start = Callable[..., "tuple[subprocess.Popen[str], str]"]


@pytest.fixture(scope="session")
def start() -> Iterator[Start]:
    """Start ``twofold serve`` with these options on a free port: its process and its address."""
    running: list[subprocess.Popen[str]] = []

    def begin(*options: str, **environment: str) -> tuple[subprocess.Popen[str], str]:
        command = [sys.executable, "-m", "twofold.sw.cli.main", "serve", "--device", "cpu"]
        process = subprocess.Popen(
            [*command, "--port", "0", *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment},
        )  # fmt: skip
        running.append(process)
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("http://127.0.0.1:"), process.stderr.read()
        return process, line.strip().removeprefix("http://").removesuffix("/v2")

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def served(start) -> str:
    """Address of a server with two networks."""
    return start("gsc-fast", "tiny-fast", "--body", "1")[1]
