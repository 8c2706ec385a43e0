"""Components: the parts of a machine that the area model covers."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from twofold.hw.boards.resources import Resources


@dataclass(frozen=True)
class Component:
    """A part of a machine that the model covers.

    Attributes
    ----------
    layer: name of its layer, "" if it belongs to none.
    kind: key of its factors.
    count: number of instances.
    each: what one instance uses.
    """

    layer: str
    kind: str
    count: int
    each: Resources

    @property
    def total(self) -> Resources:
        """What all instances use."""
        return self.each * self.count


def joined(found: Iterable[Component]) -> list[Component]:
    """The components, with those of the same layer and kind merged."""
    whole: dict[tuple[str, str], Component] = {}
    for one in found:
        key = one.layer, one.kind
        if key in whole:
            one = replace(one, count=1, each=whole[key].total + one.total)
        whole[key] = one
    return list(whole.values())
