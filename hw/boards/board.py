"""Board descriptions: everything that the rest of the project knows about a card."""

from dataclasses import dataclass

from twofold.hw.boards.family import Family
from twofold.hw.boards.resources import Resources, scaled
from twofold.hw.contract.errors import BoardError


@dataclass(frozen=True, kw_only=True)
class Region:
    """A region of the device that holds one compute unit: a super logic region (SLR), or all of it.

    Attributes
    ----------
    index: from 0, bottom up.
    user: resources that the platform leaves to kernels in it.
    clock_regions: ranges of clock regions that the platform's dynamic region has in it, as in
        ``X0Y4:X3Y7``; the rest is the shell's. None on a board without a platform.
    bank: index of the memory bank used by its unit; None on a board without memory.
    """

    index: int
    user: Resources
    clock_regions: tuple[str, ...] = ()
    bank: int | None = None

    @property
    def name(self) -> str:
        """Name used by Vivado."""
        return f"SLR{self.index}"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Memory of the card, in banks of equal size.

    Attributes
    ----------
    kind: ``DDR4`` or ``HBM``.
    tag: v++ name of its banks, without the index.
    banks: number of banks; for HBM, of pseudo channels.
    bank_bytes: size of a bank, in bytes.
    base: address of the first bank as seen by kernels.
    step: distance from one bank's address to the next, in bytes.
    """

    kind: str
    tag: str
    banks: int
    bank_bytes: int
    base: int
    step: int

    def name(self, bank: int) -> str:
        """Name of a bank in v++."""
        return f"{self.tag}[{bank}]"

    def address(self, bank: int) -> int:
        """Address of a bank's first byte."""
        return self.base + bank * self.step


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Versions of the vendor's tools that build for a platform.

    Attributes
    ----------
    name: name of the tools.
    oldest: first version that reads the platform, as in ``2022.1``.
    newest: last version that supports it; None while no version is known to have dropped it.
    """

    name: str
    oldest: str
    newest: str | None = None

    def supports(self, version: str) -> bool:
        """Whether a version, such as ``2022.2``, can build for the platform."""
        return self.oldest <= version and (self.newest is None or version <= self.newest)

    @property
    def range(self) -> str:
        """The supported versions as text."""
        if self.newest is None:
            return f"{self.name} {self.oldest} or newer"
        return f"{self.name} {self.oldest} to {self.newest}"


@dataclass(frozen=True, kw_only=True)
class Shell:
    """What the vendor's platform provides around the compute units.

    Attributes
    ----------
    platform: its name: vendor, board, name, year and revision, joined by underscores.
    device_family: family of the device, as in the platform's metadata.
    kernel_clock_mhz: second clock that it offers to kernels, in MHz; the machine uses the first.
    pblock: prefix of the name of the pblock that it leaves to kernels in a region.
    memory: memory banks and their addresses.
    tools: tool versions that build for it.
    link_options: lines of v++'s configuration, starting with a section header.
    """

    platform: str
    device_family: str
    kernel_clock_mhz: int
    pblock: str
    memory: Memory
    tools: Tools
    link_options: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A board without a platform of a vendor: the design has it to itself, and open tools build it.

    Attributes
    ----------
    pins: class of `amaranth_boards` that knows its pins and its clock, as in ``module:Class``.
    uart: number of its resource ``uart``, which is the link to the host.
    baud: rate of the link.
    device, package: option of nextpnr that chooses the device, and its name of the package.
    loader: name of the board for openFPGALoader.
    """

    pins: str
    uart: int
    baud: int
    device: str
    package: str
    loader: str


@dataclass(frozen=True, kw_only=True)
class Host:
    """How the host reaches the card.

    Attributes
    ----------
    link: description of the link.
    to_card, from_card: bytes per second of large transfers, one direction at a time.
    runtime: software that drives the card.
    """

    link: str
    to_card: float
    from_card: float
    runtime: str


@dataclass(frozen=True, kw_only=True)
class Board:
    """A board.

    Attributes
    ----------
    name: for ``--board``; also, with ``_`` in place of ``-``, of the module that describes it.
    title: full name.
    device, package, speed, grade: the part, as in ``xcu250-figd2104-2L-e``: device, package, speed
        grade, temperature grade.
    family: device family, which defines the kinds of cells.
    clock_mhz: clock of the machine, in MHz.
    total: resources of the whole device, including what the platform uses.
    regions: each holds one compute unit. Units do not cross regions.
    ceilings: shares of a region's user resources up to which designs are known to close timing.
    host: link to the host.
    watts: maximum power of the whole board, in W.
    built: whether a bitstream has ever been built for it and measured.
    shell: the vendor's platform; None on a board that a design has to itself.
    desk: how such a board is built and reached; None on a card with a platform.
    """

    name: str
    title: str
    device: str
    package: str
    speed: str
    grade: str
    family: Family
    clock_mhz: int
    total: Resources
    regions: tuple[Region, ...]
    ceilings: Resources
    host: Host
    watts: float
    built: bool
    shell: Shell | None = None
    desk: Desk | None = None

    @property
    def part(self) -> str:
        """Part number as Vivado writes it."""
        return f"{self.device}-{self.package}-{self.speed}-{self.grade}"

    @property
    def label(self) -> str:
        """Short display name."""
        return self.name.upper()

    @property
    def units(self) -> int:
        """Maximum number of compute units: one per region."""
        return len(self.regions)

    @property
    def period_ns(self) -> float:
        """Period of the clock, in ns."""
        return 1000 / self.clock_mhz

    @property
    def region(self) -> Resources:
        """User resources available in every region, so that the same unit fits each of them."""
        each = zip(*(region.user.values for region in self.regions), strict=True)
        return Resources(*(min(values) for values in each))

    @property
    def budget(self) -> Resources:
        """What a compute unit may use: the ceilings' shares of a region."""
        return scaled(self.region, self.ceilings)

    @property
    def region_text(self) -> str:
        """A region, as worded in a sentence."""
        return "an SLR" if self.units > 1 else "the device"

    @property
    def platform(self) -> Shell:
        """The vendor's platform. Raises BoardError if the board has none."""
        if self.shell is None:
            raise BoardError(f"board {self.name} has no platform of its vendor; choose another one")
        return self.shell

    @property
    def open_tools(self) -> Desk:
        """How open tools build the board. Raises BoardError if they do not."""
        if self.desk is None:
            raise BoardError(f"board {self.name} is not built by open tools; choose another one")
        return self.desk

    def bank(self, unit: int) -> int:
        """Index of a compute unit's memory bank. Raises BoardError if there is none."""
        bank = self.regions[unit].bank
        if bank is None or not 0 <= bank < self.platform.memory.banks:
            raise BoardError(f"board {self.name}: region {unit} has no memory bank {bank}")
        return bank
