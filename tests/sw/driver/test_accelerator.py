"""The driver, on every device the same."""

import numpy as np
import pytest

from twofold.hw.contract import presets
from twofold.hw.contract.errors import ParameterError
from twofold.hw.contract.regs import Operation, Status, register
from twofold.sim.workloads.random_network import random_quantized
from twofold.sw.driver import Accelerator
from twofold.sw.driver.device import PAGE, SMALLEST_BUFFER, Arguments
from twofold.sw.errors import (
    ArtefactError,
    DeviceBusyError,
    DeviceError,
    DeviceRefusedError,
)
from twofold.sw.golden import forward
from twofold.sw.pack import pack

LAUNCHES, FEW_LAUNCHES = 1000, 30
FAST = ("cpu",)
SECONDS = 60.0


def check(found, golden, first: int, last: int) -> None:
    logits, labels = found
    np.testing.assert_array_equal(logits, golden.logits[first:last])
    np.testing.assert_array_equal(labels, golden.labels[first:last])
    assert (logits.dtype, labels.dtype) == (np.int32, np.int32)


@pytest.mark.parametrize("samples", (0, 1, 7, 65, 300))
def test_infer_equals_the_golden_model(loaded, inputs, golden, samples):
    check(loaded.infer(inputs[:samples]), golden, 0, samples)
    check(loaded.infer(inputs[:samples, 0]), golden, 0, samples)


def test_samples_that_are_not_contiguous(loaded, inputs, golden):
    logits, _ = loaded.infer(inputs[:40:2])
    np.testing.assert_array_equal(logits, golden.logits[:40:2])


def test_many_batches_under_way(loaded, inputs, golden):
    """Results come back with their own ticket, in whatever order they are asked for."""
    spans = [(first, first + 1 + first % 70) for first in range(0, 230, 23)]
    tickets = [loaded.submit(inputs[first:last]) for first, last in spans]
    for (first, last), ticket in reversed(list(zip(spans, tickets, strict=True))):
        check(loaded.result(ticket, SECONDS), golden, first, last)
        assert ticket.done


def test_batch_in_place(loaded, inputs, golden):
    with loaded.buffer(200) as batch:
        assert sum(len(view) for view in batch.views) == batch.samples == 200
        assert all(view.ctypes.data % PAGE == 0 for view in batch.views)
        for at in (0, 100):
            batch.write(inputs[at : at + 200, 0])
            check(loaded.infer(batch), golden, at, at + 200)
        for view in batch.views:
            view[:] = inputs[7]
        logits, _ = loaded.infer(batch)
        assert (logits == golden.logits[7]).all()
        with pytest.raises(ArtefactError, match="needs uint8"):
            batch.write(inputs[:10, 0])


@pytest.mark.parametrize("hop", (1, 3, 8, 9, 24, 40))
def test_windows_on_frames(loaded, quantized, inputs, hop):
    """Overlapping, back to back and apart, over all units; the rest at the end is ignored."""
    frames = inputs.reshape(-1, 8)
    for count in (1, 2, 150):
        taken = frames[: 8 + (count - 1) * hop + (hop - 1)][: len(frames)]
        starts = range(0, len(taken) - 7, hop)
        each = np.stack([taken[at : at + 8] for at in starts])[:, np.newaxis]
        expected = forward(quantized, each, keep_activations=False)
        check(loaded.infer(taken, hop=hop), expected, 0, len(each))
        check(loaded.infer(taken[np.newaxis], hop=hop), expected, 0, len(each))


def test_too_few_frames_are_no_window(loaded, inputs):
    logits, labels = loaded.infer(inputs.reshape(-1, 8)[:7], hop=2)
    assert logits.shape == (0, 10) and len(labels) == 0


