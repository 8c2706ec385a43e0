"""Fingerprint: the machine that an image was packed for, or that a bitstream contains."""

import hashlib
import json

from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import VERSION


def fingerprint(network: Network, folding: Folding) -> bytes:
    """SHA-256 over the canonical JSON of format version, network shape and folding (32 bytes).

    Names do not affect the machine, so they are left out; of the labels only their absence counts,
    because a machine for raw outputs does not compute a label.
    """
    shape = {
        key: value for key, value in network.to_json().items() if key not in ("name", "labels")
    }
    if not network.labelled:
        shape["labelled"] = False
    tree = {"version": VERSION, "network": shape, "folding": folding.to_json()}
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).digest()
