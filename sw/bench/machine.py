"""The computer that the measurements ran on."""

import os
import platform
from pathlib import Path
from typing import Any

FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Instruction sets that matter to the engines."""
ENERGY = Path("/sys/class/powercap/intel-rapl:0/energy_uj")


def describe() -> dict[str, Any]:
    """CPU, memory and software, as plain JSON values."""
    facts = _cpu_facts()
    flags = facts.get("flags", "").split()
    return {
        "cpu": facts.get("model name", platform.processor() or "unknown"),
        "family_model_stepping": "/".join(
            facts.get(key, "?") for key in ("cpu family", "model", "stepping")
        ),
        "cores": len(os.sched_getaffinity(0)),
        "instruction_sets": [flag for flag in FLAGS if flag in flags],
        "virtual_machine": "hypervisor" in flags,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def load() -> float:
    """Load average over the last minute."""
    return round(os.getloadavg()[0], 2)


def joules() -> float | None:
    """Energy that the CPU package has used so far, in J; None if it cannot be read."""
    try:
        return int(ENERGY.read_text()) * 1e-6
    except (OSError, ValueError):
        return None


def _cpu_facts() -> dict[str, str]:
    """The first CPU's entries in /proc/cpuinfo."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0].splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":") for line in lines)
    return {name.strip(): value.strip() for name, _, value in pairs}
