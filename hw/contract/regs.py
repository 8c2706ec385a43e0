"""What host and kernel share: the register table, status codes, and the layout of memory data.

Everything that uses a register is generated from this table: the kernel's register block,
``kernel.xml``, the packaging Tcl, the metadata of an emulated bitstream, the host driver, the
emulated card's header and the table in ``hw/kernel/README.md``.

Arguments are laid out as Vitis does it: each 32-bit or 64-bit value is followed by one reserved
word.

Memory: an input sample is the image's bytes (channel, row, column), padded to a multiple of 64.
Samples are contiguous, or, with a `stride` other than 0, start that many bytes apart; where they
overlap, bytes lie in memory once and are part of several samples. Reading the last sample ends at
the end of its padding (`span_bytes`). `twofold.hw.contract.results` defines the layout of results.

A 64-bit register is read in two halves, the low one first: reading it latches the high half for the
next read.
"""

from dataclasses import dataclass
from enum import Enum, IntEnum, IntFlag

from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import ParameterStatus

KERNEL_NAME = "twofold"
KERNEL_VERSION = 4
CONTROL_PORT = "s_axi_control"
MEMORY_PORT = "m_axi_gmem"
ADDRESS_BITS = 12
BEAT_BYTES = 64
LAYERS_COUNTED = 8
"""Number of layers with counters: the first ones of a network."""
COUNTER_BITS = 64


class Operation(IntEnum):
    """Argument ``operation``."""

    LOAD = 0
    RUN = 1


class Control(IntFlag):
    """Bits of register ``control`` (protocol ap_ctrl_chain).

    START is cleared once the run has been accepted; from then on the arguments of the next run may
    be written and START set again, and that run waits for the current one. DONE stays set until
    CONTINUE is written; the end of the next run waits for that.
    """

    START = 1 << 0
    DONE = 1 << 1
    IDLE = 1 << 2
    READY = 1 << 3
    CONTINUE = 1 << 4
    AUTO_RESTART = 1 << 7


class Interrupt(IntFlag):
    """Bits of registers ``interrupt_enable`` and ``interrupt_status``."""

    DONE = 1 << 0
    READY = 1 << 1


PARAMETER_CODES = 16


class Status(IntEnum):
    """How the last finished run ended.

    The image codes are `ParameterStatus` plus ``PARAMETER_CODES``.
    """

    NONE = 0
    OK = 1
    BAD_OPERATION = 2
    BAD_LENGTH = 3
    BAD_ALIGNMENT = 4
    BAD_SAMPLES = 5
    NO_PARAMETERS = 6
    BAD_STRIDE = 7
    READ_SLVERR = 8
    READ_DECERR = 9
    WRITE_SLVERR = 10
    WRITE_DECERR = 11
    BAD_RANGE = 12
    PARAMETERS_BAD_MAGIC = PARAMETER_CODES + ParameterStatus.BAD_MAGIC
    PARAMETERS_BAD_VERSION = PARAMETER_CODES + ParameterStatus.BAD_VERSION
    PARAMETERS_BAD_LENGTH = PARAMETER_CODES + ParameterStatus.BAD_LENGTH
    PARAMETERS_BAD_FINGERPRINT = PARAMETER_CODES + ParameterStatus.BAD_FINGERPRINT
    PARAMETERS_BAD_SECTION = PARAMETER_CODES + ParameterStatus.BAD_SECTION
    PARAMETERS_BAD_CRC = PARAMETER_CODES + ParameterStatus.BAD_CRC