def test_wrong_windows(loaded, quantized, folding, inputs):
    frames = inputs.reshape(-1, 8)
    with pytest.raises(DeviceError, match="hop is 0 frames, needs 1 or more"):
        loaded.infer(frames, hop=0)
    with pytest.raises(DeviceError, match=r"hop is 1\.5, needs a whole number"):
        loaded.infer(frames, hop=1.5)
    for wrong in (frames.astype(np.int8), frames.reshape(-1, 16), frames.reshape(2, -1, 8)):
        with pytest.raises(ArtefactError, match=r"needs uint8\[frames, 8\]"):
            loaded.infer(wrong, hop=8)
    with loaded.buffer(2) as batch, pytest.raises(DeviceError, match="needs an array of frames"):
        loaded.infer(batch, hop=8)
    with pytest.raises(ArtefactError, match=r"a list, needs a NumPy array uint8\[frames, 8\]"):
        loaded.infer([1, 2], hop=8)
    loaded.load(pack(quantized, folding))
    with pytest.raises(DeviceError, match="instead of its parameter image"):
        loaded.infer(frames, hop=8)


def test_packed_image(loaded, quantized, folding, inputs, golden):
    loaded.load(pack(quantized, folding))
    flat = inputs.reshape(len(inputs), -1)
    check(loaded.infer(flat[:20]), golden, 0, 20)
    check(loaded.infer(inputs[:20]), golden, 0, 20)
    with pytest.raises(ArtefactError, match=r"uint8\[samples, 64\]"):
        loaded.infer(flat[:, :60])


def test_other_weights_for_the_same_machine(loaded, quantized, folding, inputs, golden):
    loaded.load(random_quantized(quantized.network, 3), folding)
    logits, _ = loaded.infer(inputs[:20])
    assert (logits != golden.logits[:20]).any()
    loaded.load(quantized)
    check(loaded.infer(inputs[:20]), golden, 0, 20)


@pytest.mark.parametrize("variant, size", [("dense", "small"), ("fast", "full")])
def test_another_machine_is_refused(loaded, inputs, golden, variant, size):
    network = presets.network("tiny", variant)
    other = random_quantized(network)
    with pytest.raises(ParameterError, match="was packed for machine"):
        loaded.load(other, presets.folding("tiny", variant, size))
    check(loaded.infer(inputs[:3]), golden, 0, 3)


def test_no_shipped_folding_fits(loaded):
    with pytest.raises(
        ParameterError, match=r"holds machine .* not one of tiny-dense .* load the bit"
    ):
        loaded.load(random_quantized(presets.network("tiny", "dense")))


