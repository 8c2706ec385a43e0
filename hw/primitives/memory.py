"""Memories: small ones in LUTs, read asynchronously, and tables that are loaded at run time."""

from typing import Literal, NamedTuple

from amaranth.hdl import *
from amaranth.hdl import ShapeLike
from amaranth.lib import memory, wiring
from amaranth.lib.data import View
from amaranth.lib.wiring import In, Out

from twofold.hw.contract.target import Target
from twofold.hw.primitives.ecp5 import block_ram, block_width
from twofold.hw.primitives.tile import target_of

URAM_DEPTH = 4096
URAM_BITS = 72
SHARED_DEPTH = 32
"""Up to this depth, the memories of a `SharedRam` share cells."""

Style = Literal["block", "ultra", "distributed"]


def _ports(shape: ShapeLike, depth: int, reads: int) -> dict[str, wiring.Member]:
    address = range(max(depth, 2))
    return {
        "write_en": In(1),
        "write_address": In(address),
        "write_data": In(shape),
        "address": In(address).array(reads),
        "data": Out(shape).array(reads),
    }


def _check(depth: int, reads: int) -> None:
    if depth < 1:
        raise ValueError(f"memory: depth is {depth}, needs >= 1")
    if reads < 1:
        raise ValueError(f"memory: {reads} read ports, needs >= 1")


class LutRam(wiring.Component):
    """Distributed memory: one write port, any number of asynchronous read ports.

    Parameters
    ----------
    shape: shape of an element.
    depth: elements, >= 1.
    reads: read ports, >= 1.

    Members
    -------
    write_en, write_address, write_data: the element is written at the end of the cycle.
    address, data: lists with one of each per read port: ``data[port]`` is the element at
        ``address[port]`` in the same cycle, the old one if it is being written.

    Raises ValueError for sizes below 1.
    """

    write_en: Signal
    write_address: Signal
    write_data: Signal | View
    address: list[Signal]
    data: list[Signal | View]

    def __init__(self, shape: ShapeLike, depth: int, reads: int = 1) -> None:
        _check(depth, reads)
        self.shape, self.depth, self.reads = shape, depth, reads
        super().__init__(_ports(shape, depth, reads))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.ram = ram = memory.Memory(
            shape=self.shape, depth=self.depth, init=[], attrs={"ram_style": "distributed"}
        )
        write = ram.write_port()
        m.d.comb += [
            write.en.eq(self.write_en),
            write.addr.eq(self.write_address),
            write.data.eq(self.write_data),
        ]
        for address, element in zip(self.address, self.data, strict=True):
            read = ram.read_port(domain="comb")
            m.d.comb += [read.addr.eq(address), element.eq(read.data)]
        return m


