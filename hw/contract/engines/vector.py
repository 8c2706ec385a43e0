"""Vector: a linear layer over the network's input, multiplied as its bytes arrive."""

from dataclasses import dataclass
from typing import Any

from twofold.hw.contract.engines.base import Plan, require
from twofold.hw.contract.engines.scatter import ScatterFolding, ScatterPlan
from twofold.hw.contract.network import Stage


@dataclass(frozen=True, kw_only=True)
class VectorFolding(ScatterFolding):
    """Folding of a linear layer over the input.

    Parameters
    ----------
    engines: inputs taken per cycle; divides the bytes of a beat.
    lanes: sets that an engine computes at a time; divides the number of sets.
    drain: units leaving per cycle; divides the lanes.
    """

    def plan(
        self,
        stage: Stage,
        source: Plan | None,
        *,
        zero_point: int = 0,
        emit: int = 1,
        other: Plan | None = None,
    ) -> "VectorPlan":
        return VectorPlan(stage, self, None, emit)


@dataclass(frozen=True)
class VectorPlan(ScatterPlan):
    """A linear layer over the input, with its folding.

    A beat is cut into chunks of ``engines`` neighbouring inputs, each presented once per round.
    Input ``chunk * engines + engine`` always goes to the same engine, so an engine stores the
    weights of its own inputs only. Behind that it is a scatter layer.

    Attributes
    ----------
    source: there is none.
    """

    folding: VectorFolding
    source: Any = None

    @property
    def streamed(self) -> bool:
        return True

    @property
    def shares_rows(self) -> bool:
        return False

    @property
    def winner_beats(self) -> int:
        """Chunks of a sample."""
        return -(-self.stage.inputs // self.folding.engines)

    @property
    def engine_taps(self) -> int:
        return 1

    @property
    def indices(self) -> int:
        return self.winner_beats

    @property
    def weight_rows(self) -> int:
        """Depth of the weight table: one row per engine, chunk and round."""
        return (self.folding.engines << self.index_bits) * self.rounds

    @property
    def spans(self) -> tuple[range, ...]:
        """The engines, one by one, in place of taps."""
        return tuple(range(at, at + 1) for at in range(self.folding.engines))

    @property
    def walks_taps(self) -> bool:
        return True

    def check_input(self, input_bytes: int) -> None:
        require(
            input_bytes % self.folding.engines == 0,
            f"{self.stage.name}: {self.folding.engines} engines do not divide the {input_bytes} "
            "bytes that arrive in a cycle",
        )

    def check_engine(self) -> None:
        stage = self.stage
        require(
            stage.index == 0 and stage.layer.FLATTENS,
            f"{stage.name}: the vector engine serves a first linear layer, over the input",
        )
        super().check_engine()
