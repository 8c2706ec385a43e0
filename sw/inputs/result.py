"""The samples that were read, and the files that could not be."""

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
    name: the path, for display.
    error: why it could not be read; one line that names the path.
    """

    name: str
    error: TwofoldError


@dataclass(frozen=True, eq=False)
class Inputs:
    """Samples for a network.

    Attributes
    ----------
    samples: uint8 ``[n, channels, height, width]``; n is 0 if nothing could be read.
    names: of the samples, for display.
    failures: paths that contributed no samples, in the order given.
    remarks: what the user should know about the samples that were read; one line each.
    """

    samples: NDArray[np.uint8]
    names: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """Exit code for a command that used what could be read: the first failure's, else 0."""
        return self.failures[0].error.exit_code if self.failures else 0

    def complete(self) -> "Inputs":
        """These inputs, if nothing failed.

        Raises the error of the only failure, or one error of the first one's type that lists all of
        them.
        """
        if not self.failures:
            return self
        first, *others = (failure.error for failure in self.failures)
        if not others:
            raise first
        lines = "; ".join(str(failure.error) for failure in self.failures)
        raise type(first)(f"{len(self.failures)} inputs cannot be read: {lines}")


def empty(network: Network) -> NDArray[np.uint8]:
    """An array of no samples for ``network``."""
    return np.empty((0, *network.input_shape), np.uint8)


def shown(path: Path) -> str:
    """A printable form of a path, whatever bytes its name has."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
