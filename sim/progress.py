"""Progress of long steps on the terminal: that of `twofold.sw.cli.progress`."""

from twofold.sw.cli.progress import Steps

__all__ = ["Steps"]
