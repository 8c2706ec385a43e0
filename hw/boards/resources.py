"""Device resources, counted by kind."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Resources:
    """What a piece of hardware uses of the device, or what a part of the device has.

    Attributes
    ----------
    lut: look-up tables; a memory in LUTs counts as the LUTs that it uses.
    ff: flip-flops.
    bram36: block RAMs, in units of 36 Kbit: one of half the size counts as 0.5.
    uram: UltraRAMs, of 288 Kbit.
    dsp: multipliers.
    """

    lut: float = 0
    ff: float = 0
    bram36: float = 0
    uram: float = 0
    dsp: float = 0

    def __add__(self, other: "Resources") -> "Resources":
        return Resources(*(mine + its for mine, its in zip(self.values, other.values, strict=True)))

    def __mul__(self, count: float) -> "Resources":
        return Resources(*(count * value for value in self.values))

    @property
    def values(self) -> tuple[float, ...]:
        """The counts in field order."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def as_dict(self) -> dict[str, float]:
        """For JSON: integers, except for half block RAMs."""
        return {
            field.name: round(value, 1) if value % 1 else round(value)
            for field, value in zip(fields(self), self.values, strict=True)
        }


NAMES = tuple(field.name for field in fields(Resources))
"""Kinds of resources, in field order."""


def share(taken: Resources, whole: Resources) -> tuple[float, ...]:
    """Share of each kind that is used; infinite if a kind is used that the whole does not have."""
    return tuple(
        value / most if most else (float("inf") if value else 0.0)
        for value, most in zip(taken.values, whole.values, strict=True)
    )


def scaled(whole: Resources, shares: Resources) -> Resources:
    """``whole`` with each kind multiplied by its share in ``shares``."""
    return Resources(*(size * part for size, part in zip(whole.values, shares.values, strict=True)))
