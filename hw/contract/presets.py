"""Names of the networks that Twofold ships, and what they stand for.

The machine files in `twofold.hw.contract.shipped` hold the descriptions and the foldings; this
module maps names to them. Variants:

- ``dense``: all weights, all activations;
- ``pruned``: the dense network with most of its weights zero (95 % of the speech network's), namely
  the smallest ones, wherever they are; to the hardware it is dense, other engines may skip the
  zeros;
- ``sparse-dense``: sparse weights, all activations;
- ``fast``: sparse weights and winners, the configuration that fits one SLR at full speed (also
  called ``sparse-sparse``);
- ``accurate``: sparse weights and winners, more of both, close to the dense network's accuracy.
"""

from twofold.hw.contract.errors import FoldingError, NetworkError
from twofold.hw.contract.folding import Folding
from twofold.hw.contract.network import Network
from twofold.hw.contract.shipped import machine, names

GSC_LABELS = (
    "silence",
    "unknown",
    "yes",
    "no",
    "up",
    "down",
    "left",
    "right",
    "on",
    "off",
    "stop",
    "go",
)
DIGITS = tuple(str(digit) for digit in range(10))
VARIANTS = ("dense", "pruned", "sparse-dense", "fast", "accurate")
ALIASES = {"sparse-sparse": "fast"}
NETWORKS = ("gsc", "tiny")
SIZES = ("small", "full")
"""``small`` for quick builds, ``full`` for the speed of one SLR."""


def canonical_variant(variant: str) -> str:
    """Variant with aliases resolved. Raises NetworkError if it is unknown."""
    variant = ALIASES.get(variant, variant)
    if variant not in VARIANTS:
        raise NetworkError(
            f"variant is {variant!r}, choose one of {', '.join((*VARIANTS, *ALIASES))}"
        )
    return variant


def machine_name(name: str, variant: str, size: str) -> str:
    """Name of the shipped machine of a network, variant and size. Raises NetworkError."""
    return f"{name}-{canonical_variant(variant)}-{size}"


def network(name: str, variant: str = "fast") -> Network:
    """Description of a shipped network, for training and for tests.

    Raises NetworkError if a name is unknown.
    """
    if name not in NETWORKS:
        raise NetworkError(f"network is {name!r}, choose one of {', '.join(NETWORKS)}")
    return machine(machine_name(name, variant, SIZES[0])).network


def folding(name: str, variant: str = "fast", size: str = "small") -> Folding:
    """Folding of a shipped machine.

    Raises FoldingError if the size is unknown or the combination is not shipped.
    """
    full_name = machine_name(name, variant, size)
    if full_name not in names():
        raise FoldingError(f"no folding {name} {variant} {size}; shipped: {', '.join(names())}")
    return machine(full_name).folding


def parts(machine: str) -> tuple[str, str, str] | None:
    """Network, variant and size of a shipped machine, by name; None for any other machine."""
    if machine not in names():
        return None
    net, _, rest = machine.partition("-")
    variant, _, size = rest.rpartition("-")
    return net, variant, size
