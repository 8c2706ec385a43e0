"""Options that would have no effect are refused: nobody waits for a result that ignores them."""

import argparse

from twofold.hw.contract.errors import UsageError


def refuse(args: argparse.Namespace, *names: str, why: str) -> None:
    """Raise UsageError for the first of these options that was given; ``why`` follows its name.

    Options of these names have a default of None, False or an empty list.
    """
    for name in names:
        value = getattr(args, name, None)
        if value is not None and value is not False and value != []:
            raise UsageError(f"--{name.replace('_', '-')} {why}")
