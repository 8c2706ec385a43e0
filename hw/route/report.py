"""What a build for a board gave, as figures."""

from typing import Any

from twofold.hw.boards import find
from twofold.hw.contract.machine import Machine
from twofold.hw.route.flow import Built


def as_json(machine: Machine, built: Built) -> dict[str, Any]:
    """Figures of a bitstream.

    ``comb``, ``ff``, ``ebr``, ``mult`` and ``shares`` are cells, of those of the device. Cycles are
    the machine's plan; ``samples_per_second`` is at the clock that the bitstream sets.
    """
    board = find(machine.board)
    cycles = max(plan.cycles for plan in machine.plans)
    return {
        "board": board.name,
        "network": machine.network.name,
        "machine": machine.name,
        "fingerprint": machine.fingerprint.hex(),
        "routed": True,
        "fmax_mhz": round(built.fmax_hz / 1e6, 1),
        "clock_mhz": round(built.clock_hz / 1e6, 3),
        **{kind: used for kind, (used, _) in built.used.items()},
        "shares": {kind: round(used / of, 4) for kind, (used, of) in built.used.items()},
        "cycles_per_sample": cycles,
        "samples_per_second": round(built.clock_hz / cycles),
        "bitstream": str(built.path),
        "bytes": built.path.stat().st_size,
        "seconds": built.seconds,
    }


def lines(figures: dict[str, Any]) -> list[str]:
    """The figures in words."""
    cells = ", ".join(
        f"{figures[kind]:,} {name} ({figures['shares'][kind]:.0%})"
        for kind, name in (("comb", "LUTs"), ("ff", "flip-flops"), ("ebr", "block memories"),
                           ("mult", "multipliers"))
        if kind in figures
    )  # fmt: skip
    steps = ", ".join(f"{step} {seconds:g} s" for step, seconds in figures["seconds"].items())
    pace = f"{figures['samples_per_second']:,} samples/s ({figures['cycles_per_sample']:,} cycles)"
    return [
        f"{figures['machine']} on {figures['board']}: {cells}",
        f"works up to {figures['fmax_mhz']:g} MHz, runs at {figures['clock_mhz']:g}: {pace}",
        f"{steps}; {figures['bytes']:,} bytes",
    ]
