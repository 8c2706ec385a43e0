"""Progress of long steps on the terminal: that of `sw.cli.progress`."""

from sw.cli.progress import Steps

__all__ = ["Steps"]
