"""Descriptions as JSON objects: written with their kind, read back as untrusted input."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from twofold.hw.contract.errors import NetworkError

LATER: Mapping[str, bool] = {"later": True}
"""Metadata of a field that was added to its class later on."""


Described = TypeVar("Described", bound="Description")


@dataclass(frozen=True, repr=False)
class Description:
    """A frozen dataclass with a JSON form, a reader for each of its fields and a stable `repr`.

    A field that was added `LATER` is omitted from both while it has its default. That way
    descriptions made before it existed keep their JSON, and with it the fingerprint of their
    machine; and tiles keep their names in Verilog, which are made from the `repr`.

    Attributes
    ----------
    READERS: function that checks and converts the JSON value of each field; fields without one are
        plain integers. Readers raise TypeError or ValueError.
    """

    READERS: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}

    def to_json(self) -> dict[str, Any]:
        """Plain, ordered representation, with the name of the kind."""
        return {"kind": type(self).__name__} | {
            name: value.to_json() if isinstance(value, Description) else value
            for name, value in self._stated()
        }

    @classmethod
    def from_json(cls: type[Described], tree: Mapping[str, Any]) -> Described:
        """Read back what `to_json` wrote, without its kind.

        Raises TypeError or ValueError naming the field.
        """
        found: dict[str, Any] = {}
        for name, value in tree.items():
            try:
                found[name] = cls.READERS.get(name, integer)(value)
            except TypeError as error:
                raise TypeError(f"{name}: {error}") from error
        return cls(**found)

    def _stated(self) -> list[tuple[str, Any]]:
        """Names and values of all fields, except those added later that have their default.

        Fields of the class itself come before inherited ones.
        """
        every = fields(self)
        own = [field for field in every if field.name in type(self).__annotations__]
        inherited = [field for field in every if field not in own]
        return [
            (field.name, getattr(self, field.name))
            for field in (*own, *inherited)
            if not (field.metadata.get("later") and getattr(self, field.name) == field.default)
        ]

    def __repr__(self) -> str:
        stated = ", ".join(f"{name}={value!r}" for name, value in self._stated())
        return f"{type(self).__name__}({stated})"


def typed(value: Any, kind: type) -> Any:
    """Return ``value``. Raises TypeError unless its type is exactly ``kind``."""
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, found {value!r}")
    return value


def integer(value: Any) -> int:
    """Return a plain integer. Raises TypeError."""
    return typed(value, int)


def boolean(value: Any) -> bool:
    """Return a plain boolean. Raises TypeError."""
    return typed(value, bool)


def integers(values: Any) -> tuple[int, ...]:
    """Return a sequence of plain integers as a tuple. Raises TypeError."""
    return tuple(integer(value) for value in values)


def optional_integer(value: Any) -> int | None:
    """Return a plain integer or None. Raises TypeError."""
    return None if value is None else integer(value)


def kind_of(tree: Any, kinds: Mapping[str, type[Described]]) -> Described:
    """Description read from a JSON object, of one of these kinds.

    Raises TypeError, KeyError or ValueError.
    """
    found = dict(tree)
    name = found.pop("kind")
    if name not in kinds:
        raise TypeError(f"{name} does not belong here; choose one of {', '.join(kinds)}")
    return kinds[name].from_json(found)


def require(condition: bool, message: str) -> None:
    """Raise NetworkError with ``message`` unless ``condition`` holds."""
    if not condition:
        raise NetworkError(message)


__all__ = [
    "LATER", "Description", "boolean", "integer", "integers", "kind_of",
    "optional_integer", "require", "typed",
]  # fmt: skip
