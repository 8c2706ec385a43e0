"""What the foldings and plans of all engines have in common."""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import ClassVar, TypeVar

from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.network import Stage

DEPTH_MAX = 1 << 16
"""Rows of a table at most: as far as the loader's addresses reach."""

AnyFolding = TypeVar("AnyFolding", bound="LayerFolding")


@dataclass(frozen=True, kw_only=True)
class LayerFolding:
    """How much of a layer is built.

    Parameters
    ----------
    rows, cols: tiles built, dividing the rows and columns of the pooled output.
    """

    rows: int = 1
    cols: int = 1

    @property
    def tiles(self) -> int:
        """Tiles built."""
        return self.rows * self.cols

    @property
    def takes(self) -> int:
        """Global winners that the engine takes a cycle."""
        return 1

    @property
    def multipliers(self) -> int:
        """Products of a cycle at each position of the pooling windows that are built."""
        raise NotImplementedError

    def quickest(self: AnyFolding, stage: Stage) -> AnyFolding:
        """The same folding of ``stage``, with results that leave as fast as they can."""
        del stage
        return self

    def tiles_only(self: AnyFolding) -> AnyFolding:
        """The smallest folding with these tiles."""
        return type(self)(rows=self.rows, cols=self.cols)

    def plan(
        self, stage: Stage, source: "Plan | None", *, zero_point: int = 0, emit: int = 1
    ) -> "Plan":
        """Plan of ``stage`` with this folding.

        Parameters
        ----------
        source: plan of the layer before, None for the first.
        zero_point: of the image.
        emit: global winners that the layer behind takes a cycle.

        Raises FoldingError for a first layer that the engine cannot be.
        """
        raise NotImplementedError

    def end(self, stage: Stage) -> tuple[int, ...]:
        """What the layers behind ``stage`` see of its folding."""
        del stage
        return self.rows, self.cols

    def text(self) -> str:
        """The folding in a few characters."""
        raise NotImplementedError


@dataclass(frozen=True)
class Plan(ABC):
    """A layer with its folding, and everything that follows from the two.

    Attributes
    ----------
    stage, folding: what it was made from.
    MORE: what to ask for when the table of weights is too deep.
    """

    stage: Stage
    folding: LayerFolding

    MORE: ClassVar[str] = ""

    @property
    def emitted(self) -> int:
        """Global winners leaving the layer a cycle."""
        return 1

    @property
    def drain(self) -> int:
        """Channels leaving a tile a cycle; also the lanes of the tables of constants."""
        return 1

    @property
    def passes(self) -> int:
        """Blocks of tiles in a sample, row by row."""
        _, rows, cols = self.stage.out_shape
        return (rows // self.folding.rows) * (cols // self.folding.cols)

    @property
    @abstractmethod
    def steps(self) -> int:
        """Cycles of multiplication in a pass."""

    @property
    @abstractmethod
    def interval(self) -> int:
        """Cycles from pass to pass."""

    @property
    def cycles(self) -> int:
        """Cycles a sample."""
        return self.passes * self.interval

    @property
    def busy(self) -> int:
        """Cycles a sample up to the accumulators; what follows may take longer."""
        return self.cycles

    @property
    @abstractmethod
    def emission(self) -> int:
        """Cycles in which a pass's results leave, at most: list entries, or beats of winners."""

    @property
    @abstractmethod
    def weight_lanes(self) -> int:
        """Memories of the table of weights."""

    @property
    @abstractmethod
    def weight_rows(self) -> int:
        """Depth of the table of weights."""

    @property
    @abstractmethod
    def weight_tag_bits(self) -> int:
        """Bits beside a weight in its table, which say where it belongs."""

    @property
    @abstractmethod
    def channel_rows(self) -> int:
        """Depth of the tables of constants."""

    @property
    @abstractmethod
    def lookups(self) -> int:
        """Looks that the layer can have in a cycle."""

    @property
    @abstractmethod
    def products_of_lookup(self) -> int:
        """Multiplications of a look."""

    @property
    def entries(self) -> int:
        """Activations that leave the layer in a cycle."""
        return self.folding.tiles if self.stage.per_pixel else self.emitted

    @property
    @abstractmethod
    def multipliers(self) -> int:
        """Products that the layer can compute in a cycle."""

    @property
    @abstractmethod
    def products(self) -> int:
        """Products that a sample needs of the layer, at most."""

    @abstractmethod
    def as_source(self) -> "Plan":
        """The same plan as far as the routing of the layer behind looks at it."""

    def check(self) -> None:
        """Raise FoldingError when the folding does not divide the layer, or the engine cannot
        serve it; the message names the layer, the value and the rule.
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

    @abstractmethod
    def check_engine(self) -> None:
        """The rules of the engine alone. Raises FoldingError."""


def require(condition: bool, message: str) -> None:
    """Raise FoldingError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise FoldingError(message)
