"""The networks under test: files for the engines, samples to run, and the correct logits."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from twofold.hw.contract.files import write_bytes, writing
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.artefacts.input import FIXED
from twofold.sw.artefacts.shipped import shipped
from twofold.sw.bench.accuracy import recorded
from twofold.sw.bench.floats import float_inputs
from twofold.sw.bench.models import float_model, int8_model
from twofold.sw.bench.operators import operator_model
from twofold.sw.bench.reference import even_logits, float_logits
from twofold.sw.golden import forward

SAMPLES = 64
"""Samples whose logits are checked; batches repeat them."""
VARIANTS = ("dense", "pruned", "accurate", "fast")
"""Variants of a shipped network that are timed."""
PRUNED_MOST = 0.5
"""Largest share of weights that are not zero in a network that counts as pruned."""


@dataclass(frozen=True)
class Subject:
    """A network with everything needed to run and check it.

    Attributes
    ----------
    name: variant of a shipped network, as in `VARIANTS`; else the network's name.
    sparsity: ``dense``, ``pruned`` (weights) or ``sparse-sparse`` (weights and activations).
    facts: for the report, plain JSON values.
    models, inputs: files by precision.
    operators, artefact: files.
    logits: correct logits by precision; ``int8`` rounds halves to even as QDQ does, ``exact``
        rounds them up as the machine does.
    """

    name: str
    sparsity: str
    facts: Mapping[str, Any]
    models: Mapping[str, Path]
    inputs: Mapping[str, Path]
    operators: Path
    artefact: Path
    logits: Mapping[str, np.ndarray]

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that it is run in."""
        return tuple(self.models)


def prepare(
    net: str, inputs: np.ndarray, folder: Path, known: Mapping[str, Mapping[str, Any]] | None = None
) -> list[Subject]:
    """Write every network of ``net`` into ``folder``. Raises ArtefactError, OnnxError.

    ``known``: what `twofold.sw.bench.accuracy.accuracies` says of them.
    """
    subjects = []
    for name in VARIANTS:
        path = shipped(net, name)
        quantized = QuantizedNetwork.load(path)
        accuracy = (known or {}).get(quantized.network.name)
        subjects.append(subject_of(name, quantized, path.name, inputs, folder, accuracy))
    return subjects


def samples(net: str, data: Path | None, front: str = FIXED) -> tuple[np.ndarray, str]:
    """Inputs uint8 ``[samples, 1, rows, columns]`` and where they come from.

    ``front``: front end of the networks for speech (`twofold.sw.data.frontend`).

    Speech comes from the test split of ``data`` (all of it if there is no test split), or is
    synthesised if ``data`` is None. Raises AudioError, DatasetError, ToolError.
    """
    if net == "tiny":
        from twofold.sw.data.digits import digits

        return digits("test")[0][:SAMPLES, None], "digits of scikit-learn"
    if data is None:
        from twofold.sw.data.frontend import front_end
        from twofold.sw.data.gsc import KEYWORDS
        from twofold.sw.data.speech import VOICES, speak_all

        inputs = front_end(front)(speak_all(KEYWORDS, VOICES))
        return inputs[:SAMPLES, None], "speech of eSpeak NG"
    from twofold.sw.data.gsc import features, open_gsc

    found = open_gsc(data)
    split = "test" if found.splits.get("test") else "all"
    clips = found.clips(split)
    chosen = clips[:: max(1, len(clips) // SAMPLES)][:SAMPLES]
    return features(chosen, front)[:, None], f"Google Speech Commands, {split} split"


def subject_of(
    name: str,
    quantized: QuantizedNetwork,
    source: str,
    inputs: np.ndarray,
    folder: Path,
    accuracy: Mapping[str, Any] | None = None,
) -> Subject:
    """A network as a subject; its files go into ``folder``. Raises ArtefactError, OnnxError.

    ``source``: where the network comes from; ``inputs``: uint8 ``[samples, channels, rows,
    columns]``; ``accuracy``: as it was measured; else what the artefact records.
    """
    winners = any(stage.k < stage.channels for stage in quantized.network.stages)
    models = {"int8": int8_model(quantized)}
    logits = {
        "int8": even_logits(quantized, inputs),
        "exact": forward(quantized, inputs, keep_activations=False).logits,
    }
    feeds = {"int8": inputs}
    operators = folder / f"{name}-operators.onnx"
    if not winners:
        models = {"fp32": float_model(quantized), **models}
        logits["fp32"] = float_logits(quantized, inputs)
        feeds["fp32"] = float_inputs(quantized, inputs)
        write_bytes(operators, operator_model(quantized).SerializeToString())
    for precision, model in models.items():
        write_bytes(folder / f"{name}-{precision}.onnx", model.SerializeToString())
        with writing(folder / f"{name}-{precision}.npy") as file:
            np.save(file, feeds[precision], allow_pickle=False)
    artefact = folder / f"{name}.npz"
    quantized.save(artefact)
    return Subject(
        name=name,
        sparsity=_sparsity(quantized),
        facts={**_facts(quantized, source), "accuracy": dict(accuracy or recorded(quantized))},
        models={precision: folder / f"{name}-{precision}.onnx" for precision in models},
        inputs={precision: folder / f"{name}-{precision}.npy" for precision in models},
        operators=operators,
        artefact=artefact,
        logits=logits,
    )


def _sparsity(quantized: QuantizedNetwork) -> str:
    """What is sparse in a network: nothing, its weights, or its weights and activations."""
    if any(stage.k < stage.channels for stage in quantized.network.stages):
        return "sparse-sparse"
    weights = np.concatenate([layer.weight.ravel() for layer in quantized.layers])
    return "pruned" if np.count_nonzero(weights) <= PRUNED_MOST * weights.size else "dense"


def _facts(quantized: QuantizedNetwork, source: str) -> dict[str, Any]:
    layers = quantized.layers
    weights = sum(layer.weight.size for layer in layers)
    nonzero = sum(int(np.count_nonzero(layer.weight)) for layer in layers)
    provenance = json.loads(json.dumps(dict(quantized.provenance)))
    return {
        "network": quantized.network.name,
        "source": source,
        "weights": weights,
        "nonzero_weights": nonzero,
        "winners": [stage.k for stage in quantized.network.stages if stage.k < stage.channels],
        "trained": bool(provenance),
    }
