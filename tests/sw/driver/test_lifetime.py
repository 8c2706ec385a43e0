"""Opening and closing, on every device the same."""

import pytest

from twofold.sw.driver import Accelerator
from twofold.sw.errors import DeviceBusyError, DeviceError, DeviceLostError


def test_nothing_works_before_load_or_after_close(opener, quantized, inputs):
    accelerator = Accelerator(opener())
    with pytest.raises(DeviceError, match=r"call load"):
        accelerator.infer(inputs)
    accelerator.load(quantized)
    accelerator.close()
    accelerator.close()
    for use in (lambda: accelerator.infer(inputs), accelerator.counters):
        with pytest.raises(DeviceLostError, match="closed"):
            use()


def test_open_again_after_close(opener, quantized, inputs, golden):
    for _ in range(2):
        with Accelerator(opener()) as accelerator:
            accelerator.load(quantized)
            logits, _ = accelerator.infer(inputs[:20])
            assert (logits == golden.logits[:20]).all()


def test_a_batch_ends_with_its_accelerator(opener, quantized, inputs):
    accelerator = Accelerator(opener())
    accelerator.load(quantized)
    batch = accelerator.buffer(10)
    accelerator.close()
    with pytest.raises(DeviceError, match="buffers were freed"):
        batch.write(inputs[:10, 0])
    with pytest.raises(DeviceLostError, match="closed"):
        accelerator.submit(batch)
    batch.free()


def test_a_card_is_opened_once(opener, hardware):
    """Devices in software are as many as are opened; a card is one."""
    if not hardware:
        first, second = opener(), opener()
        assert first is not second
        first.close()
        second.close()
        return
    with Accelerator(opener()), pytest.raises(DeviceBusyError, match="opened already"):
        opener()
