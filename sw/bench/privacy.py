"""Switch off the telemetry of engines before they are imported."""

import os
import sys

SWITCHES = {
    "DO_NOT_TRACK": "1",  # the common convention
    "NM_DISABLE_ANALYTICS": "True",  # DeepSparse
    "HF_HUB_DISABLE_TELEMETRY": "1",  # Hugging Face Hub, with which DeepSparse loads models
}
"""Environment variables that switch telemetry off."""
REPORTERS = ("openvino_telemetry",)
"""Packages that only send telemetry. OpenVINO's writes an ID to the user's home directory and sends
an event as soon as OpenVINO is imported, unless the package is missing."""


def switch_off() -> None:
    """Switch telemetry off in this process and its children."""
    os.environ.update(SWITCHES)
    for name in REPORTERS:
        # None marks a package as missing: importing it raises ImportError.
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
