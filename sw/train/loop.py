"""A phase of training, resumable after every epoch."""

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from twofold.hw.contract.cache import locked
from twofold.hw.contract.network import Network
from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import ArtefactError, TrainingError
from twofold.sw.model.layers import NormWinners
from twofold.sw.model.masks import choose_mask
from twofold.sw.model.net import SparseNet, half_is_fast
from twofold.sw.model.residual import ResidualNet, ResidualShape
from twofold.sw.quantize.finetune import IntegerNet
from twofold.sw.train import checkpoint
from twofold.sw.train.average import Average
from twofold.sw.train.best import Best
from twofold.sw.train.mixing import mix, targets
from twofold.sw.train.sources import Source

Net = SparseNet | IntegerNet | ResidualNet
EVAL_BATCH = 256
MASK_CHOICES = 5
"""Times per epoch that masks are chosen anew."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Hyperparameters of a phase of training.

    Attributes
    ----------
    name: ``teacher``, ``student``, ...; also names the checkpoint.
    epochs: length of the phase.
    rate: peak of the one-cycle learning rate.
    batch, decay, smoothing: batch size, weight decay, label smoothing.
    dropout: share of the inputs of linear layers that is dropped.
    open_until: share of the phase over which the masks shrink to their final structure.
    winners_until: the same for the number of winners; 0 for the value of `open_until`.
    move_until: share of the phase after which the masks are frozen.
    distil: weight of the teacher's prediction in the loss; 0 for no teacher.
    temperature: of the teacher's prediction.
    mix: share of the images that are mixed with others (`twofold.sw.train.mixing`).
    average: decay of the moving average of the weights, which is the result; 0 for no average.
    density: share of the weights that an unstructured mask keeps in every hidden layer, in networks
        without structured sparsity; the first layer keeps four times that share.
    used: largest share of non-zero activations in each hidden layer, below the share of its
        winners: surplus winners become 0. Empty for no limit.
    fade: factor on weights outside the mask whenever masks are chosen anew; 0 clears them.
    seed: of the initialisation and of every batch.
    """

    name: str
    epochs: int
    rate: float
    batch: int = 128
    decay: float = 0.02
    smoothing: float = 0.05
    dropout: float = 0.0
    open_until: float = 0.0
    winners_until: float = 0.0
    move_until: float = 0.8
    distil: float = 0.0
    temperature: float = 2.0
    mix: float = 0.0
    average: float = 0.0
    density: float = 1.0
    used: tuple[float, ...] = ()
    fade: float = 0.9
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Record:
    """Record of an epoch; a line of the journal.

    Attributes
    ----------
    phase, epoch, epochs: name of the phase, number of the epoch from 1, epochs in the phase.
    loss: mean over the epoch.
    val_accuracy: share of the validation split that is classified correctly after the epoch.
    rate: learning rate at the end of the epoch.
    open: relaxation of the masks, from 1 (all weights) to 0 (their final structure).
    seconds: duration of the epoch.
    """

    phase: str
    epoch: int
    epochs: int
    loss: float
    val_accuracy: float
    rate: float
    open: float
    seconds: float


Report = Callable[[Record], None]
StepReport = Callable[[str, int, int], None]


