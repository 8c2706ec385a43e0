"""A PyTorch module as the description of a network, for training it anew with sparsity.

Only shapes are taken over: the network that is trained has the module's layers, and learns its
predictions, but not its weights. What is between two layers with weights becomes part of the
machine's order: pooling, normalisation, ReLU, winners. So an average is taken before ReLU, not
behind it, and a limit above ReLU (ReLU6) is the largest activation, whatever its value.
"""

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp
from torch.nn import functional as F

from twofold.hw.contract.errors import NetworkError
from twofold.hw.contract.network import Conv2d, Dense, Grouped, Layer, Linear, Network

SIGNED_ZERO = 128
"""Activation that stands for 0 where there is no ReLU."""
Pair = tuple[int, int]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Put a module and all of its parts into evaluation mode, and each back into its own."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def describe_module(
    module: nn.Module,
    input_shape: tuple[int, int, int],
    labels: Sequence[str],
    *,
    name: str = "own",
    zero_point: int = 0,
) -> Network:
    """Dense description of a module that is a chain of layers.

    Parameters
    ----------
    module: of convolutions, linear layers, BatchNorm, ReLU, pooling and what only changes shapes;
        nested as it likes, but without branches.
    input_shape: channels, rows and columns of a sample.
    labels, name, zero_point: as in `twofold.hw.contract.network.Network`.

    Raises NetworkError, naming the operation and the rule, for anything else.
    """
    try:
        graph = fx.symbolic_trace(module)
    except Exception as error:  # whatever the module's own code raises when it is traced
        raise NetworkError(
            f"the module cannot be traced: {error}; describe it as a chain"
        ) from None
    with evaluating(module), torch.no_grad():
        ShapeProp(graph).propagate(torch.zeros(1, *input_shape))
    chain = _Chain()
    for node in graph.graph.nodes:
        _read(chain, node, graph)
    layers = chain.finished()
    if len(labels) != getattr(layers[-1], "out_features", len(labels)):
        raise NetworkError(f"{len(labels)} labels for a module with {layers[-1]}")
    return Network(
        name=name, input_shape=input_shape, layers=layers, labels=tuple(labels),
        zero_point=zero_point,
    )  # fmt: skip


class _Chain:
    """Layers read so far; the last one may still get its pooling and its ReLU."""

    def __init__(self) -> None:
        self._layers: list[Layer] = []
        self._relu = self._can_pool = False

    def add(self, layer: Layer, *, can_pool: bool) -> None:
        self._close()
        self._layers.append(layer)
        self._relu, self._can_pool = False, can_pool

    def relu(self, what: str) -> None:
        if not self._layers:
            raise NetworkError(f"{what}: comes before any layer with weights; leave it out")
        self._relu = True

    def pool(self, what: str, size: Pair, kind: str) -> None:
        if not self._can_pool:
            raise NetworkError(f"{what}: pooling follows a convolution, and only once")
        pooled: dict[str, Any] = {"pool": size, "pooling": kind}
        self._layers[-1] = replace(self._layers[-1], **pooled)
        self._can_pool = False

    def finished(self) -> tuple[Layer, ...]:
        if not self._layers:
            raise NetworkError("the module has no layer with weights")
        if self._relu:
            raise NetworkError("the module ends in ReLU; its last layer gives logits")
        return tuple(self._layers)

    def _close(self) -> None:
        if self._layers and not self._relu:
            self._layers[-1] = replace(self._layers[-1], zero=SIGNED_ZERO)


def _read(chain: _Chain, node: fx.Node, graph: fx.GraphModule) -> None:
    if node.op in ("placeholder", "output", "get_attr"):
        return
    if node.op == "call_module":
        module = graph.get_submodule(str(node.target))
        _read_module(chain, node, module)
        return
    rule = _FUNCTIONS.get(node.target)
    if rule is None:
        raise NetworkError(f"{node.name}: {_name(node.target)} is not one of {_known()}")
    rule(chain, node)


def _read_module(chain: _Chain, node: fx.Node, module: nn.Module) -> None:
    if isinstance(module, _NOTHING):
        return
    for kind, rule in _MODULES.items():
        if isinstance(module, kind):
            rule(chain, node, module)
            return
    raise NetworkError(f"{node.target}: {type(module).__name__} is not one of {_known()}")


def _known() -> str:
    names = {kind.__name__ for kind in (*_MODULES, *_NOTHING)}
    return ", ".join(sorted(names)) + "; branches are not trained yet"


