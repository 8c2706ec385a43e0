"""Hierarchy of emitted Verilog: which parts are synthesised, and how many instances each has.

A *part* is the top module, a submodule of the top, or a tile. It is synthesised flat, together with
all its submodules that are not parts themselves; those that are parts become black boxes.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

MODULE = re.compile(r"^(?:\(\*.*?\*\)\s*)*module (\\\S+|\w+)\s*[(;].*?^endmodule\n?", re.M | re.S)
INSTANCE = re.compile(r"^  \\?(\S+) +(?:\\\S+ |\w+) *\($", re.M)
PORT = re.compile(r"^  (?:input|output) .*;$", re.M)


@dataclass(frozen=True)
class Module:
    """A module of the Verilog text.

    Attributes
    ----------
    name: without the backslash of escaped names.
    text: from ``module`` to ``endmodule``.
    instances: number of instances of each other module, in order of first use.
    """

    name: str
    text: str
    instances: dict[str, int]

    @property
    def stub(self) -> str:
        """The module as a black box: its ports only."""
        header = self.text[self.text.index("module ") : self.text.index(";") + 1]
        return f"(* blackbox *)\n{header}\n" + "\n".join(PORT.findall(self.text)) + "\nendmodule\n"


class Hierarchy:
    """Modules of a Verilog text written by `twofold.hw.primitives.tile.emit`.

    Parameters
    ----------
    text: all modules.
    top: name of the top module.
    """

    def __init__(self, text: str, top: str) -> None:
        found = {match[1].removeprefix("\\"): match[0] for match in MODULE.finditer(text)}
        self.top = top
        self.modules = {name: _module(name, body, found) for name, body in found.items()}

    @cached_property
    def parts(self) -> list[str]:
        """Names of all parts, each after those that it instantiates."""
        children = self.modules[self.top].instances
        chosen = {self.top, *children, *(name for name in self.modules if "." not in name)}
        ordered: dict[str, None] = {}

        def visit(name: str) -> None:
            for child in self._parts_below(name, chosen):
                if child not in ordered:
                    visit(child)
            ordered[name] = None

        visit(self.top)
        return list(ordered)

    def children(self, part: str) -> Counter[str]:
        """Parts that a part instantiates, with the number of instances."""
        return self._parts_below(part, set(self.parts))

    def counts(self, part: str) -> Counter[str]:
        """Number of instances of every part in one instance of ``part``, itself included."""
        total = Counter({part: 1})
        for child, count in self.children(part).items():
            for name, inside in self.counts(child).items():
                total[name] += count * inside
        return total

    def verilog(self, part: str) -> str:
        """Text that a part is synthesised from: its modules, and stubs for the parts in it."""
        inside = list(self._inside(part))
        stubs = (self.modules[name].stub for name in self.children(part))
        return "".join([*(self.modules[name].text for name in inside), *stubs])

    def _inside(self, part: str) -> Iterable[str]:
        yield part
        for name in self.modules[part].instances:
            if name not in self.parts:
                yield from self._inside(name)

    def _parts_below(self, name: str, parts: set[str]) -> Counter[str]:
        found: Counter[str] = Counter()
        for child, count in self.modules[name].instances.items():
            below = {child: 1} if child in parts else self._parts_below(child, parts)
            for part, inside in below.items():
                found[part] += count * inside
        return found


def _module(name: str, text: str, known: Iterable[str]) -> Module:
    kinds = INSTANCE.findall(text)
    return Module(name, text, dict(Counter(kind for kind in kinds if kind in known)))
