"""Fingerprint: which machine an image was packed for, and which machine a bitstream holds."""

import hashlib
import json

from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.parameters import VERSION


def fingerprint(network: Network, folding: Folding) -> bytes:
    """SHA-256 over the canonical JSON of format version, network shape and folding (32 bytes).

    Names do not change the machine, so they do not count; of the labels only that there are none,
    as a machine for raw outputs finds no label.
    """
    shape = {
        key: value for key, value in network.to_json().items() if key not in ("name", "labels")
    }
    if not network.labelled:
        shape["labelled"] = False
    tree = {"version": VERSION, "network": shape, "folding": folding.to_json()}
    return hashlib.sha256(json.dumps(tree, sort_keys=True, separators=(",", ":")).encode()).digest()
