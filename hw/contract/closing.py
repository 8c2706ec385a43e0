"""Objects that hold resources and must be closed."""

import os
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

Self = TypeVar("Self", bound="Closing")


class Closing(ABC):
    """A context manager that closes itself when the context ends."""

    @abstractmethod
    def close(self) -> None:
        """Release what is held; calling it twice is harmless."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Owner:
    """The process that made an object.

    A fork copies objects, but neither their threads nor their hold on a device: a call in the child
    would wait for ever, and closing there would close what the parent uses.
    """

    def __init__(self) -> None:
        self._process = os.getpid()

    @property
    def here(self) -> bool:
        """Whether this is that process."""
        return os.getpid() == self._process

    def refusal(self, what: str) -> str | None:
        """Why ``what`` cannot be used here; None in the process that made it."""
        if self.here:
            return None
        return (
            f"{what} belongs to process {self._process}, of which this one is a fork; make a new "
            "one here, or start workers with `spawn`"
        )
