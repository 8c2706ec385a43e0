"""A board on a serial line as a device of the driver."""

from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.sw.driver.software import SoftwareDevice
from twofold.sw.link.board import BoardEngine
from twofold.sw.link.line import ANSWER_SECONDS, open_line

BAUD = 3_000_000
"""Rate if none is given: that of the slowest line of the boards."""


def open_serial(
    port: str,
    network: Network,
    folding: Folding,
    *,
    baud: int = BAUD,
    seconds: float = ANSWER_SECONDS,
) -> SoftwareDevice:
    """The board at a port, which has to hold the machine for ``network`` and ``folding``.

    ``seconds``: how long an answer may take. Raises ToolError, DeviceError.
    """
    line = open_line(port, baud, seconds)
    try:
        engine = BoardEngine(line, network, folding)
    except BaseException:
        line.close()
        raise
    return SoftwareDevice(line.name, network, folding, lambda: engine)
