"""Former names of commands and options; they keep working for one release, with a note."""

from collections.abc import Sequence

VERBS = {"build": "import", "fold": "solve"}
OPTIONS = {"--words": "--samples"}
"""For every verb."""
FOLD_OPTIONS = {"--latency": "--spans", "--json": "--figures"}
"""For ``fold``: ``--latency`` took no number, ``--json`` a file, ``--network`` a shipped network.
"""


def translated(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """The command line with current names, and a note for each name that was replaced."""
    if not arguments:
        return [], []
    verb, *rest = arguments
    notes = []
    if verb in VERBS:
        notes.append(f"`twofold {verb}` is called `twofold {VERBS[verb]}` now")
    table = OPTIONS | (FOLD_OPTIONS if verb == "fold" else {})
    found = [VERBS.get(verb, verb)]
    for at, argument in enumerate(rest):
        option, equals, value = argument.partition("=")
        new = table.get(option, option)
        if (
            verb == "fold"
            and option == "--network"
            and not (value or _at(rest, at + 1)).endswith(".npz")
        ):
            new = "--net"
        if new != option:
            notes.append(f"`{option}` is called `{new}` now")
        found.append(f"{new}{equals}{value}")
    return found, notes


def _at(arguments: Sequence[str], index: int) -> str:
    return arguments[index] if index < len(arguments) else ""
