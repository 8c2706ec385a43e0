"""The simulated devices, under their names for ``--device``."""

from twofold.sim.devices.golden import open_golden
from twofold.sim.devices.rtl import open_rtl
from twofold.sw.driver.opening import DeviceRequest
from twofold.sw.driver.software import SoftwareDevice


def golden(request: DeviceRequest) -> SoftwareDevice:
    """``--device golden``: the golden model."""
    return open_golden(request.network, request.folding)


def rtl(request: DeviceRequest) -> SoftwareDevice:
    """``--device rtl``: the machine's RTL, built on first use."""
    return open_rtl(request.network, request.folding, request.build)
