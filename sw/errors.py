"""Errors of the software that a user can act on; `twofold.hw.contract.errors` has the rules they
keep.
"""

from twofold.hw.contract.errors import TwofoldError


class AudioError(TwofoldError):
    """Audio that cannot be read, or whose channels, rate or length are not supported."""

    exit_code = 7


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
