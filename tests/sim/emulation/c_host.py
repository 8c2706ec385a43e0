"""A host program on XRT's C interface, run as a process of its own: loads an image, runs samples.

Arguments: bitstream, directory of a kernel job, unit, samples of the run (0: those of the job), and
how many runs. Prints ``ready`` before the last run, and the results that differ afterwards.
"""

import ctypes
import os
import sys
from ctypes import c_char_p, c_int, c_size_t, c_uint, c_uint32, c_ulong, c_void_p
from pathlib import Path

TO_CARD, TO_HOST, COMPLETED = 0, 1, 4
SIGNATURES = {
    "xrtDeviceOpen": (c_void_p, c_uint),
    "xrtDeviceClose": (c_int, c_void_p),
    "xrtDeviceToXclDevice": (c_void_p, c_void_p),
    "xrtDeviceLoadXclbinFile": (c_int, c_void_p, c_char_p),
    "xrtDeviceGetXclbinUUID": (c_int, c_void_p, c_void_p),
    "xrtPLKernelOpenExclusive": (c_void_p, c_void_p, c_void_p, c_char_p),
    "xrtKernelArgGroupId": (c_int, c_void_p, c_int),
    "xrtKernelReadRegister": (c_int, c_void_p, c_uint32, c_void_p),
    "xrtKernelClose": (c_int, c_void_p),
    "xrtBOAlloc": (c_void_p, c_void_p, c_size_t, c_ulong, c_uint),
    "xrtBOMap": (c_void_p, c_void_p),
    "xrtBOSync": (c_int, c_void_p, c_int, c_size_t, c_size_t),
    "xrtBOFree": (c_int, c_void_p),
    "xrtRunOpen": (c_void_p, c_void_p),
    "xrtRunStart": (c_int, c_void_p),
    "xrtRunWaitFor": (c_int, c_void_p, c_uint),
    "xrtRunClose": (c_int, c_void_p),
}
XRT = ctypes.CDLL("libxrt_coreutil.so.2")
for name, (result, *arguments) in SIGNATURES.items():
    getattr(XRT, name).restype = result
    getattr(XRT, name).argtypes = arguments


class Buffer:
    """Memory of the card with a copy here, in two transfers: the second at an offset."""

    def __init__(self, device, bank: int, content: bytes) -> None:
        self.size = -(-max(len(content), 1) // 8192) * 8192
        self.handle = XRT.xrtBOAlloc(device, self.size, 0, bank)
        self.address = XRT.xrtBOMap(self.handle)
        ctypes.memmove(self.address, content, len(content))
        self.sync(TO_CARD)

    def sync(self, direction: int) -> None:
        half = self.size // 2
        for offset in (0, half):
            assert XRT.xrtBOSync(self.handle, direction, half, offset) == 0


def main(bitstream: str, job: Path, unit: str, samples: int, runs: int) -> int:
    image, content, wanted = ((job / name).read_bytes() for name in ("image", "samples", "results"))
    device = XRT.xrtDeviceOpen(0)
    shim = ctypes.CDLL(f"{os.environ['XILINX_XRT']}/lib/libxrt_hwemu.so.2")
    shim.xclExecWait(c_void_p(XRT.xrtDeviceToXclDevice(device)), 0)
    assert XRT.xrtDeviceLoadXclbinFile(device, bitstream.encode()) == 0
    uuid = (ctypes.c_ubyte * 16)()
    XRT.xrtDeviceGetXclbinUUID(device, uuid)
    kernel = XRT.xrtPLKernelOpenExclusive(device, uuid, f"twofold:{{{unit}}}".encode())
    assert kernel
    bank = XRT.xrtKernelArgGroupId(kernel, 1)
    count = samples or len(wanted) // 64
    stride = len(content) // (len(wanted) // 64)
    buffers = [
        Buffer(device, bank, data)
        for data in (image, content.ljust(count * stride, b"\0"), b"\xa5" * 64 * count)
    ]
    states = [run(kernel, buffers, len(image), operation=0, samples=0)]
    for left in reversed(range(runs)):
        if not left:
            print("ready", flush=True)
        states.append(run(kernel, buffers, len(image), operation=1, samples=count))
    assert set(states) == {COMPLETED}, states
    buffers[2].sync(TO_HOST)
    found = ctypes.string_at(buffers[2].address, len(wanted))
    wrong = sum(found[at : at + 64] != wanted[at : at + 64] for at in range(0, len(wanted), 64))
    value = c_uint32()
    XRT.xrtKernelReadRegister(kernel, 0xB0, ctypes.byref(value))
    print(f"bank {bank} runs {value.value} wrong {wrong}", flush=True)
    for buffer in buffers:
        XRT.xrtBOFree(buffer.handle)
    XRT.xrtKernelClose(kernel)
    return XRT.xrtDeviceClose(device)


def run(kernel, buffers: list[Buffer], size: int, *, operation: int, samples: int) -> int:
    image, source, target = (c_void_p(buffer.handle) for buffer in buffers)
    handle = c_void_p(XRT.xrtRunOpen(kernel))
    values = (c_uint32(operation), image, c_uint32(size), source, target, c_uint32(samples))
    for index, value in enumerate(values):
        assert XRT.xrtRunSetArg(handle, c_int(index), value) == 0
    XRT.xrtRunStart(handle)
    state = XRT.xrtRunWaitFor(handle, 500)
    XRT.xrtRunClose(handle)
    return state


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5])))
