"""Simulation of a component in Amaranth, for its unit tests."""

from collections.abc import Callable, Coroutine
from typing import Any

from amaranth.hdl import Elaboratable
from amaranth.sim import Simulator

Testbench = Callable[[Any], Coroutine[Any, Any, None]]


class Simulation:
    """A component with a clock that is compiled once, for as many runs as wanted.

    Compiling takes longer than a run of a few hundred cycles.
    """

    def __init__(self, dut: Elaboratable) -> None:
        self._simulator = Simulator(dut)
        self._simulator.add_clock(1e-8)
        self._testbenches: list[Testbench] = []

    def run(self, *testbenches: Testbench, background: tuple[Testbench, ...] = ()) -> None:
        """Run from the initial state until all ``testbenches`` have returned.

        Those in the ``background`` run along and are stopped at the end. Testbenches see the cycle
        in the order given, those in the background last. Each run has as many as the first.
        """
        given = [*testbenches, *background]
        if not self._testbenches:
            for at in range(len(given)):
                self._simulator.add_testbench(self._player(at), background=at >= len(testbenches))
        elif len(given) == len(self._testbenches):
            self._simulator.reset()
        else:
            raise ValueError(f"{len(given)} testbenches after {len(self._testbenches)}")
        self._testbenches = given
        self._simulator.run()

    def _player(self, at: int) -> Testbench:
        """A testbench that is number ``at`` of the current run."""

        async def play(ctx: Any) -> None:
            await self._testbenches[at](ctx)

        return play


def simulate(
    dut: Elaboratable, *testbenches: Testbench, background: tuple[Testbench, ...] = ()
) -> None:
    """A single run of ``dut``, see `Simulation.run`."""
    Simulation(dut).run(*testbenches, background=background)
