"""Errors of the software that a user can act on; `twofold.hw.contract.errors` has the rules they
keep.
"""

from collections.abc import Sequence

from twofold.hw.contract.errors import TwofoldError

NAMED = 20
"""Bad files that a message names at most."""


class InputError(TwofoldError):
    """An input that cannot be used: an array, a picture, or a file of a kind nobody asked for."""

    exit_code = 7


class AudioError(InputError):
    """Audio that cannot be read, or whose channels, rate, length or level are not supported."""


class DatasetError(TwofoldError):
    """A folder that is not a data set in the expected layout, or a part of it that is missing."""

    exit_code = 8


class ArtefactError(TwofoldError):
    """A file of weights or a checkpoint that is damaged, of another version or does not fit."""

    exit_code = 9


class OnnxError(TwofoldError):
    """A network that cannot be exported to ONNX, or an export that does not check."""

    exit_code = 10


class TrainingError(TwofoldError):
    """Training that cannot go on."""

    exit_code = 11


class DeviceError(TwofoldError):
    """A card, or the runtime in front of it, that is missing, busy, lost, or refuses a run."""

    exit_code = 12


class MissingRuntimeError(DeviceError):
    """The vendor's runtime, or the package that talks to it, is not installed."""


class NoCardError(DeviceError):
    """There is no card, or its shell is not programmed."""


class WrongPlatformError(DeviceError):
    """A bitstream that was built for another platform, kernel or emulation mode."""


class DeviceBusyError(DeviceError):
    """The device is opened already."""


class DeviceLostError(DeviceError):
    """The device went away while it was in use."""


class DeviceTimeoutError(DeviceError):
    """A run did not end in time."""


class DeviceRefusedError(DeviceError):
    """The kernel ended a run with a status other than OK."""


def refuse_all(bad: Sequence[str], what: str) -> None:
    """Raise DatasetError that names all of ``bad``, lines about ``what``, if there are any."""
    if bad:
        more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise DatasetError(
            f"{len(bad)} {what} cannot be used, mend or remove them: {'; '.join(bad[:NAMED])}{more}"
        )
