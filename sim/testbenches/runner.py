"""Runs the core's test bench: cocotb on Verilator, with the bulk library's Verilog."""

import os
import shlex
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from xml.etree import ElementTree

import cocotb_tools.config
import cocotb_tools.runner

from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import write_bytes, write_text
from twofold.hw.contract.progress import Report, silent
from twofold.hw.tools.text import renumbered
from twofold.hw.verilog.writer import Verilog
from twofold.sim.rtl.verilate import FLAGS, MAKE_VARIABLES, Program, verilate
from twofold.sim.testbenches.job import VARIABLE, Finding, Job

BENCH = "twofold.sim.testbenches.core_bench"
TESTS = ("damaged_image", "back_to_back", "under_stalls")


@dataclass(frozen=True)
class Outcome:
    """What the test bench found.

    Attributes
    ----------
    back_to_back, under_stalls: findings of the two runs of all samples.
    failures: messages of failed tests by name; empty if all passed.
    """

    back_to_back: list[Finding]
    under_stalls: list[Finding]
    failures: dict[str, str]

    @property
    def mismatches(self) -> int:
        """Number of activations and logits that differ from the golden model, in both runs."""
        findings = self.back_to_back + self.under_stalls
        return sum(sum(finding.mismatches.values()) for finding in findings)


def build_bench(verilog: Verilog, build: Path, report: Report = silent) -> Path:
    """Directory with the simulator of a core with probes, built once for the same content. Raises
    ToolError.
    """
    name = verilog.path.parent.name.rpartition("-")[0]
    ports = ("clk", "rst", *(port.name for port in verilog.ports))
    return build_simulator(verilog.path, "core", ports, build / "bench" / name, report)


def build_simulator(
    verilog: Path,
    top: str,
    ports: Sequence[str],
    target: Path,
    report: Report = silent,
    *,
    flags: Sequence[str] = (),
) -> Path:
    """Directory ``target-<hash>`` with a cocotb simulator of module ``top``, built once for the
    same content.

    Only the ``ports`` of the top module are accessible to cocotb: exposing every signal would slow
    down build and simulation. ``flags`` are further ones for Verilator. Raises ToolError.
    """
    main = cocotb_tools.config.share_dir / "lib" / "verilator" / "verilator.cpp"
    libraries = cocotb_tools.config.libs_dir
    place = shlex.quote(str(libraries))
    lines = ["`verilator_config", *(f'public_flat_rw -module "{top}" -var "{n}"' for n in ports)]
    control = "\n".join([*lines, ""])
    versions = [version("verilator"), version("cocotb")]
    hardware, _ = renumbered(verilog.read_text(encoding="utf-8"))
    key = digest([hardware, control, *FLAGS, *flags, *MAKE_VARIABLES, *versions])

    def make(directory: Path) -> None:
        write_text(directory / "ports.vlt", control)
        program = Program(
            sources=(directory / "ports.vlt", main),
            output=top,
            top=top,
            flags=("--vpi", *flags),
            link_flags=f"-Wl,-rpath,{place} -L{place} -lcocotbvpi_verilator",
        )
        work = directory / "work"
        verilate(verilog, work, program, target.parent, report).rename(directory / top)
        for path in work.glob("*"):
            if path.suffix in (".o", ".a", ".gch"):
                path.unlink()

    return cached(target.with_name(f"{target.name}-{key}"), make)


def run_bench(simulator: Path, job: Job, report: Report = silent) -> Outcome:
    """Run every test of the bench; results and the log stay in the job's directory.

    Raises ToolError if the simulation does not run to its end.
    """
    write_bytes(job.progress, b"")
    with _watching(job, report):
        failures = run_tests(
            simulator,
            "core",
            BENCH,
            TESTS,
            job.directory,
            {VARIABLE: str(job.directory.absolute())},
            job.seed,
        )
    return Outcome(job.read("back_to_back"), job.read("under_stalls"), failures)


def run_tests(
    simulator: Path,
    top: str,
    bench: str,
    tests: Sequence[str],
    directory: Path,
    environment: dict[str, str],
    seed: int,
    options: Sequence[str] = (),
) -> dict[str, str]:
    """Run a cocotb module's tests on a simulator made by `build_simulator`.

    Parameters
    ----------
    simulator, top: simulator and its top module.
    bench, tests: name of the module, and of the tests that it must contain.
    directory: folder for ``bench.log`` and ``results.xml``.
    environment: variables that the bench reads from its environment.
    seed: seed of cocotb's random numbers.
    options: arguments for the simulator.

    Returns the messages of failed tests by name. Raises ToolError if the simulation does not run to
    its end.
    """
    log, results = directory / "bench.log", directory / "results.xml"
    results.unlink(missing_ok=True)
    settings = {
        **environment,
        "COCOTB_RANDOM_SEED": str(seed),
        "COCOTB_LOG_LEVEL": os.environ.get("COCOTB_LOG_LEVEL", "WARNING"),
    }
    try:
        cocotb_tools.runner.Verilator().test(
            bench,
            top,
            hdl_toplevel_lang="verilog",
            build_dir=simulator,
            test_dir=directory,
            results_xml=str(results.absolute()),
            extra_env=settings,
            plusargs=options,
            log_file=log,
        )
    except (SystemExit, RuntimeError) as error:
        if not results.exists():
            raise ToolError(f"the simulation broke off, see {log}: {error}") from error
    return _failures(results, log, tests)


def _failures(results: Path, log: Path, tests: Sequence[str]) -> dict[str, str]:
    """Messages of failed tests; raises ToolError if a test did not run."""
    cases = {case.get("name", ""): case for case in ElementTree.parse(results).iter("testcase")}
    missing = [name for name in tests if name not in cases]
    if missing:
        raise ToolError(f"the test bench did not run {', '.join(missing)}, see {log}")
    found = {}
    for name, case in cases.items():
        problem = case.find("failure")
        problem = case.find("error") if problem is None else problem
        if problem is not None:
            text = problem.get("error_msg") or problem.get("message") or problem.text or "failed"
            found[name] = text.strip().splitlines()[0]
    return found


@contextmanager
def _watching(job: Job, report: Report) -> Iterator[None]:
    """Report results as they arrive, from the file that the test bench adds a byte to."""
    done, total = threading.Event(), 2 * len(job.inputs)

    def watch() -> None:
        while not done.wait(0.2):
            report("samples", job.progress.stat().st_size, total)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    report("samples", job.progress.stat().st_size, total)
