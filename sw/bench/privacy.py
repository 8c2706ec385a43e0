"""Engines that report their use over the network are told not to, before they are imported."""

import os
import sys

SWITCHES = {
    "DO_NOT_TRACK": "1",  # what packages have agreed on
    "NM_DISABLE_ANALYTICS": "True",  # DeepSparse
    "HF_HUB_DISABLE_TELEMETRY": "1",  # what DeepSparse loads models with
}
"""Environment variables that switch reports off."""
REPORTERS = ("openvino_telemetry",)
"""Packages that do nothing but report. OpenVINO's writes an identity into the user's home and sends
an event as soon as OpenVINO is imported, unless the package is missing."""


def switch_off() -> None:
    """Switch reports off in this process, and in those that it starts."""
    os.environ.update(SWITCHES)
    for name in REPORTERS:
        # None stands for a package that is not there: importing it is an ImportError.
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
