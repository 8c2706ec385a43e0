"""What is said of a program that failed: its error, not what it said besides."""

import pytest

from twofold.hw.tools.diagnosis import diagnosis

WARNING = "%Warning-WIDTH: core.v:3:1: Operator SUB expects 8 bits, Error bits are 3"


@pytest.mark.parametrize(
    ("output", "code", "line"),
    [
        (
            (
                f"{WARNING}\n%Error: core.v:9:1: Can't find definition of module: 'tile'\n"
                "%Error: Exiting due to 1 error(s)\n"
            ),
            1,
            "%Error: core.v:9:1: Can't find definition of module: 'tile' (exit code 1)",
        ),
        (f"{WARNING}\n%Error-UNSUPPORTED: core.v:1: it\n", 1, "%Error-UNSUPPORTED: core.v:1: it"),
        (
            (
                "x.cpp:1:2: warning: unused 'error' [-Wunused]\nx.cpp:3:4: error: expected ';'\n"
                "make: *** [Vtop.mk:9: x.o] Error 1\n"
            ),
            2,
            "x.cpp:3:4: error: expected ';' (exit code 2)",
        ),
        (
            (
                "ld: x.o: in function `f': x.cpp:(.text+0x5): undefined reference to `g'\n"
                "collect2: error: ld returned 1 exit status\n"
            ),
            2,
            "ld: x.o: in function `f': x.cpp:(.text+0x5): undefined reference to `g'",
        ),
        ("as: x.o: No space left on device\nmake: *** [a] Error 1", 2, "as: x.o: No space left"),
        ("g++: fatal error: Killed signal terminated program cc1plus\n", 2, "g++: fatal error: Ki"),
        ("make: *** No rule to make target 'a b'.  Stop.\n", 2, "make: *** No rule to make target"),
        ("ERROR: Can't open input file\nend\n", 1, "ERROR: Can't open input file (exit code 1)"),
        ("one\ntwo\n\n", 3, "two (exit code 3)"),
        ("", -9, "no output (signal 9, Killed)"),
        ("", -120, "no output (signal 120)"),
    ],
)
def test_the_error_is_told_and_how_it_ended(output: str, code: int, line: str):
    assert diagnosis(output, code).startswith(line)
    assert diagnosis(output.splitlines(), code) == diagnosis(output, code)
