"""Errors that a user can act on: one class per kind of failure, each with its own exit code.

The command line prints ``str(error)`` as one line and exits with ``exit_code``. A message names the
offending value and the rule it breaks. Exit code 2 is that of ``argparse``, too.
"""


class TwofoldError(Exception):
    """Base of every error that Twofold raises on purpose."""

    exit_code = 1


class UsageError(TwofoldError):
    """Options of a command line that do not go together."""

    exit_code = 2


class NetworkError(TwofoldError):
    """A network description that is inconsistent or outside the supported family."""

    exit_code = 3


class FoldingError(TwofoldError):
    """A folding that does not divide its network, or that the engines cannot support."""

    exit_code = 4


class MachineError(FoldingError):
    """A corrupt machine file, or a network that does not fit its machine."""


class ParameterError(TwofoldError):
    """A parameter image with a wrong magic, version, length, checksum, fingerprint or section."""

    exit_code = 5


class ToolError(TwofoldError):
    """A program or package that this step needs is missing or failed."""

    exit_code = 6


class BoardError(TwofoldError):
    """A board that is unknown, or that lacks what was asked of it."""

    exit_code = 13


class FileError(TwofoldError):
    """A file that cannot be read or written, is too long, or is not a regular file."""

    exit_code = 14
