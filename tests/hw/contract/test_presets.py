"""Networks and foldings that ship."""

import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.errors import FoldingError, NetworkError
from twofold.hw.contract.network import Dense


@pytest.mark.parametrize("name", presets.NETWORKS)
def test_variants_share_shapes_and_labels(name):
    dense, pruned, sparse_dense, fast, accurate = (
        presets.network(name, kind) for kind in presets.VARIANTS
    )
    assert pruned.layers == dense.layers
    for network in (sparse_dense, fast, accurate):
        assert network.labels == dense.labels
        assert [stage.out_shape for stage in network.stages] == [
            stage.out_shape for stage in dense.stages
        ]
    assert all(isinstance(layer.sparsity, Dense) and layer.k is None for layer in dense.layers)
    assert all(layer.k is None for layer in sparse_dense.layers)
    assert [type(layer.sparsity) for layer in fast.layers] == [
        type(layer.sparsity) for layer in sparse_dense.layers
    ]
    assert all(layer.k is not None for layer in fast.layers[:-1])
    assert all(
        more.k >= less.k
        for more, less in zip(accurate.layers[:-1], fast.layers[:-1], strict=True)
        if more.k is not None and less.k is not None
    )


def test_sparse_sparse_is_another_name_of_fast():
    assert presets.network("gsc", "sparse-sparse") == presets.network("gsc", "fast")


def test_unknown_names_are_refused():
    with pytest.raises(NetworkError, match=r"network is 'mnist', choose one of gsc, tiny"):
        presets.network("mnist")
    with pytest.raises(NetworkError, match=r"variant is 'slow', choose one of dense"):
        presets.network("gsc", "slow")
    with pytest.raises(
        FoldingError, match=r"no folding gsc fast huge; shipped: gsc-accurate-full, "
    ):
        presets.folding("gsc", size="huge")


def test_parts_of_a_shipped_machine():
    assert presets.parts("gsc-sparse-dense-full") == ("gsc", "sparse-dense", "full")
    assert presets.parts("mine-fast-small") is None
    assert presets.machine_name("tiny", "sparse-sparse", "full") == "tiny-fast-full"
