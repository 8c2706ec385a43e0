"""What tests share: machines that were built are kept under ``build/test``, as content says."""

from pathlib import Path

import pytest

CACHES = ("verilog", "library", "bench")


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
