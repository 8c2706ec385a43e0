"""The register block as the runtime sees it."""

import pytest

from twofold.hw.contract import regs
from twofold.hw.contract.regs import Access, Control, Interrupt
from twofold.hw.kernel.control import ControlBlock
from twofold.sim.testbenches.simulation import simulate


async def pulse(ctx, signal):
    ctx.set(signal, 1)
    await ctx.tick()
    ctx.set(signal, 0)


def test_every_register_is_where_the_table_says(axi_host):
    dut = ControlBlock()
    host = axi_host(dut.bus)
    values = {
        one.name: 0x0123_4567_89AB_CDEF * (3 + index) for index, one in enumerate(regs.REGISTERS)
    }

    async def bench(ctx):
        for one in regs.READ_ONLY:
            ctx.set(dut.values[one.name], values[one.name] & (1 << one.bits) - 1)
        for one in regs.ARGUMENTS:
            await host.write(ctx, one.name, values[one.name])
        for one in regs.ARGUMENTS + regs.READ_ONLY:
            wanted = values[one.name] & (1 << one.bits) - 1
            assert await host.read(ctx, one.name) == wanted, one
            if one.access == Access.ARGUMENT:
                assert ctx.get(dut.arguments[one.name]) == wanted

    simulate(dut, bench)


@pytest.mark.parametrize("between", [(), ("status", "control", "samples")])
@pytest.mark.parametrize("name", ["cycles", "output_stalls", "busy", "total_cycles"])
def test_a_counter_that_runs_on_is_read_whole(axi_host, name, between):
    """The low half is read, the counter goes on into its high half, and then that is read."""
    dut = ControlBlock()
    host = axi_host(dut.bus)
    one = regs.register(name)
    counts = one in regs.COUNTERS
    source = dut.counter_total if counts else dut.values[name]

    async def bench(ctx):
        for before, after in ((0xFFFF_FFFF, 1 << 32), (5 << 32 | 0xFFFF_FFFE, 6 << 32)):
            ctx.set(source, before)
            low = await host.read_word(ctx, one.offset)
            ctx.set(source, after)
            for other in between:
                await host.read(ctx, other)
            high = await host.read_word(ctx, one.offset + 4)
            assert high << 32 | low == before
            assert await host.read_word(ctx, one.offset + 4) == after >> 32, "kept for too long"

    simulate(dut, bench)


def test_a_high_half_is_kept_for_its_own_register_alone(axi_host):
    dut = ControlBlock()
    host = axi_host(dut.bus)
    cycles, results = regs.register("cycles"), regs.register("results")

    async def bench(ctx):
        ctx.set(dut.values.cycles, 7 << 32)
        ctx.set(dut.values.results, 9 << 32)
        await host.read_word(ctx, cycles.offset)
        ctx.set(dut.values.results, 11 << 32)
        assert await host.read_word(ctx, results.offset + 4) == 11
        ctx.set(dut.values.cycles, 8 << 32)
        assert await host.read_word(ctx, cycles.offset + 4) == 7

    simulate(dut, bench)


def test_gaps_and_read_only_registers_swallow_writes(axi_host):
    dut = ControlBlock()
    host = axi_host(dut.bus)
    used = {offset for one in regs.REGISTERS for offset in range(one.offset, one.end, 4)}

    async def bench(ctx):
        for offset in {*range(0x10, 0x100, 4), 0xFFC} - used | {regs.register("status").offset}:
            await host.write_word(ctx, offset, 0xFFFFFFFF)
            assert await host.read_word(ctx, offset) == 0

    simulate(dut, bench)


def test_bytes_are_written_as_their_strobes_say(axi_host):
    dut = ControlBlock()
    host = axi_host(dut.bus)
    offset = regs.register("samples").offset

    async def bench(ctx):
        await host.write_word(ctx, offset, 0x11223344)
        await host.write_word(ctx, offset, 0xAABBCCDD, strobes=0b0101)
        assert await host.read_word(ctx, offset) == 0x11BB33DD

    simulate(dut, bench)


def test_runs_queue_one_deep_and_wait_for_their_acknowledgement(axi_host):
    dut = ControlBlock()
    host = axi_host(dut.bus)

    async def bench(ctx):
        assert await host.read(ctx, "control") == Control.IDLE
        await host.write(ctx, "control", Control.START)
        assert await host.read(ctx, "control") == Control.START
        ctx.set(dut.running, 1)
        await pulse(ctx, dut.take)
        assert await host.read(ctx, "control") == Control.READY
        assert await host.read(ctx, "control") == 0
        await host.write(ctx, "control", Control.START)
        assert ctx.get(dut.start)
        assert ctx.get(dut.free)
        ctx.set(dut.running, 0)
        await pulse(ctx, dut.done)
        assert not ctx.get(dut.free)
        assert await host.read(ctx, "control") == Control.START | Control.DONE
        await host.write(ctx, "control", Control.CONTINUE)
        assert await host.read(ctx, "control") == Control.START
        assert ctx.get(dut.free)

    simulate(dut, bench)


def test_auto_restart_starts_again(axi_host):
    dut = ControlBlock()
    host = axi_host(dut.bus)

    async def bench(ctx):
        await host.write(ctx, "control", Control.START | Control.AUTO_RESTART)
        await pulse(ctx, dut.take)
        assert ctx.get(dut.start)
        await host.write(ctx, "control", 0)
        await pulse(ctx, dut.take)
        assert not ctx.get(dut.start)

    simulate(dut, bench)


def test_interrupt_follows_its_three_registers(axi_host):
    dut = ControlBlock()
    host = axi_host(dut.bus)

    async def bench(ctx):
        await pulse(ctx, dut.done)
        assert await host.read(ctx, "interrupt_status") == 0
        await host.write(ctx, "interrupt_enable", Interrupt.DONE)
        await pulse(ctx, dut.take)
        await pulse(ctx, dut.done)
        assert await host.read(ctx, "interrupt_status") == Interrupt.DONE
        assert not ctx.get(dut.interrupt)
        await host.write(ctx, "interrupt_global", 1)
        assert ctx.get(dut.interrupt)
        await host.write(ctx, "interrupt_status", Interrupt.READY)
        assert ctx.get(dut.interrupt)
        await host.write(ctx, "interrupt_status", Interrupt.DONE)
        await ctx.tick()
        assert not ctx.get(dut.interrupt)

    simulate(dut, bench)
