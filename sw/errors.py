"""Errors of the software that a user can act on; `hw.contract.errors` has the rules they keep."""

from hw.contract.errors import TwofoldError


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
