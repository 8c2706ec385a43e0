"""Charts as HTML: self-contained, with text that stays readable on a phone.

Linear scales have bars, which begin at 0; logarithmic ones have dots, as nothing begins there. The
filling says where a value comes from, the colour whether it is this project's.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

KINDS = {
    "measured": "measured here, by the clock",
    "simulated": "simulated: cycles counted in RTL, at an assumed clock",
    "published": "published by others",
    "assumed": "assumed: extrapolated from something measured or simulated",
    "estimated": "estimated by synthesis, not placed or routed",
}
DECADES_LABELLED = 4
"""Up to this many powers of ten every one has a label on its axis."""

Share = Callable[[float], float]
"""Place of a value on a chart, in percent of its width."""


@dataclass(frozen=True)
class Value:
    """A value with its origin.

    Parameters
    ----------
    label: what the value is for.
    value: >= 0.
    kind: one of `KINDS`.
    text: the value as displayed.
    spread: quartiles, if there are any.
    mark: a limit to draw across it, if there is one.
    own: whether it is of this project.
    beyond: a second value and its kind, extrapolated from the first.
    """

    label: str
    value: float
    kind: str
    text: str
    spread: tuple[float, float] | None = None
    mark: float | None = None
    own: bool = False
    beyond: tuple[float, str] | None = None

    @property
    def kinds(self) -> set[str]:
        """Kinds that are drawn for it."""
        return {self.kind, *([self.beyond[1]] if self.beyond else [])}

    @property
    def all(self) -> list[float]:
        """Every number that is drawn for it."""
        return [self.value, *(self.spread or ()), *([self.beyond[0]] if self.beyond else [])]


@dataclass(frozen=True)
class Group:
    """Values under a heading."""

    title: str
    values: Sequence[Value]


def legend(kinds: Iterable[str], *, own: bool = True) -> str:
    """What these fillings mean, in the order of `KINDS`, and the colour of this project."""
    wanted = set(kinds)
    keys = "".join(
        f'<span class="key"><i class="{kind}"></i>{escape(text)}</span>'
        for kind, text in KINDS.items()
        if kind in wanted
    )
    if own:
        keys += '<span class="key"><i class="swatch own"></i>Twofold</span>'
        keys += '<span class="key"><i class="swatch"></i>others</span>'
    return f'<div class="legend">{keys}</div>'


def figure(
    title: str, chart: str, caption: str, groups: Sequence[Group], commands: Sequence[str]
) -> str:
    """A chart with title, legend, caption and the commands that produce its data."""
    behind = " ".join(f"<code>{escape(command)}</code>" for command in commands)
    owners = {value.own for group in groups for value in group.values}
    return (
        f"<figure><h3>{escape(title)}</h3>{chart}"
        f"{legend(kinds_of(groups), own=len(owners) > 1)}"
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
    """Kinds of everything that is drawn."""
    return {kind for group in groups for value in group.values for kind in value.kinds}


def bar_chart(groups: Sequence[Group]) -> str:
    """Horizontal bars on one linear scale, which starts at 0."""
    top = max((number for one in _values(groups) for number in one.all), default=1.0) or 1.0
    return _chart(groups, "bars", _bar, lambda value: 100 * value / top)


def dot_chart(groups: Sequence[Group]) -> str:
    """Dots on one logarithmic scale between powers of ten."""
    numbers = [number for one in _values(groups) for number in one.all if number > 0] or [1.0]
    low, high = math.floor(math.log10(min(numbers))), math.ceil(math.log10(max(numbers)))
    high = max(high, low + 1)

    def share(value: float) -> float:
        return 100 * (math.log10(max(value, 10.0**low)) - low) / (high - low)

    def dot(value: Value, share: Share) -> str:
        grid = "".join(
            f'<b class="line" style="left:{share(10.0**power):.2f}%"></b>'
            for power in range(low, high + 1)
        )
        return _dot(value, share, grid)

    return _chart(groups, "dots", dot, share) + _axis(low, high, share)


def _values(groups: Sequence[Group]) -> list[Value]:
    return [value for group in groups for value in group.values]


def _chart(
    groups: Sequence[Group], kind: str, drawn: Callable[[Value, Share], str], share: Share
) -> str:
    parts = []
    for group in groups:
        rows = "".join(_row(value, drawn(value, share)) for value in group.values)
        heading = f"<h4>{escape(group.title)}</h4>" if group.title else ""
        parts.append(f'<div class="group">{heading}{rows}</div>')
    return f'<div class="{kind}">{"".join(parts)}</div>'


def _row(value: Value, track: str) -> str:
    return (
        f'<div class="value-row{" own" * value.own}"><span class="label">{escape(value.label)}'
        f'</span><span class="value">{escape(value.text)}</span>'
        f'<span class="track">{track}</span></div>'
    )


def _bar(value: Value, share: Share) -> str:
    filled = f'<i class="{value.kind}" style="width:{share(value.value):.2f}%"></i>'
    return filled + _spread(value, share) + _mark(value, share)


def _dot(value: Value, share: Share, grid: str) -> str:
    at, beyond = share(value.value), ""
    if value.beyond:
        number, kind = value.beyond
        left, right = sorted((at, share(number)))
        beyond = (
            f'<b class="reach" style="left:{left:.2f}%;width:{right - left:.2f}%"></b>'
            f'<i class="{kind}" style="left:{share(number):.2f}%"></i>'
        )
    dot = f'<i class="{value.kind}" style="left:{at:.2f}%"></i>'
    return grid + _mark(value, share) + beyond + dot + _spread(value, share)


def _spread(value: Value, share: Share) -> str:
    if not value.spread:
        return ""
    low, high = share(value.spread[0]), share(value.spread[1])
    return f'<b class="iqr" style="left:{low:.2f}%;width:{max(high - low, 0):.2f}%"></b>'


def _mark(value: Value, share: Share) -> str:
    if value.mark is None:
        return ""
    return f'<b class="mark" style="left:{min(share(value.mark), 100):.2f}%"></b>'


def _axis(low: int, high: int, share: Share) -> str:
    """Labels of powers of ten below a chart of dots."""
    step = math.ceil((high - low) / DECADES_LABELLED)
    labels = []
    for power in range(low, high + 1, step):
        edge = {low: " first", high: " last"}.get(power, "")
        at = f"left:{share(10.0**power):.2f}%"
        labels.append(f'<span class="tick{edge}" style="{at}">{short(10.0**power)}</span>')
    return f'<div class="axis" aria-hidden="true">{"".join(labels)}</div>'


def short(value: float) -> str:
    """A number with the letter of its power of a thousand."""
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g} {name}"
    return f"{value:g}"
