"""The simulated devices under the names that ``--device`` knows."""

from twofold.sim.devices.golden import open_golden
from twofold.sim.devices.rtl import open_rtl
from twofold.sw.driver.opening import Wish
from twofold.sw.driver.software import SoftwareDevice


def golden(wish: Wish) -> SoftwareDevice:
    """``--device golden``: the golden model."""
    return open_golden(wish.network, wish.folding)


def rtl(wish: Wish) -> SoftwareDevice:
    """``--device rtl``: the machine's RTL, built at the first use."""
    return open_rtl(wish.network, wish.folding, wish.build)
