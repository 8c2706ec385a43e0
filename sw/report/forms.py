"""The form of the reports that are read back, as far as the page uses them; untrusted input."""

from collections.abc import Callable
from typing import Any

from twofold.sw.bench.engines import ENGINES, GPU
from twofold.sw.errors import ArtefactError

Form = Callable[[Any, str], None]
"""Checks a value; the text is its place, as in ``rows[3].batch``. Raises ArtefactError."""
MOST = 1e15
TEXT_MAX = 4000


def _refuse(value: Any, place: str, needed: str) -> None:
    shown = repr(value)
    raise ArtefactError(f"{place} is {shown[:60]}, needs {needed}")


def number(low: float = 0.0) -> Form:
    """A number from ``low`` to `MOST`."""

    def check(value: Any, place: str) -> None:
        real = isinstance(value, int | float) and not isinstance(value, bool)
        if not real or not low <= value <= MOST:
            _refuse(value, place, f"a number from {low:g} to {MOST:g}")

    return check


def text(value: Any, place: str) -> None:
    """A text of moderate length."""
    if not isinstance(value, str) or len(value) > TEXT_MAX:
        _refuse(value, place, f"a text of at most {TEXT_MAX} characters")


def flag(value: Any, place: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        _refuse(value, place, "true or false")


def one_of(*choices: str) -> Form:
    """One of these texts."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, str) or value not in choices:
            _refuse(value, place, f"one of {', '.join(choices)}")

    return check


def every(form: Form, count: int | None = None) -> Form:
    """A list of values of a form; of ``count`` values where that is given."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, list) or count not in (None, len(value)):
            _refuse(value, place, "a list" if count is None else f"a list of {count}")
        for index, one in enumerate(value):
            form(one, f"{place}[{index}]")

    return check


def named(form: Form) -> Form:
    """An object whose values have a form."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            _refuse(value, place, "an object")
        for name, one in value.items():
            form(one, f"{place}.{name[:40]}")

    return check


def fields(optional: dict[str, Form] | None = None, /, **needed: Form) -> Form:
    """An object with at least these fields."""

    def check(value: Any, place: str) -> None:
        if not isinstance(value, dict):
            _refuse(value, place, "an object")
        for name, form in needed.items():
            if name not in value:
                raise ArtefactError(f"{place} has no {name}")
            form(value[name], f"{place}.{name}")
        for name, form in (optional or {}).items():
            if value.get(name) is not None:
                form(value[name], f"{place}.{name}")

    return check


def maybe(form: Form) -> Form:
    """A value of a form, or null."""

    def check(value: Any, place: str) -> None:
        if value is not None:
            form(value, place)

    return check


SMALLEST = 1e-9
"""What is divided by is not zero."""
_RATE = number(SMALLEST)
_SHARES = fields({"test": number(), "val": number(), "data": text}, digest=text)
"""Accuracies of a network, and what they were measured on."""
_ROW = fields(engine=one_of(*ENGINES), sparsity=text, precision=text, note=text)
_TIMED = fields(
    {"joules_per_sample": number(), "logits_error": number()},
    engine=one_of(*ENGINES), version=text, network=text, sparsity=text, precision=text,
    batch=number(1), samples_per_second=_RATE, spread=every(number(), 2),
)  # fmt: skip
_ON_PROCESSOR = fields(threads=number(1), samples_per_core_second=number())
_ON_GPU = fields(device=text)


def _row(value: Any, place: str) -> None:
    """A timing; one without a rate only says why."""
    _ROW(value, place)
    if value.get("samples_per_second") is not None:
        _TIMED(value, place)
        (_ON_GPU if value["engine"] in GPU else _ON_PROCESSOR)(value, place)


BENCH = fields(
    {
        "layers": every(
            fields(
                network=text, sparsity=text, isa=text, layer=text, kernel=text,
                microseconds=number(),
            )
        ),
        "accuracies": named(maybe(_SHARES)),
        "gpu": fields({"cuda": text}, cards=every(text)),
    },
    command=text, when=text, minutes=number(), load_before=number(), energy=text, samples=text,
    machine=fields(
        cpu=text, family_model_stepping=text, cores=number(1), virtual_machine=flag, python=text,
        instruction_sets=every(text), memory_gib=number(), system=text,
    ),
    settings=fields(rounds=number(), seconds=number()),
    networks=named(
        fields(network=text, source=text, weights=number(1), nonzero_weights=number())
    ),
    rows=every(_row),
)  # fmt: skip
"""Of ``twofold bench``."""
SIMULATION = fields(
    {
        "known": number(), "correct": number(), "accuracy": number(), "source": text,
        "network_accuracy": _SHARES,
    },
    network=text, folding=text, samples=number(1), mismatches=number(),
    cycles_per_sample=number(1),
    latency_cycles=number(1), multiplications=number(1), multiplications_dense=number(1),
)  # fmt: skip
"""Of ``twofold sim``."""
SIMULATED = fields(
    {"network_accuracy": fields(digest=text)},
    network=text, samples=number(1), mismatches=number(), cycles_per_sample=number(1),
    latency_cycles=number(1),
)  # fmt: skip
"""Of ``twofold sim`` on a machine that does not ship."""
KNOWN = fields(known=number(), correct=number(), accuracy=number(), source=text)
"""Of one whose samples have labels."""
_CLASS = fields(clips=number(), correct=number())
EVALUATION = fields(
    network=text, digest=text, source=text, split=text, clips=number(1), correct=number(),
    interval95=every(number(), 2), per_class=named(_CLASS), mismatches_vs_golden=number(),
)  # fmt: skip
"""Of ``twofold eval``."""
_CELLS = ("lut", "ff", "bram36", "uram", "dsp")
AREA = fields(
    folding=text, share_of_slr=fields(**dict.fromkeys(_CELLS, number())),
    **dict.fromkeys(_CELLS, number()),
)  # fmt: skip
"""Of a variant in ``twofold resources``."""
CARD = fields(
    network=text, units=number(1), samples_per_second_per_watt=number(),
    samples_per_second=fields(median=_RATE, low=number(), high=number()),
)  # fmt: skip
"""Of ``twofold time`` on a card."""