STATUS_TEXT = {
    Status.NONE: "no run has ended since reset",
    Status.OK: "the run ended well",
    Status.BAD_OPERATION: "operation is neither 0 (load) nor 1 (run)",
    Status.BAD_LENGTH: "parameter_bytes is not a multiple of 64 from 64 to 64 MiB",
    Status.BAD_ALIGNMENT: "a pointer that the operation uses is not a multiple of 64",
    Status.BAD_SAMPLES: "samples is 0",
    Status.NO_PARAMETERS: "no image is loaded; load one first",
    Status.BAD_STRIDE: "stride is not a multiple of 64",
    Status.READ_SLVERR: "a read was refused by the memory (SLVERR)",
    Status.READ_DECERR: "a read went to an address without memory (DECERR)",
    Status.WRITE_SLVERR: "a write was refused by the memory (SLVERR)",
    Status.WRITE_DECERR: "a write went to an address without memory (DECERR)",
    Status.BAD_RANGE: "the samples reach beyond the bytes that extent allows from input",
    Status.PARAMETERS_BAD_MAGIC: "the image does not start with its magic",
    Status.PARAMETERS_BAD_VERSION: "the image has a format version that this machine does not read",
    Status.PARAMETERS_BAD_LENGTH: "the image's length is not the one it was loaded with",
    Status.PARAMETERS_BAD_FINGERPRINT: "the image was packed for another machine",
    Status.PARAMETERS_BAD_SECTION: "the image's sections are not those of this machine",
    Status.PARAMETERS_BAD_CRC: "the image is damaged: its checksum is wrong",
}


class Access(Enum):
    """How a register may be accessed."""

    CONTROL = "control"
    ARGUMENT = "argument"
    READ = "read"


@dataclass(frozen=True, kw_only=True)
class Register:
    """One register.

    Attributes
    ----------
    name: snake case; for arguments also the name in ``kernel.xml``.
    offset: byte address in the slave port, a multiple of 4.
    bits: width; a multiple of 32, lower words at lower addresses.
    values: number of equally wide values in it, one per layer, the first layer's in the lowest
        bits.
    access: how it may be accessed.
    doc: description, one line.
    argument: number of the kernel argument, from 0; None for all other registers.
    pointer: whether the argument is an address in the card's memory.
    """

    name: str
    offset: int
    bits: int
    access: Access
    doc: str
    argument: int | None = None
    pointer: bool = False
    values: int = 1

    @property
    def size(self) -> int:
        """Size in bytes."""
        return self.bits // 8

    @property
    def end(self) -> int:
        """Offset of the first byte after the register."""
        return self.offset + self.size

    def split(self, value: int) -> tuple[int, ...]:
        """The individual values in the register's content."""
        bits = self.bits // self.values
        return tuple(value >> bits * at & ((1 << bits) - 1) for at in range(self.values))


def _control() -> tuple[Register, ...]:
    rows = (
        ("control", "start, done, idle, ready, continue, auto-restart: see `Control`"),
        ("interrupt_global", "bit 0 enables the interrupt line"),
        ("interrupt_enable", "which of done (bit 0) and ready (bit 1) interrupt"),
        ("interrupt_status", "which of the two have happened; write 1 to clear"),
    )
    return tuple(
        Register(name=name, offset=4 * index, bits=32, access=Access.CONTROL, doc=doc)
        for index, (name, doc) in enumerate(rows)
    )


def _arguments() -> tuple[Register, ...]:
    rows = (
        ("operation", 32, False, "0 loads the image, 1 runs samples"),
        ("image", 64, True, "parameter image, aligned to 64 bytes (load)"),
        ("parameter_bytes", 32, False, "length of the parameter image, a multiple of 64 (load)"),
        ("input", 64, True, "input samples, aligned to 64 bytes (run)"),
        ("output", 64, True, "results, aligned to 64 bytes (run)"),
        ("samples", 32, False, "samples to run, at least 1 (run)"),
        (
            "stride",
            32,
            False,
            "bytes from the start of a sample to the next, a multiple of 64; 0: contiguous (run)",
        ),
        ("extent", 64, False, "bytes from `input` that samples may take; 0: no limit (run)"),
    )
    placed, offset = [], 0x10
    for number, (name, bits, pointer, doc) in enumerate(rows):
        placed.append(
            Register(
                name=name,
                offset=offset,
                bits=bits,
                access=Access.ARGUMENT,
                doc=doc,
                argument=number,
                pointer=pointer,
            )
        )
        offset += bits // 8 + 4
    return tuple(placed)


