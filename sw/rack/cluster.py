"""A cluster of Ray: joining it, and what its nodes offer.

A node says how many cards it has with the custom resource `UNIT`, as in
``ray start --resources '{"twofold_unit": 4}'``. Where no node does, replicas take a processor each.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from twofold.hw.contract.errors import ToolError

UNIT = "twofold_unit"
PASSED = ("XCL_EMULATION_MODE", "EMCONFIG_PATH", "XILINX_XRT", "TWOFOLD_XCLBIN")
"""Environment variables that replicas get from here."""


def ray_module(name: str = "ray") -> Any:
    """The package, or a module of it. Raises ToolError without it."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        return import_module(name)
    except ImportError as error:
        raise ToolError(
            f"a cluster needs the package ray: `pip install 'twofold[ray]'` ({error})"
        ) from error


@contextmanager
def joined(address: str | None) -> Iterator[Any]:
    """The package ray, connected for as long as the context lasts.

    ``address`` is that of a cluster, as in ``10.0.0.1:6379``; None takes the one that runs on this
    host or that ``RAY_ADDRESS`` names, and otherwise starts one on this host for the time being.
    Raises ToolError.
    """
    ray = ray_module()
    here = not ray.is_initialized()
    if here:
        try:
            ray.init(
                address, namespace="twofold", logging_level=logging.WARNING, log_to_driver=False,
                include_dashboard=None if address else False,
            )  # fmt: skip
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise ToolError(f"no cluster at {address or 'this host'}: {reason}") from error
    try:
        yield ray
    finally:
        if here:
            ray.shutdown()


def claim(ray: Any) -> dict[str, Any]:
    """What a replica takes of its node: a card where nodes say that they have some."""
    wanted: dict[str, Any] = {"num_cpus": 1}
    if ray.cluster_resources().get(UNIT, 0) >= 1:
        wanted = {"num_cpus": 0, "resources": {UNIT: 1}}
    passed = {name: os.environ[name] for name in PASSED if name in os.environ}
    return wanted | ({"runtime_env": {"env_vars": passed}} if passed else {})
