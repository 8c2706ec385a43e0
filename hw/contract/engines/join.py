"""Join: an addition of two layers, computed by scatter engines, one for each of the two."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

from twofold.hw.contract.engines.base import Plan, require
from twofold.hw.contract.engines.scatter import ScatterFolding, ScatterPlan
from twofold.hw.contract.errors import FoldingError
from twofold.hw.contract.network import Stage

SOURCES = 2
"""Layers that are added, each of which has an engine of its own."""


@dataclass(frozen=True, kw_only=True)
class JoinFolding(ScatterFolding):
    """Folding of an addition: tiles, and lanes where there are more channels than a set holds."""

    engines: int = SOURCES

    def plan(
        self,
        stage: Stage,
        source: Plan | None,
        *,
        zero_point: int = 0,
        emit: int = 1,
        other: Plan | None = None,
    ) -> "JoinPlan":
        if source is None or other is None:
            raise FoldingError(f"{stage.name}: an addition needs two layers in front of it")
        return JoinPlan(stage, self, source, emit, other=other)

    def text(self) -> str:
        return f"{self.rows}x{self.cols} {self.lanes} joined"


@dataclass(frozen=True)
class JoinPlan(ScatterPlan):
    """An addition with its folding, and everything that follows from the two.

    A tile is that of a scatter layer with two taps, each of which is the same pixel of another
    layer. Both layers' lists are walked at the same time.

    Attributes
    ----------
    other: plan of the second layer that it reads.
    """

    folding: JoinFolding
    other: Plan = field(kw_only=True)

    MORE: ClassVar[str] = "lanes"

    @property
    def sides(self) -> tuple[ScatterPlan, ...]:
        """For each layer that it reads, the plan of a scatter layer that looks up its pixels as
        this one does.
        """
        folding = self.folding
        plain = ScatterFolding(rows=folding.rows, cols=folding.cols, lanes=folding.lanes)
        stage = self.stage
        return tuple(
            ScatterPlan(replace(stage, sources=(index,), zeros=(zero,), zero=zero), plain, source)
            for index, zero, source in zip(
                stage.sources, stage.zeros, (self.source, self.other), strict=True
            )
        )

    def check_engine(self) -> None:
        super().check_engine()
        require(
            self.folding.engines == SOURCES,
            f"{self.stage.name}: {self.folding.engines} engines, an addition has {SOURCES}",
        )
