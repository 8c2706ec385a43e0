"""Errors of the software that a user can act on; `twofold.hw.contract.errors` has the rules for
them.
"""

from collections.abc import Sequence

from twofold.hw.contract.errors import TwofoldError

NAMED = 20
"""Maximum number of bad files that a message names."""


class InputError(TwofoldError):
    """An input that cannot be used: an array, a picture, or a file of an unsupported kind."""

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
    """A model that cannot be imported from ONNX or exported to it, or an export that is invalid."""

    exit_code = 10


class TrainingError(TwofoldError):
    """Training that cannot continue."""

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
    """The device is already open."""


class DeviceLostError(DeviceError):
    """The device went away while it was in use."""


class DeviceTimeoutError(DeviceError):
    """A run timed out."""


class DeviceRefusedError(DeviceError):
    """The kernel ended a run with a status other than OK."""


def refuse_all(bad: Sequence[str], what: str) -> None:
    """Raise DatasetError if there are any ``bad``; it lists these lines about ``what``."""
    if bad:
        more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
        raise DatasetError(
            f"{len(bad)} {what} cannot be used, mend or remove them: {'; '.join(bad[:NAMED])}{more}"
        )
