"""What was read, and what could not be."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.hw.contract.errors import TwofoldError
from twofold.hw.contract.network import Network


@dataclass(frozen=True)
class Failure:
    """A path that could not be read.

    Attributes
    ----------
    name: the path, for people.
    error: why not; one line that names the path.
    """

    name: str
    error: TwofoldError


@dataclass(frozen=True, eq=False)
class Inputs:
    """Samples for a network.

    Attributes
    ----------
    samples: uint8 ``[n, channels, height, width]``; n is 0 where nothing could be read.
    names: of the samples, for people.
    failures: paths of which nothing is among the samples, in the order given.
    remarks: what the user should know about samples that were read; a line each.
    """

    samples: NDArray[np.uint8]
    names: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Of a command that used what could be read: that of the first failure, else 0."""
        return self.failures[0].error.exit_code if self.failures else 0

    def complete(self) -> "Inputs":
        """These inputs, where nothing failed.

        Raises the error of the only failure, or an error of its kind that names all of them.
        """
        if not self.failures:
            return self
        first, *others = (failure.error for failure in self.failures)
        if not others:
            raise first
        lines = "; ".join(str(failure.error) for failure in self.failures)
        raise type(first)(f"{len(self.failures)} inputs cannot be read: {lines}")


def empty(network: Network) -> NDArray[np.uint8]:
    """No samples for ``network``."""
    return np.empty((0, *network.input_shape), np.uint8)


def shown(path: Path) -> str:
    """A path that can be printed, whatever bytes its name has."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
