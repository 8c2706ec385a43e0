"""What tests share: machines that were built are kept under ``build/test``, as content says."""

from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from twofold.hw.contract.cache import locked
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.shipped import machine
from twofold.sim.emulation.bitstream import Target, write_bitstream
from twofold.sim.emulation.environment import check

CACHES = ("verilog", "library", "bench", "area")

# PyTorch comes with the training role alone, and not for every Python.
collect_ignore = [] if find_spec("torch") else [
    "test_equality.py", "sw/bench/test_models.py", "sw/golden/test_add.py", "sw/model",
    "sw/onnx/export/test_floating.py", "sw/quantize", "sw/train",
]  # fmt: skip

# How long an example takes says nothing on a machine with other work; and a run repeats the last.
settings.register_profile(
    "twofold",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("twofold")


def pytest_report_header() -> list[str]:
    """Say what is left out."""
    return [f"no PyTorch: left out are {', '.join(collect_ignore)}"] if collect_ignore else []


def pytest_configure(config: pytest.Config) -> None:
    """Declare markers."""
    config.addinivalue_line("markers", "card: needs an Alveo card")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave nightly tests out unless they are asked for."""
    if "nightly" not in config.option.markexpr:
        for item in items:
            if item.get_closest_marker("nightly"):
                item.add_marker(pytest.mark.skip(reason="takes minutes: `pytest -m nightly`"))


@pytest.fixture(scope="session")
def build_cache() -> Path:
    """Build directory that all tests share; what is in it is complete and found by content."""
    return Path(__file__).parents[1] / "build" / "test"


@pytest.fixture
def build(tmp_path: Path, build_cache: Path) -> Path:
    """Build directory of one test, for its runs and reports, on top of the shared caches."""
    directory = tmp_path / "build"
    directory.mkdir()
    for name in CACHES:
        (build_cache / name).mkdir(parents=True, exist_ok=True)
        (directory / name).symlink_to(build_cache / name)
    return directory


@pytest.fixture(scope="session")
def emulated(build_cache: Path) -> Path:
    """Bitstream for XRT's emulation: tiny-fast, folding small, two units.

    Its tests are skipped where XRT is not installed. Of several workers, one builds.
    """
    try:
        check()
    except ToolError as error:
        pytest.skip(str(error))
    with locked(build_cache / "emulated"):
        return write_bitstream(
            Target(machine("tiny-fast-small"), 2), build_cache / "bitstreams", build_cache
        )
