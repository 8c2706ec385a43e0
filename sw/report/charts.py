"""Charts as HTML and inline SVG: self-contained, with text that stays readable on a phone.

A bar's fill shows where its value comes from; every chart has a legend for the fills.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

KINDS = {
    "measured": "measured here, by the clock",
    "simulated": "simulated: cycles counted in RTL, at an assumed clock",
    "published": "published by others",
    "assumed": "assumed: extrapolated from something measured or simulated",
    "estimated": "estimated by synthesis, not placed or routed",
}


@dataclass(frozen=True)
class Bar:
    """A value with its origin.

    Parameters
    ----------
    label: what the value is for.
    value: >= 0.
    kind: one of `KINDS`.
    text: the value as displayed.
    spread: quartiles, if there are any.
    mark: a limit to draw across the bar, if there is one.
    """

    label: str
    value: float
    kind: str
    text: str
    spread: tuple[float, float] | None = None
    mark: float | None = None


@dataclass(frozen=True)
class Group:
    """Bars under a heading."""

    title: str
    bars: Sequence[Bar]


def legend(kinds: Iterable[str]) -> str:
    """What the fills of these kinds mean, in the order of `KINDS`."""
    wanted = set(kinds)
    keys = "".join(
        f'<span class="key"><i class="{kind}"></i>{escape(text)}</span>'
        for kind, text in KINDS.items()
        if kind in wanted
    )
    return f'<div class="legend">{keys}</div>'


def figure(
    title: str, chart: str, caption: str, kinds: Iterable[str], commands: Sequence[str]
) -> str:
    """A chart with title, legend, caption and the commands that produce its data."""
    behind = " ".join(f"<code>{escape(command)}</code>" for command in commands)
    return (
        f"<figure><h3>{escape(title)}</h3>{chart}"
        f"{legend(kinds)}"
        f"<figcaption>{escape(caption)} {behind}</figcaption></figure>"
    )


def absent(title: str, reasons: Sequence[str]) -> str:
    """Placeholder for a figure whose data is missing."""
    points = "".join(f"<li>{code_spans(reason)}</li>" for reason in reasons)
    return (
        f'<figure class="absent"><h3>{escape(title)}</h3>'
        f"<p>Missing, so nothing is drawn:</p><ul>{points}</ul></figure>"
    )


def code_spans(text: str) -> str:
    """``text`` as HTML, with text between backquotes as code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{part}</code>" if at % 2 else part for at, part in enumerate(parts))


def kinds_of(groups: Sequence[Group]) -> set[str]:
    """Kinds of the values of these bars."""
    return {bar.kind for group in groups for bar in group.bars}


def bar_chart(groups: Sequence[Group], *, logarithmic: bool = False) -> str:
    """Horizontal bars on one scale, which starts at 0 or, if logarithmic, at a power of ten."""
    values = [bar.value for group in groups for bar in group.bars if bar.value > 0]
    tops = [bar.spread[1] for group in groups for bar in group.bars if bar.spread]
    top = max([*values, *tops], default=1.0)
    bottom = 10 ** math.floor(math.log10(min(values, default=1.0) / 1.5)) if logarithmic else 0.0

    def share(value: float) -> float:
        if logarithmic:
            whole = math.log(top / bottom)
            return 100 * math.log(max(value, bottom) / bottom) / whole
        return 100 * value / top

    parts = []
    for group in groups:
        rows = "".join(_bar(bar, share) for bar in group.bars)
        heading = f"<h4>{escape(group.title)}</h4>" if group.title else ""
        parts.append(f'<div class="group">{heading}{rows}</div>')
    note = f'<p class="scale">logarithmic from {bottom:,.12g}</p>' if logarithmic else ""
    return f'<div class="bars">{"".join(parts)}{note}</div>'


def _bar(bar: Bar, share) -> str:
    whisker = mark = ""
    if bar.spread:
        low, high = share(bar.spread[0]), share(bar.spread[1])
        whisker = f'<b class="iqr" style="left:{low:.2f}%;width:{max(high - low, 0):.2f}%"></b>'
    if bar.mark is not None:
        mark = f'<b class="mark" style="left:{min(share(bar.mark), 100):.2f}%"></b>'
    return (
        f'<div class="bar"><span class="label">{escape(bar.label)}</span>'
        f'<span class="value">{escape(bar.text)}</span>'
        f'<span class="track"><i class="{bar.kind}" style="width:{share(bar.value):.2f}%"></i>'
        f"{whisker}{mark}</span></div>"
    )
