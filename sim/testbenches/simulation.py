"""Simulation of a component in Amaranth, for its unit tests."""

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

Testbench = Callable[[Any], Coroutine[Any, Any, None]]


def simulate(
    dut: Elaboratable, *testbenches: Testbench, background: tuple[Testbench, ...] = ()
) -> None:
    """Run ``dut`` with a clock until all ``testbenches`` have returned.

    Those in the ``background`` run along and are stopped at the end. Testbenches see the cycle in
    the order given, those in the background last.
    """
    sim = Simulator(dut)
    sim.add_clock(1e-8)
    for testbench in testbenches:
        sim.add_testbench(testbench)
    for testbench in background:
        sim.add_testbench(testbench, background=True)
    sim.run()