class SharedRam(wiring.Component):
    """Memories in LUTs that are written together and read separately.

    A read port of two bits takes one of the eight LUTs of a cell, the last of which serves as the
    write port; ports of different memories share cells that a single memory would leave half empty.

    Parameters
    ----------
    bits, depth: of each memory; both >= 1.
    memories: number of memories, >= 1.
    reads: read ports of each, >= 1.

    Members
    -------
    write_en, write_address, write_data: an element of every memory is written at the end of the
        cycle.
    address, data: ``data[memory][port]`` is the element at ``address[memory][port]`` in the same
        cycle, the old one if it is being written.

    Raises ValueError for sizes below 1.
    """

    write_en: Signal
    write_address: Signal
    write_data: list[Signal]
    address: list[list[Signal]]
    data: list[list[Signal]]

    def __init__(self, bits: int, depth: int, memories: int, reads: int = 1) -> None:
        _check(depth, reads)
        if min(bits, memories) < 1:
            raise ValueError(f"memory: {memories} memories of {bits} bits, need >= 1")
        self.bits, self.depth, self.memories, self.reads = bits, depth, memories, reads
        address = range(max(depth, 2))
        super().__init__(
            {
                "write_en": In(1),
                "write_address": In(address),
                "write_data": In(bits).array(memories),
                "address": In(address).array(memories, reads),
                "data": Out(bits).array(memories, reads),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        if target_of(platform) is Target.XCUP and self.depth <= SHARED_DEPTH:
            self._cells(m)
        else:
            self._behaviour(m)
        return m

    def _behaviour(self, m: Module) -> None:
        for number in range(self.memories):
            m.submodules[f"ram{number}"] = ram = LutRam(self.bits, self.depth, self.reads)
            m.d.comb += [
                ram.write_en.eq(self.write_en),
                ram.write_address.eq(self.write_address),
                ram.write_data.eq(self.write_data[number]),
            ]
            for port, address in enumerate(self.address[number]):
                m.d.comb += [
                    ram.address[port].eq(address),
                    self.data[number][port].eq(ram.data[port]),
                ]

    def _cells(self, m: Module) -> None:
        """RAM32M16: seven read ports of two bits, and one port through which all are written."""
        ports = [
            (number, port, low)
            for number in range(self.memories)
            for port in range(self.reads)
            for low in range(0, self.bits, 2)
        ]
        readers = "ABCDEFG"
        for first in range(0, len(ports), len(readers)):
            pins: dict[str, object] = {
                "i_WCLK": ClockSignal(),
                "i_WE": self.write_en,
                "i_ADDRH": _wide(self.write_address, 5),
                "i_DIH": C(0, 2),
            }
            group = ports[first : first + len(readers)]
            for letter, (number, port, low) in zip(readers, group, strict=False):
                out = Signal(2, name=f"out{number}_{port}_{low}")
                bits = self.data[number][port][low : low + 2]
                m.d.comb += bits.eq(out)
                pins |= {
                    f"i_ADDR{letter}": _wide(self.address[number][port], 5),
                    f"i_DI{letter}": _wide(self.write_data[number][low : low + 2], 2),
                    f"o_DO{letter}": out,
                }
            for letter in readers[len(group) :]:
                pins |= {f"i_ADDR{letter}": C(0, 5), f"i_DI{letter}": C(0, 2)}
            m.submodules[f"cell{first}"] = Instance("RAM32M16", **pins)


class TableRam(wiring.Component):
    """Memory of a table: written during configuration, read while the machine runs.

    The first read port and the write port share an address in ultra memories, and in block memories
    with two read ports, because neither has a third port: the output of the read ports during a
    write, and `LATENCY` cycles later, is undefined.

    Parameters
    ----------
    shape: shape of an element.
    depth: elements, >= 1.
    reads: read ports, 1 or 2.
    style: "block", "ultra" or "distributed" memory.
    lanes: equal parts of an element that can be written separately.

    Members
    -------
    write_en, write_address, write_data: the element is written at the end of the cycle; with
        several lanes, only those whose bit of ``write_en`` is set.
    writing: with several lanes, asserted whenever a bit of ``write_en`` may be.
    address, data: lists with one of each per read port: ``data[port]`` is the element that was at
        ``address[port]`` `LATENCY` cycles earlier.

    Latency: `LATENCY` (memory and output register); one element per cycle on every port.

    Raises ValueError for sizes below 1, more than 2 read ports, unknown styles, and lanes that do
    not divide the element.
    """

    LATENCY = 2

    write_en: Signal
    writing: Signal
    write_address: Signal
    write_data: Signal | View
    address: list[Signal]
    data: list[Signal | View]

    def __init__(
        self,
        shape: ShapeLike,
        depth: int,
        reads: int = 1,
        style: Style = "block",
        *,
        lanes: int = 1,
    ) -> None:
        _check(depth, reads)
        if reads > 2:
            raise ValueError(f"memory: {reads} read ports, a table has at most 2")
        if style not in ("block", "ultra", "distributed"):
            raise ValueError(f"memory: style is {style!r}, needs block, ultra or distributed")
        self.bits = Shape.cast(shape).width
        if lanes < 1 or self.bits % lanes:
            raise ValueError(f"memory: {lanes} lanes do not divide an element of {self.bits} bits")
        self.shape, self.depth, self.reads, self.style = shape, depth, reads, style
        self.lanes = lanes
        ports = _ports(shape, depth, reads) | {"write_en": In(lanes)}
        super().__init__(ports | ({"writing": In(1)} if lanes > 1 else {}))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        target = target_of(platform)
        if self.style == "ultra" and target is Target.XCUP:
            self._ultra(m)
        elif self.style != "distributed" and target is Target.ECP5 and block_width(self.depth):
            self._blocks(m)
        else:
            self._behaviour(m)
        return m

    @property
    def _separate(self) -> bool:
        """Whether the write port has an address of its own."""
        return self.style == "distributed" or (self.style == "block" and self.reads == 1)

    def _addresses(self) -> list[Value]:
        """Addresses of the read ports; the first is shared with writes unless `_separate`."""
        if self._separate:
            return [*self.address]
        writing = self.writing if self.lanes > 1 else self.write_en
        return [Mux(writing, self.write_address, self.address[0]), *self.address[1:]]

    def _behaviour(self, m: Module) -> None:
        m.submodules.ram = ram = memory.Memory(
            shape=self.bits, depth=self.depth, init=[], attrs={"ram_style": self.style}
        )
        write = ram.write_port(granularity=self.bits // self.lanes)
        addresses = self._addresses()
        shared = Signal.like(self.write_address)
        m.d.comb += [
            shared.eq(addresses[0]),
            write.en.eq(self.write_en),
            write.addr.eq(self.write_address if self._separate else shared),
            write.data.eq(self.write_data),
        ]
        for port, (address, element) in enumerate(zip(addresses, self.data, strict=True)):
            read = ram.read_port()
            output = Signal(self.bits, name=f"output{port}", reset_less=True)
            m.d.comb += [
                read.addr.eq(shared if port == 0 else address),
                Value.cast(element).eq(output),
            ]
            m.d.sync += output.eq(read.data)

    def _blocks(self, m: Module) -> None:
        """Block memories of the ECP5, those of a lane side by side."""
        data = Value.cast(self.write_data)
        width = self.bits // self.lanes
        parts: list[list[Value]] = [[] for _ in range(self.reads)]
        for lane, enable in enumerate(self.write_en):
            write = enable, self.write_address, data.word_select(lane, width)
            words = block_ram(m, f"lane{lane}", self._addresses(), write, self.depth)
            for port, word in enumerate(words):
                parts[port].append(word)
        for element, words in zip(self.data, parts, strict=True):
            m.d.comb += Value.cast(element).eq(Cat(*words))

    def _ultra(self, m: Module) -> None:
        """URAM288s tiled in width and depth; the bank of an address is selected at the output."""
        banks = -(-self.depth // URAM_DEPTH)
        cells = _cells(self.bits // self.lanes, self.lanes)
        addresses = self._addresses()
        words: list[list[Value]] = [[] for _ in range(self.reads)]
        for bank in range(banks):
            chosen = (self.write_address >> 12) == bank
            outputs = [
                self._cell(m, f"uram_{bank}_{at}", cell, addresses, chosen)
                for at, cell in enumerate(cells)
            ]
            for read, word in enumerate(words):
                parts = zip(cells, outputs, strict=True)
                word.append(Cat(piece.of(ports[read]) for cell, ports in parts for piece in cell))
        for read, word in enumerate(words):
            bank = Signal(range(max(banks, 2)), name=f"bank{read}", reset_less=True)
            bank_out = Signal.like(bank, name=f"bank_out{read}", reset_less=True)
            m.d.sync += [bank.eq(addresses[read] >> 12), bank_out.eq(bank)]
            m.d.comb += Value.cast(self.data[read]).eq(
                Array(word)[bank_out] if banks > 1 else word[0]
            )

    def _cell(
        self, m: Module, name: str, pieces: "list[_Piece]", addresses: list[Value], chosen: Value
    ) -> list[Signal]:
        """One URAM288 holding ``pieces`` of the element; returns the outputs of its ports."""
        element = Value.cast(self.write_data)
        write_data, write_bytes = Signal(URAM_BITS), Signal(URAM_BITS // 8)
        for piece in pieces:
            en = self.write_en[piece.lane] & chosen
            first, size = piece.offset // 8, -(-piece.width // 8)
            m.d.comb += [
                piece.of(write_data).eq(element[piece.low : piece.low + piece.width]),
                write_bytes[first : first + size].eq(en.replicate(size)),
            ]
        m.submodules[name], outputs = _uram(addresses, write_data, write_bytes)
        return outputs


class _Piece(NamedTuple):
    """Bits of an element in a URAM: ``width`` bits from ``low``, stored from bit ``offset``."""

    lane: int
    low: int
    width: int
    offset: int

    def of(self, word: Value) -> Value:
        return word[self.offset : self.offset + self.width]


def _cells(lane_bits: int, lanes: int) -> list[list[_Piece]]:
    """Lay lanes out over URAMs, each in bytes of its own, which can be written separately."""
    cells: list[list[_Piece]] = []
    free = 0
    for lane in range(lanes):
        for at in range(0, lane_bits, URAM_BITS):
            width = min(URAM_BITS, lane_bits - at)
            size = -(-width // 8) * 8
            if size > free:
                cells.append([])
                free = URAM_BITS
            cells[-1].append(_Piece(lane, lane * lane_bits + at, width, URAM_BITS - free))
            free -= size
    return cells


def _uram(
    addresses: list[Value], write_data: Value, write_bytes: Value
) -> tuple[Instance, list[Signal]]:
    """One URAM288 with output registers; port A writes and reads, port B reads.

    With independent parity the 72 bits are nine bytes, each with its own bit of ``write_bytes``.
    """
    outputs = [Signal(URAM_BITS, name=f"dout{port}") for port in range(len(addresses))]
    ports: dict[str, object] = {"i_CLK": ClockSignal(), "i_SLEEP": C(0)}
    for at, port in enumerate("AB"):
        used = at < len(addresses)
        writes = write_bytes if at == 0 else C(0, URAM_BITS // 8)
        ports |= {
            f"p_OREG_{port}": "TRUE",
            f"p_CASCADE_ORDER_{port}": "NONE",
            f"p_BWE_MODE_{port}": "PARITY_INDEPENDENT",
            f"p_EN_ECC_RD_{port}": "FALSE",
            f"p_EN_ECC_WR_{port}": "FALSE",
            f"p_IREG_PRE_{port}": "FALSE",
            f"i_ADDR_{port}": _wide(addresses[at][:12] if used else C(0), 23),
            f"i_BWE_{port}": writes,
            f"i_DIN_{port}": _wide(write_data if at == 0 else C(0), URAM_BITS),
            f"i_EN_{port}": C(int(used)),
            f"i_RDB_WR_{port}": writes.any(),
            f"i_RST_{port}": C(0),
            f"i_OREG_CE_{port}": C(1),
            f"i_OREG_ECC_CE_{port}": C(0),
            f"i_INJECT_SBITERR_{port}": C(0),
            f"i_INJECT_DBITERR_{port}": C(0),
        }
        ports |= _uncascaded(port)
        if used:
            ports[f"o_DOUT_{port}"] = outputs[at]
    return Instance("URAM288", **ports), outputs


def _uncascaded(port: str) -> dict[str, object]:
    """Cascade inputs of a port, all tied to 0."""
    widths = {"ADDR": 23, "BWE": 9, "DIN": URAM_BITS, "DOUT": URAM_BITS}
    single = ("EN", "RDB_WR", "RDACCESS", "SBITERR", "DBITERR")
    widths |= dict.fromkeys(single, 1)
    return {f"i_CAS_IN_{name}_{port}": C(0, width) for name, width in widths.items()}


def _wide(value: Value, width: int) -> Value:
    return Cat(value, C(0, width - len(value)))
