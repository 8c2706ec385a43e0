"""No engine calls home or leaves an identity behind: imported where the network is blocked."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from twofold.sw.bench.engines import ENGINES
from twofold.sw.bench.privacy import SWITCHES

PACKAGES = {
    "onnxruntime": "onnxruntime", "openvino": "openvino", "tvm": "tvm", "deepsparse": "deepsparse",
    "pytorch": "torch", "litert": "ai_edge_litert", "onnxruntime_cuda": "onnxruntime",
    "onnxruntime_tensorrt": "onnxruntime", "pytorch_cuda": "torch",
}  # fmt: skip
ROOT = Path(__file__).parents[3]
WATCHER = """
import atexit, json, os, socket, sys

asked = []

def blocked(name):
    def call(*arguments, **_):
        with open(os.environ["ASKED"], "a") as file:
            file.write(json.dumps([name, repr(arguments)]) + chr(10))
        raise OSError("the network is blocked")
    return call

for name in ("connect", "connect_ex", "sendto"):
    setattr(socket.socket, name, blocked(name))
for name in ("getaddrinfo", "gethostbyname", "create_connection"):
    setattr(socket, name, blocked(name))
"""
CALLER = """
try:
    import openvino_telemetry
    from openvino_telemetry.backend import identity
except ImportError:
    pass
else:
    identity.report()
"""
REPORTER = """
import pathlib, socket

def report():
    folder = pathlib.Path.home() / "intel"
    folder.mkdir()
    (folder / "openvino_ga_cid").write_text("somebody")
    try:
        socket.create_connection(("www.example.org", 443))
    except OSError:
        pass
"""


def imported(code: str, tmp_path: Path, *places: Path) -> tuple[list[str], list[list[str]]]:
    """Files left in an empty home by Python code, and what it wanted of the network."""
    home, asked = tmp_path / "home", tmp_path / "asked"
    home.mkdir()
    asked.touch()
    (tmp_path / "watch").mkdir()
    (tmp_path / "watch" / "sitecustomize.py").write_text(WATCHER)
    path = os.pathsep.join(map(str, (tmp_path / "watch", ROOT, *places)))
    inherited = os.environ.get("PYTHONPATH")
    kept = {key: value for key, value in os.environ.items() if key not in (*SWITCHES, "CI")}
    variables = kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, (path, inherited))),
        "HOME": str(home),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "ASKED": str(asked),
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, timeout=300,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    left = sorted(str(file.relative_to(home)) for file in home.rglob("*"))
    return left, [json.loads(line) for line in asked.read_text().splitlines()]


@pytest.fixture
def reporting(tmp_path: Path) -> Path:
    """A folder with packages that do what OpenVINO and its reporter do when they are imported."""
    folder = tmp_path / "packages"
    reporter = folder / "openvino_telemetry" / "backend"
    reporter.mkdir(parents=True)
    (reporter.parent / "__init__.py").touch()
    (reporter / "__init__.py").touch()
    (reporter / "identity.py").write_text(REPORTER)
    (folder / "like_openvino.py").write_text(CALLER)
    return folder


def test_a_reporter_would_be_seen(tmp_path: Path, reporting: Path):
    left, asked = imported("import like_openvino", tmp_path, reporting)
    assert left == ["intel", "intel/openvino_ga_cid"]
    assert asked == [["create_connection", "(('www.example.org', 443),)"]]


def test_reports_are_off_behind_the_engines(tmp_path: Path, reporting: Path):
    code = (
        "import twofold.sw.bench.engines, like_openvino, os; "
        "print(os.environ['NM_DISABLE_ANALYTICS'])"
    )
    assert imported(code, tmp_path, reporting) == ([], [])


@pytest.mark.parametrize("name", sorted(PACKAGES.keys() & ENGINES.keys()))
def test_importing_an_engine_calls_nobody(tmp_path: Path, name: str):
    if importlib.util.find_spec(PACKAGES[name]) is None:
        pytest.skip(f"{ENGINES[name]} is not installed")
    code = (
        "import contextlib\n"
        f"import twofold.sw.bench.engines.{name} as module\n"
        "from twofold.sw.bench.job import RefusedError\n"
        "with contextlib.suppress(RefusedError):\n"  # where there is no GPU
        "    module.engine()"
    )
    assert imported(code, tmp_path) == ([], [])


def test_every_engine_from_elsewhere_is_looked_at():
    assert PACKAGES.keys() | {"twofold"} == ENGINES.keys()
