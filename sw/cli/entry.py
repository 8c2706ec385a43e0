"""The installed command. It is loaded before everything else, so that Ctrl-C during the imports is
an end like any other.
"""

import signal
import sys


def main() -> int:
    """Run ``twofold`` and return its exit code."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from twofold.sw.cli import main as command

    signal.signal(signal.SIGINT, before)
    return command.main()


if __name__ == "__main__":
    sys.exit(main())