def _read_only() -> tuple[Register, ...]:
    rows = (
        ("status", 32, "how the last finished run ended: see `Status`"),
        (
            "parameter_status",
            32,
            "what the machine says about the last image: see `ParameterStatus`",
        ),
        ("version", 32, "version of this register table"),
        ("geometry", 32, "bytes of an input sample"),
        ("fingerprint", 256, "machine that images must be packed for"),
        ("runs", 32, "runs finished since reset, wrapping"),
        ("failures", 32, "those of them that did not end with status OK, wrapping"),
        ("cycles", 64, "last run: cycles from start to end"),
        ("results", 64, "last run: results that left the machine"),
        ("latency", 64, "last run: cycles from the first input beat to the first result"),
        ("input_stalls", 64, "last run: cycles in which the machine waited for input"),
        ("output_stalls", 64, "last run: cycles in which a result waited to be written"),
        ("outputs", 32, "outputs of a result in bits 0..30; bit 31 is set where it has no label"),
    )
    placed, offset = [], 0x80
    for name, bits, doc in rows:
        placed.append(Register(name=name, offset=offset, bits=bits, access=Access.READ, doc=doc))
        offset += bits // 8
    return tuple(placed)


def _counters() -> tuple[Register, ...]:
    rows = (
        ("busy", "cycles with a step, whatever came of it"),
        ("starved", "cycles without one as input was missing, with samples in the machine"),
        ("blocked", "cycles without one as the layer behind had no room for a sample"),
        ("multiplications", "products of an activation that is not 0 with a stored weight"),
        ("nonzero", "activations that are not 0, behind the winners; 0 for the last layer"),
    )
    placed, offset = [], 0x200
    for name, doc in rows:
        one = Register(
            name=name, offset=offset, bits=COUNTER_BITS * LAYERS_COUNTED, access=Access.READ,
            doc=f"since reset, for each layer: {doc}", values=LAYERS_COUNTED,
        )  # fmt: skip
        placed.append(one)
        offset = one.end
    total = Register(
        name="total_cycles", offset=offset, bits=COUNTER_BITS, access=Access.READ,
        doc="cycles since reset",
    )  # fmt: skip
    return (*placed, total)


CONTROLS = _control()
ARGUMENTS = _arguments()
READ_ONLY = _read_only()
COUNTERS = _counters()
"""Read only too, but kept in the core. A sample is fully counted 64 cycles after the end of its
run.
"""
REGISTERS = CONTROLS + ARGUMENTS + READ_ONLY + COUNTERS
_BY_NAME = {register.name: register for register in REGISTERS}


def register(name: str) -> Register:
    """Register by name. Raises KeyError if it is unknown."""
    return _BY_NAME[name]


def counter_number(name: str, layer: int = 0) -> int:
    """Index of a value in `COUNTERS`, counted from the first."""
    return (register(name).offset - COUNTERS[0].offset) * 8 // COUNTER_BITS + layer


def markdown() -> str:
    """The table as Markdown."""
    lines = ["| offset | bits | register | kind | content |", "|---|---|---|---|---|"]
    lines += (
        f"| `{one.offset:#05x}` | {one.bits} | `{one.name}` | {one.access.value} | {one.doc} |"
        for one in REGISTERS
    )
    return "\n".join(lines) + "\n"


def c_header() -> str:
    """The table as a C++ header: register offsets, control bits, codes, sizes."""
    constants = {
        "BEAT_BYTES": BEAT_BYTES,
        "ADDRESS_BITS": ADDRESS_BITS,
        **{f"REGISTER_{one.name.upper()}": one.offset for one in REGISTERS},
        **{
            f"{kind.__name__.upper()}_{one.name}": one.value
            for kind in (Operation, Control, Interrupt, Status)
            for one in kind
        },
    }
    lines = [f"constexpr uint32_t {name} = {value:#x};" for name, value in constants.items()]
    return "\n".join(
        [
            "// Made from the register table in hw/contract/regs.py.",
            "#pragma once",
            "#include <cstdint>",
            "",
            f"namespace {KERNEL_NAME} {{",
            *lines,
            f"}}  // namespace {KERNEL_NAME}",
            "",
        ]
    )


def sample_bytes(network: Network) -> int:
    """Size of an input image in bytes, without padding."""
    channels, height, width = network.input_shape
    return channels * height * width


def sample_stride(network: Network) -> int:
    """Bytes from the start of one input sample in memory to the next, where they are contiguous."""
    return sample_bytes(network) + -sample_bytes(network) % BEAT_BYTES


def span_bytes(size: int, samples: int, stride: int) -> int:
    """Bytes from the start of the first of ``samples``, at least 1, to the end of the last.

    ``size``: bytes of a sample, padded; ``stride``: as in the register of that name.
    """
    return (samples - 1) * (stride or size) + size