@pytest.mark.parametrize("damage", ("truncated", "flipped", "empty", "text"))
def test_damaged_images_are_refused(loaded, quantized, folding, inputs, golden, damage):
    image = bytearray(pack(quantized, folding))
    if damage == "truncated":
        del image[-64:]
    elif damage == "flipped":
        image[len(image) // 2] ^= 4
    else:
        image[:] = b"" if damage == "empty" else b"not an image at all" * 64
    with pytest.raises(ParameterError, match="parameter image"):
        loaded.load(bytes(image))
    check(loaded.infer(inputs[:3]), golden, 0, 3)


@pytest.mark.parametrize("shape", [(4, 9, 8), (4, 2, 8, 8), (8, 8), (64,)])
def test_wrong_shapes(loaded, shape):
    with pytest.raises(ArtefactError, match=r"needs uint8\[samples, 8, 8\]"):
        loaded.infer(np.zeros(shape, np.uint8))


def test_wrong_type(loaded, inputs):
    with pytest.raises(ArtefactError, match="float32"):
        loaded.infer(inputs.astype(np.float32))


def test_counters(loaded, inputs):
    before = loaded.counters()
    loaded.infer(inputs[:128])
    after = loaded.counters()
    assert len(after) == loaded.units
    for unit, found in after.items():
        assert {"status", "runs", "failures", "results"} <= set(found)
        assert (found["status"], found["failures"]) == (Status.OK, before[unit]["failures"])
    ran = sum(found["runs"] - before[unit]["runs"] for unit, found in after.items())
    assert ran == 2
    assert max(found["results"] for found in after.values()) == 64


def test_counters_of_layers(loaded, inputs, golden):
    """Machines count the products of every layer; devices that do not count do not say 0."""
    before = loaded.counters()
    loaded.infer(inputs)
    after = loaded.counters()
    for layer, expected in enumerate(golden.multiplications.sum(axis=0)):
        name = f"multiplications[{layer}]"
        if loaded.devices[0].name in ("golden", "cpu"):
            assert all(name not in found for found in after.values())
        else:
            counted = (found[name] - before[unit].get(name, 0) for unit, found in after.items())
            assert sum(counted) == expected


def test_a_thousand_launches(loaded, inputs, golden):
    """Every one a run of its own, with several under way; fewer where a run takes long."""
    launches = LAUNCHES if loaded.devices[0].name in FAST else FEW_LAUNCHES
    tickets = [loaded.submit(inputs[at % 300 : at % 300 + 1]) for at in range(launches)]
    for at, ticket in enumerate(tickets):
        check(loaded.result(ticket, SECONDS), golden, at % 300, at % 300 + 1)


def test_opened_twice(accelerator):
    with pytest.raises(DeviceBusyError, match="opened already"):
        Accelerator(*accelerator.devices)


def start(unit, operation: Operation, content: bytes, samples: int, stride: int = 0) -> None:
    """Have a unit do a run to its end, past the driver's checks."""
    memory = unit.allocate(len(content))
    memory.data[: len(content)] = np.frombuffer(content, np.uint8)
    memory.to_card(len(content))
    launch = unit.prepare(Arguments(operation, memory, len(content), memory, memory))
    launch.start(samples, stride)
    assert launch.wait(SECONDS)
    launch.free()
    memory.free()


def test_refusals_of_the_kernel(loaded, quantized, folding, inputs, golden):
    """What the driver never sends ends with a status, and the next run works."""
    unit = loaded.devices[0].units[0]
    image = bytearray(pack(quantized, folding))
    image[len(image) // 2] ^= 4
    refused = [
        (Operation.RUN, b"\0" * 64, 0, Status.BAD_SAMPLES),
        (Operation.LOAD, b"\0" * 60, 1, Status.BAD_LENGTH),
        (Operation.LOAD, b"\0" * 64, 1, Status.PARAMETERS_BAD_MAGIC),
        (Operation.LOAD, bytes(image), 1, Status.PARAMETERS_BAD_CRC),
        (Operation.RUN, b"\0" * 64, 1, Status.NO_PARAMETERS),
    ]
    before = unit.read(register("failures"))
    for number, (operation, content, samples, status) in enumerate(refused, 1):
        start(unit, operation, content, samples)
        assert unit.read(register("status")) == status
        assert unit.read(register("failures")) == before + number
    loaded.load(quantized)
    check(loaded.infer(inputs[:130]), golden, 0, 130)


def test_strides_and_ranges_that_do_not_fit(loaded, quantized, inputs, golden):
    unit = loaded.devices[0].units[0]
    room = len(unit.allocate(64).data)
    refused = [
        (1, 32, Status.BAD_STRIDE),
        (room // 64 + 1, 0, Status.BAD_RANGE),
        (3, room // 2, Status.BAD_RANGE),
        (1 << 31, 1 << 31, Status.BAD_RANGE),
    ]
    before = unit.read(register("failures"))
    for number, (samples, stride, status) in enumerate(refused, 1):
        start(unit, Operation.RUN, b"\0" * 64, samples, stride)
        assert unit.read(register("status")) == status
        assert unit.read(register("failures")) == before + number
        start(unit, Operation.RUN, b"\0" * 64, 2, room // 2)
        assert unit.read(register("status")) == Status.OK
    loaded.load(quantized)
    check(loaded.infer(inputs[:130]), golden, 0, 130)


def test_a_run_that_fails_is_an_error_of_its_batch(loaded, quantized, inputs, golden):
    for unit in loaded.devices[0].units:
        start(unit, Operation.LOAD, b"\0" * 64, 1)
    with pytest.raises(DeviceRefusedError, match=r"NO_PARAMETERS.*load one first"):
        loaded.infer(inputs[:130])
    loaded.load(quantized)
    check(loaded.infer(inputs[:130]), golden, 0, 130)


def test_buffers_are_whole_pages(accelerator):
    memory = accelerator.devices[0].units[0].allocate(SMALLEST_BUFFER + 1)
    assert len(memory.data) == SMALLEST_BUFFER + PAGE
    assert memory.data.ctypes.data % PAGE == 0
    memory.free()
