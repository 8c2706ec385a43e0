"""What the foldings and plans of all engines have in common."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar, TypeVar

from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.network import Stage

DEPTH_MAX = 1 << 16
"""Maximum number of rows in a table: the range of the loader's addresses."""

AnyFolding = TypeVar("AnyFolding", bound="LayerFolding")


@dataclass(frozen=True, kw_only=True)
class LayerFolding:
    """How much of a layer is built in hardware.

    Parameters
    ----------
    rows, cols: tiles built in each direction; they divide the rows and columns of the pooled
        output.
    """

    rows: int = 1
    cols: int = 1

    @property
    def tiles(self) -> int:
        """Number of tiles built."""
        return self.rows * self.cols

    @property
    def takes(self) -> int:
        """Global winners the engine takes per cycle."""
        return 1

    @property
    def multipliers(self) -> int:
        """Products per cycle at each position of the pooling windows that are built."""
        raise NotImplementedError

    def quickest(self: AnyFolding, stage: Stage) -> AnyFolding:
        """This folding of ``stage``, modified so that results leave as fast as possible."""
        del stage
        return self

    def plan(
        self,
        stage: Stage,
        source: "Plan | None",
        *,
        zero_point: int = 0,
        emit: int = 1,
        other: "Plan | None" = None,
    ) -> "Plan":
        """Plan of ``stage`` with this folding.

        Parameters
        ----------
        source: plan of the layer that it reads, None for the first.
        zero_point: zero point of the image.
        emit: global winners that the next layer takes per cycle.
        other: plan of the second layer that an addition reads.

        Raises FoldingError if the engine cannot compute a first layer and this is one.
        """
        raise NotImplementedError

    def end(self, stage: Stage) -> tuple[int, ...]:
        """The part of ``stage``'s folding that later layers depend on."""
        del stage
        return self.rows, self.cols

    def text(self) -> str:
        """The folding as a short text."""
        raise NotImplementedError


@dataclass(frozen=True)
class Plan(ABC):
    """A layer with its folding, and everything that follows from the two.

    Attributes
    ----------
    stage, folding: what the plan was made from.
    MORE: what to increase when the table of weights is too deep; used in error messages.
    """

    stage: Stage
    folding: LayerFolding

    MORE: ClassVar[str] = ""

    @property
    def emitted(self) -> int:
        """Global winners leaving the layer per cycle."""
        return 1

    @property
    def drain(self) -> int:
        """Channels leaving a tile per cycle; also the lanes of the tables of constants."""
        return 1

    @property
    def passes(self) -> int:
        """Blocks of tiles per sample, processed row by row."""
        _, rows, cols = self.stage.out_shape
        return (rows // self.folding.rows) * (cols // self.folding.cols)

    @property
    @abstractmethod
    def steps(self) -> int:
        """Multiplication cycles per pass."""

    @property
    @abstractmethod
    def interval(self) -> int:
        """Cycles from one pass to the next."""

    @property
    def cycles(self) -> int:
        """Cycles per sample."""
        return self.passes * self.interval

    @property
    def busy(self) -> int:
        """Cycles per sample up to the accumulators; what follows them may take longer."""
        return self.cycles

    @property
    @abstractmethod
    def emission(self) -> int:
        """Most cycles in which a pass's results leave: list entries, or beats of winners."""

    @property
    @abstractmethod
    def weight_lanes(self) -> int:
        """Number of memories in the table of weights."""

    @property
    @abstractmethod
    def weight_rows(self) -> int:
        """Depth of the table of weights."""

    @property
    @abstractmethod
    def weight_tag_bits(self) -> int:
        """Bits stored with each weight in its table, which say where it belongs."""

    @property
    @abstractmethod
    def channel_rows(self) -> int:
        """Depth of the tables of constants."""

    @property
    @abstractmethod
    def lookups(self) -> int:
        """Maximum number of lookups per cycle."""

    @property
    @abstractmethod
    def products_of_lookup(self) -> int:
        """Multiplications per lookup."""

    @property
    def entries(self) -> int:
        """Activations that leave the layer per cycle."""
        return self.folding.tiles if self.stage.per_pixel else self.emitted

    @property
    @abstractmethod
    def multipliers(self) -> int:
        """Products that the layer can compute per cycle."""

    @property
    @abstractmethod
    def products(self) -> int:
        """Maximum number of products that the layer computes per sample."""

    def check(self) -> None:
        """Raise FoldingError if the folding does not divide the layer or the engine cannot compute
        it; the message names the layer, the value and the rule.
        """
        name, folding = self.stage.name, self.folding
        smallest = min(asdict(folding).values())
        require(smallest >= 1, f"{name}: folding {folding} has a value below 1")
        _, rows, cols = self.stage.out_shape
        require(
            rows % folding.rows == 0,
            f"{name}: {folding.rows} tile rows do not divide {rows} output rows",
        )
        require(
            cols % folding.cols == 0,
            f"{name}: {folding.cols} tile columns do not divide {cols} output columns",
        )
        self.check_engine()
        require(
            self.weight_rows <= DEPTH_MAX,
            f"{name}: {self.weight_rows} rows of weights, the packed format takes "
            f"{DEPTH_MAX}; fold it with more {self.MORE}",
        )
        require(
            self.channel_rows <= DEPTH_MAX,
            f"{name}: {self.channel_rows} rows of constants, the packed format takes {DEPTH_MAX}",
        )

    def check_input(self, input_bytes: int) -> None:
        """Raise FoldingError if a first layer cannot take ``input_bytes`` per cycle."""
        del input_bytes

    @abstractmethod
    def check_engine(self) -> None:
        """Check the rules specific to the engine. Raises FoldingError."""


def require(condition: bool, message: str) -> None:
    """Raise FoldingError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise FoldingError(message)