class Trainer:
    """Runs phases on a data source, and keeps a checkpoint of each in a folder.

    Parameters
    ----------
    source: training data.
    folder: for checkpoints, which are named after a digest of everything they depend on.
    report: called with the record of every epoch.
    on_step: called with the phase's name, steps done and total steps.
    device: where floating-point networks are trained: on ``cpu`` with the kernels of
        `twofold.sw.model.native`, elsewhere (``cuda``) with stock PyTorch. Integers are always
        trained on the CPU, where every sum is exact.
    """

    def __init__(
        self, source: Source, folder: Path, *, report: Report, on_step: StepReport,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        self.source, self.folder, self.report, self.on_step = source, folder, report, on_step
        self.device = device

    def run(
        self, network: Network, phase: Phase, start: SparseNet | None = None, origin: str = ""
    ) -> tuple[SparseNet, str]:
        """Train ``network`` from the weights of ``start``, which is also the teacher, or from
        random weights.

        ``origin`` is the key of ``start``. Returns the trained network and its own key. Continues
        where an earlier run of the same phase stopped; a finished one is read back. Raises
        TrainingError if the loss overflows, ArtefactError if the checkpoint is damaged.
        """
        torch.manual_seed(phase.seed)
        net = SparseNet(network, phase.dropout)
        if start is not None:
            copy_weights(start, net)
        key = self.key(network.to_json(), phase, origin)
        self._train(net, f"{network.name}-{phase.name}-{key}", phase, start)
        return net, key

    def teach(self, shape: ResidualShape, phase: Phase) -> tuple[ResidualNet, str]:
        """Train a residual network, on images of any size. Otherwise like `run`."""
        torch.manual_seed(phase.seed)
        net = ResidualNet(shape, phase.dropout)
        key = self.key(asdict(shape), phase)
        self._train(net, f"residual-{phase.name}-{key}", phase, None)
        return net, key

    def polish(
        self, start: QuantizedNetwork, phase: Phase, teacher: SparseNet | None, origin: str
    ) -> tuple[QuantizedNetwork, str]:
        """Train the integers of ``start``; ``origin`` is the key of the network they came from.

        Otherwise like `run`.
        """
        net = IntegerNet(start)
        key = self.key(start.network.to_json(), phase, origin)
        self._train(net, f"{start.network.name}-{phase.name}-{key}", phase, teacher)
        return net.quantized(start), key

    def on(self, source: Source) -> "Trainer":
        """The same trainer on other data."""
        return Trainer(
            source, self.folder, report=self.report, on_step=self.on_step, device=self.device
        )

    def _train(self, net: Net, name: str, phase: Phase, teacher: SparseNet | None) -> None:
        path = self.folder / f"{name}.npz"
        moved = [one for one in (net, teacher) if isinstance(one, SparseNet | ResidualNet)]
        for one in moved:
            to_device(one, "cpu" if isinstance(net, IntegerNet) else self.device)
        # Another training may need the same phase: one of them trains, the other reads it back.
        with locked(path, lambda: self.on_step(f"{phase.name}: waiting for another run", 0, 1)):
            self._resume(net, phase, teacher, path)
        for one in moved:
            to_device(one, "cpu")

    def _resume(self, net: Net, phase: Phase, teacher: SparseNet | None, path: Path) -> None:
        """Train to the end, from the checkpoint at ``path`` if there is one."""
        optimiser = torch.optim.AdamW(
            parameter_groups(net, phase.decay), lr=phase.rate, betas=(0.9, 0.98), fused=True
        )
        average = Average(net, phase.average) if phase.average else None
        best = Best()
        records = restore(path, net, optimiser, average, best) if path.exists() else []
        for record in records:
            self.report(record)
        for epoch in range(len(records), phase.epochs):
            started = time.monotonic()
            loss = self._epoch(net, optimiser, phase, epoch, teacher, average)
            progress = (epoch + 1) / phase.epochs
            record = Record(
                phase=phase.name,
                epoch=epoch + 1,
                epochs=phase.epochs,
                loss=loss,
                val_accuracy=self._validate(net, average, best if final(phase, epoch) else None),
                rate=one_cycle(progress) * phase.rate,
                open=relaxation(phase.open_until, progress),
                seconds=time.monotonic() - started,
            )
            records.append(record)
            checkpoint.save(path, state(net, optimiser, records, average, best))
            self.report(record)
        net.eval()
        if average is not None:
            average.swap()
        best.apply(net)

    def _validate(self, net: Net, average: Average | None, best: Best | None) -> float:
        """Accuracy on the validation split, with averaged weights where there is an average.

        These weights are offered to ``best``, if there is one.
        """
        if average is not None:
            average.swap()
        right = accuracy(net, *self.source.split("val"))
        if best is not None:
            best.offer(net, right)
        if average is not None:
            average.swap()
        return right

    def key(self, shape: Any, phase: Phase, origin: str = "") -> str:
        """Digest of everything that the result of a phase depends on; ``shape`` is plain JSON."""
        parts = [shape, asdict(phase), origin, self.source.key]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]

    def _epoch(
        self,
        net: Net,
        optimiser: torch.optim.Optimizer,
        phase: Phase,
        epoch: int,
        teacher: SparseNet | None,
        average: Average | None,
    ) -> float:
        """Run an epoch and return its mean loss.

        All randomness derives from the phase's seed and the number of the epoch.
        """
        seed = phase.seed * 1_000_003 + epoch
        generator = torch.Generator().manual_seed(seed)
        torch.manual_seed(seed)
        self.source.begin(epoch)
        steps = self.source.epoch // phase.batch
        total, loss_sum = steps * phase.epochs, 0.0
        net.train()
        for step in range(epoch * steps, (epoch + 1) * steps):
            for group in optimiser.param_groups:
                group["lr"] = one_cycle(step / total) * phase.rate
            if isinstance(net, SparseNet) and step % max(steps // MASK_CHOICES, 1) == 0:
                restructure(net, phase, step / total)
            images, target = self.source.batch(phase.batch, generator)
            if not target.is_floating_point():
                target = targets(target, self.source.classes)
            if phase.mix:
                images, target = mix(images, target, phase.mix, generator)
            images, target = (value.to(device_of(net)) for value in (images, target))
            loss = objective(net(images), target, phase, _prediction(teacher, images, phase))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            if isinstance(net, SparseNet):
                net.keep_bounds()
            if average is not None:
                average.update(step)
            loss_sum += float(loss.detach())
            if not math.isfinite(loss_sum):
                raise TrainingError(f"{phase.name}: the loss overflows; lower rate {phase.rate}")
            self.on_step(phase.name, step + 1, total)
        return loss_sum / steps


def one_cycle(progress: float) -> float:
    """Learning rate as a share of its peak: linear warm-up over the first tenth, then a cosine."""
    if progress < 0.1:
        return 0.05 + 0.95 * progress / 0.1
    return 0.001 + 0.999 * 0.5 * (1 + math.cos(math.pi * (progress - 0.1) / 0.9))


def relaxation(until: float, progress: float) -> float:
    """Relaxation of a structure: from 1 down a cubic to 0, the final structure, at ``until``."""
    return (1 - progress / until) ** 3 if progress < until else 0.0


def final(phase: Phase, epoch: int) -> bool:
    """Whether masks and winners have their final structure in the whole ``epoch``, from 0."""
    return max(phase.open_until, phase.winners_until) <= epoch / phase.epochs


def restructure(net: SparseNet, phase: Phase, progress: float) -> None:
    """Choose masks anew and set the number of winners for this ``progress``, 0..1, of the phase."""
    share = relaxation(phase.open_until, progress)
    spread = relaxation(phase.winners_until or phase.open_until, progress)
    for layer in net.each_layer():
        if progress <= phase.move_until:
            weight = layer.weight.detach().cpu()
            layer.mask.copy_(choose_mask(weight, layer.stage, share, phase.density))
            with torch.no_grad():
                layer.weight.mul_(torch.where(layer.mask > 0, 1.0, phase.fade))
        if layer.norm is not None:
            k, channels = layer.stage.k, layer.stage.channels
            layer.norm.k = round(k + (channels / 2 - k) * spread) if k < channels else k
            share_used = phase.used[layer.stage.index] if phase.used else 1.0
            if share_used * channels < k < channels:
                layer.norm.used = share_used * layer.norm.k / k


def objective(logits: Tensor, target: Tensor, phase: Phase, prediction: Tensor | None) -> Tensor:
    """Cross entropy against ``target`` (probabilities) and, with a teacher, its prediction."""
    loss = F.cross_entropy(logits, target, label_smoothing=phase.smoothing)
    if prediction is None:
        return loss
    temperature = phase.temperature
    student = F.log_softmax(logits / temperature, 1)
    distance = F.kl_div(student, prediction, reduction="batchmean") * temperature**2
    return (1 - phase.distil) * loss + phase.distil * distance


def _prediction(teacher: SparseNet | None, images: Tensor, phase: Phase) -> Tensor | None:
    if teacher is None or not phase.distil:
        return None
    with torch.no_grad():
        return F.softmax(teacher.prediction(images) / phase.temperature, 1)


def to_device(net: SparseNet | ResidualNet, device: str) -> None:
    """Move a network to ``device``, with the kernels and number format that are fast there."""
    net.to(device)
    if isinstance(net, SparseNet):
        net.set_fused(device == "cpu")
        net.mixed = half_is_fast() if device == "cpu" else True


def device_of(net: nn.Module) -> torch.device:
    """Device that holds a network's parameters."""
    return next(net.parameters()).device


def parameter_groups(net: nn.Module, decay: float) -> list[dict[str, Any]]:
    """Weights with weight decay, everything else without."""
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    return [
        {"params": matrices, "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


@torch.no_grad()
def copy_weights(source: SparseNet, target: SparseNet) -> None:
    """Copy the weights and statistics of ``source``, but not its masks, to ``target``."""
    kept = {name: value for name, value in source.state_dict().items() if "mask" not in name}
    target.load_state_dict(kept, strict=False)


def state(
    net: Net,
    optimiser: torch.optim.Optimizer,
    records: list[Record],
    average: Average | None,
    best: Best,
) -> dict[str, Any]:
    """Everything needed to continue after the epochs of ``records``."""
    norms = _norms(net)
    return {
        "records": [asdict(record) for record in records],
        "net": net.state_dict(),
        "winners": [[norm.k, norm.used] for norm in norms],
        "optimiser": optimiser.state_dict()["state"],
        "average": average.state_dict() if average is not None else {},
        "best": best.state_dict(),
    }


def restore(
    path: Path,
    net: Net,
    optimiser: torch.optim.Optimizer,
    average: Average | None,
    best: Best,
) -> list[Record]:
    """Restore what `state` returned, and return the records. Raises ArtefactError."""
    tree = checkpoint.load(path)
    try:
        net.load_state_dict(tree["net"])
        for norm, kept in zip(_norms(net), tree["winners"], strict=True):
            norm.k, norm.used = kept
        whole = optimiser.state_dict()
        whole["state"] = {int(key): value for key, value in tree["optimiser"].items()}
        optimiser.load_state_dict(whole)
        if average is not None:
            average.load_state_dict(tree["average"])
        best.load_state_dict(tree["best"])
        return [Record(**record) for record in tree["records"]]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise ArtefactError(
            f"{path}: checkpoint of another version ({type(error).__name__}); delete it"
        ) from error


def _norms(net: Net) -> list[NormWinners]:
    layers = net.each_layer() if isinstance(net, SparseNet) else []
    return [layer.norm for layer in layers if layer.norm is not None]


@torch.no_grad()
def logits_of(net: Net, images: Tensor) -> Tensor:
    """Logits of all images in evaluation mode; restores the network's mode afterwards."""
    training = net.training
    net.eval()
    device = device_of(net)
    out = torch.cat([net(block.to(device)).cpu() for block in images.split(EVAL_BATCH)])
    net.train(training)
    return out


def accuracy(net: Net, images: Tensor, labels: Tensor) -> float:
    """Share of the images that the network classifies correctly."""
    return float((logits_of(net, images).argmax(1) == labels).float().mean())
