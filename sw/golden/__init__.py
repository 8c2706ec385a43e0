"""The golden model: the network in NumPy integers, which everything else must match exactly."""

from twofold.sw.golden.model import Golden, forward

__all__ = ["Golden", "forward"]
