"""Prices of building blocks: one file for each device family, and its factors beside it."""

import json
from functools import cache
from pathlib import Path

from twofold.hw.area.prices.base import Prices
from twofold.hw.area.prices.ecp5 import Ecp5Prices
from twofold.hw.area.prices.xcup import XcupPrices
from twofold.hw.boards.family import Family

_PRICES: dict[str, Prices] = {
    prices.TARGET.value: prices for prices in (XcupPrices(), Ecp5Prices())
}


def prices_of(family: Family) -> Prices:
    """The prices of a family."""
    return _PRICES[family.target.value]


def calibration(family: Family) -> Path:
    """File with the factors of a family, and what they were derived from."""
    return Path(__file__).with_name(f"{family.name}.json")


@cache
def factors(family: Family) -> dict[str, dict[str, float]]:
    """LUT and flip-flop factors for each kind of component."""
    return json.loads(calibration(family).read_text(encoding="utf-8"))["factors"]
