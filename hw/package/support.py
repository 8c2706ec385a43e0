"""Which versions of the vendor's tools can build for a board: described, checked, documented."""

from twofold.hw.boards.board import Board
from twofold.hw.contract.regs import KERNEL_NAME

SCRIPT = "tools.sh"
OVERRIDE = "ANY_VERSION"
"""Environment or make variable that accepts any version."""
README = "README.md"
TOOL_ERROR = 6


def versions(board: Board) -> str:
    """The tool versions that support a board, in one line."""
    shell = board.platform
    dropped = " (newer versions dropped it)" if shell.tools.newest else ""
    return f"{board.title}: platform {shell.platform} needs {shell.tools.range}{dropped}"


def tools_sh(board: Board) -> str:
    """Shell script that checks whether programs have a version that supports the board.

    ``sh tools.sh PROGRAM...`` exits with 0 if all have; otherwise with 6 after a line on standard
    error. Versions have the form 2022.1 and are compared as text.
    """
    tools = board.platform.tools
    newest = f'in_order "$version" {tools.newest}' if tools.newest else "true"
    return f"""\
#!/bin/sh
# sh {SCRIPT} PROGRAM...: are these versions of the vendor's tools that support the board?
# {versions(board)}
# {OVERRIDE}=1 goes on with any version.
in_order() {{
    printf '%s\\n' "$@" | LC_ALL=C sort -c 2>/dev/null
}}
refuse() {{
    echo "ERROR: $1; {versions(board)};" \\
        "source settings64.sh of such a version, or set {OVERRIDE}=1" >&2
    exit {TOOL_ERROR}
}}
test "${{{OVERRIDE}:-}}" = 1 && exit 0
for program; do
    case "$program" in *vivado*) option=-version ;; *) option=--version ;; esac
    version=$("$program" $option 2>/dev/null </dev/null |
        sed -n 's/.*[vV]\\(20[0-9][0-9]\\.[0-9]\\).*/\\1/p' | head -n 1)
    test -n "$version" || refuse "$program reports no version"
    in_order {tools.oldest} "$version" && {newest} || refuse "$program is $version"
    echo "$program $version supports the {board.title}"
done
"""


def check(*programs: str) -> str:
    """Recipe line for the Makefile that fails if a program does not support the board."""
    return f"\t@sh {SCRIPT} {' '.join(programs)}"


def readme(board: Board, slug: str, units: tuple[str, ...]) -> str:
    """README of a build folder: what is in it, and what it needs.

    ``units``: names of the compute units, in the order of the board's regions.
    """
    shell, memory = board.platform, board.platform.memory
    rows = "\n".join(
        f"| {unit} | {region.name} | {memory.name(board.bank(number))} |"
        for number, (unit, region) in enumerate(zip(units, board.regions, strict=True))
    )
    built = "" if board.built else f"No bitstream has been built for the {board.title} yet.\n\n"
    return f"""\
# {slug}

Build of kernel `{KERNEL_NAME}` for the {board.title} ({board.part}) at {board.clock_mhz} MHz, on \
platform `{shell.platform}`.

| unit | region | memory |
|---|---|---|
{rows}

## Tools

{versions(board)}.
`{SCRIPT}` checks the versions on PATH before each step; `make {OVERRIDE}=1` goes on with any.

{built}## Steps

    make          # package, link, describe: {KERNEL_NAME}.xclbin; goes on where it stopped
    make unit     # one unit by itself, in an SLR's dynamic region: area, timing (Vivado only)

The host needs {board.host.runtime} and the card behind {board.host.link}.
"""