def _name(target: Any) -> str:
    return target if isinstance(target, str) else getattr(target, "__name__", str(target))


def _conv(chain: _Chain, node: fx.Node, module: nn.Module) -> None:
    conv = cast(nn.Conv2d, module)
    if conv.dilation != (1, 1) or conv.padding_mode != "zeros":
        raise NetworkError(f"{node.target}: needs dilation 1 and padding with zeros")
    chain.add(
        Conv2d(
            out_channels=conv.out_channels,
            kernel=cast(Pair, conv.kernel_size),
            stride=cast(Pair, conv.stride),
            padding=_padding(conv),
            sparsity=Dense() if conv.groups == 1 else Grouped(conv.groups),
        ),
        can_pool=True,
    )


def _padding(conv: nn.Conv2d) -> Any:
    if conv.padding == "valid":
        return 0
    if conv.padding != "same":
        return cast(Pair, conv.padding)
    before = [(size - 1) // 2 for size in conv.kernel_size]
    after = [(size - 1) - (size - 1) // 2 for size in conv.kernel_size]
    return (*before, *after)


def _linear(chain: _Chain, _: fx.Node, module: nn.Module) -> None:
    chain.add(Linear(out_features=cast(nn.Linear, module).out_features), can_pool=False)


def _relu(chain: _Chain, node: fx.Node, *_: Any) -> None:
    chain.relu(node.name)


def _max_pool(chain: _Chain, node: fx.Node, module: nn.Module) -> None:
    pool = cast(nn.MaxPool2d, module)
    if _pair(pool.dilation) != (1, 1) or pool.ceil_mode:
        raise NetworkError(f"{node.target}: needs dilation 1, and windows that fit")
    _whole(node, pool)
    chain.pool(node.name, _pair(pool.kernel_size), "max")


def _mean_pool(chain: _Chain, node: fx.Node, module: nn.Module) -> None:
    pool = cast(nn.AvgPool2d, module)
    if pool.ceil_mode or pool.divisor_override is not None:
        raise NetworkError(f"{node.target}: needs windows that fit, and their own size as divisor")
    _whole(node, pool)
    chain.pool(node.name, _pair(pool.kernel_size), "mean")


def _whole(node: fx.Node, pool: nn.MaxPool2d | nn.AvgPool2d) -> None:
    """Raise NetworkError if windows overlap or are padded."""
    apart = _pair(pool.stride) == _pair(pool.kernel_size)
    if not apart or _pair(pool.padding) != (0, 0):
        raise NetworkError(f"{node.target}: needs windows that do not overlap, and no padding")


def _global_pool(chain: _Chain, node: fx.Node, module: nn.Module) -> None:
    size = cast(nn.AdaptiveAvgPool2d, module).output_size
    if size not in (1, (1, 1)):
        raise NetworkError(f"{node.target}: needs one output, a mean of the whole map")
    before = cast(fx.Node, node.args[0]).meta["tensor_meta"].shape
    chain.pool(node.name, (before[2], before[3]), "mean")


def _flatten(_chain: _Chain, node: fx.Node) -> None:
    shape = node.meta["tensor_meta"].shape
    if len(shape) != 2:
        raise NetworkError(f"{node.name}: makes {list(shape)}, needs a vector a sample")


def _pair(value: Any) -> Pair:
    return (value, value) if isinstance(value, int) else tuple(value)


_NOTHING = (
    nn.BatchNorm1d, nn.BatchNorm2d, nn.Dropout, nn.Dropout2d, nn.Flatten, nn.Identity,
    nn.LogSoftmax, nn.Softmax,
)  # fmt: skip
"""Modules that change nothing in the description: shapes, and what training does anyway."""
_MODULES: dict[type[nn.Module], Callable[[_Chain, fx.Node, nn.Module], None]] = {
    nn.Conv2d: _conv,
    nn.Linear: _linear,
    nn.ReLU: _relu,
    nn.ReLU6: _relu,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _mean_pool,
    nn.AdaptiveAvgPool2d: _global_pool,
}
_FUNCTIONS: dict[Any, Callable[[_Chain, fx.Node], None]] = {
    F.relu: _relu,
    F.relu6: _relu,
    torch.relu: _relu,
    "relu": _relu,
    torch.flatten: _flatten,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "size": lambda *_: None,
    operator.getitem: lambda *_: None,
    getattr: lambda *_: None,
    F.dropout: lambda *_: None,
    F.log_softmax: lambda *_: None,
    F.softmax: lambda *_: None,
}
