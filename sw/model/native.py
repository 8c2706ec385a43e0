"""The kernels of ``native.cpp`` as differentiable functions of tensors.

The library is compiled once, for this processor's instruction set, and kept in the user's cache
folder. `twofold.sw.model.layers` computes the same in stock PyTorch, as a reference for tests.
"""

import ctypes
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from twofold.hw.contract.cache import cached_file, digest, user_cache
from twofold.hw.contract.errors import ToolError

LANES = 16
"""The number of channels of a convolution must be a multiple of this."""
SPARSE = 0.3
"""Share of non-zero inputs below which the sparse convolution is faster."""
_SOURCE = Path(__file__).with_name("native.cpp")
_WINDOW = ("samples", "height", "width", "channels", "rows", "cols", "pool", "out_rows", "out_cols")
_FLAGS = (
    f"-DWINDOW_FIELDS={','.join(_WINDOW)}",
    "-O3", "-march=native", "-std=c++17", "-shared", "-fPIC",
    # -ffast-math without its start-up code, which would disable denormals in the whole process
    "-fno-math-errno", "-fassociative-math", "-freciprocal-math", "-ffinite-math-only",
    "-fno-signed-zeros", "-fno-trapping-math",
)  # fmt: skip


class _Window(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_int64) for name in _WINDOW)


@cache
def library() -> ctypes.CDLL:
    """The compiled kernels. Raises ToolError when there is no working g++."""
    macros = _compile("-march=native", "-dM", "-E", "-x", "c++", os.devnull)
    key = digest([macros, _SOURCE.read_bytes(), *_FLAGS])

    def make(path: Path) -> None:
        _compile(*_FLAGS, str(_SOURCE), "-o", str(path))

    built = cached_file(user_cache() / f"kernels-{key}.so", make)
    return ctypes.CDLL(str(built))


def _compile(*arguments: str) -> bytes:
    try:
        return subprocess.run(["g++", *arguments], check=True, capture_output=True).stdout
    except FileNotFoundError as error:
        raise ToolError("training needs the compiler g++; install it (Debian: g++)") from error
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines()
        raise ToolError(f"g++ fails: {lines[0] if lines else 'no message'}") from error


def _pointers(*tensors: Tensor) -> list[ctypes.c_void_p]:
    """Addresses of tensors, which the caller keeps alive until the kernel has run."""
    if any(not tensor.is_contiguous() for tensor in tensors):
        raise ValueError("kernels take contiguous tensors")
    return [ctypes.c_void_p(tensor.data_ptr()) for tensor in tensors]


def _pooled(
    samples: int, height: int, width: int, weight: Tensor, pool: int
) -> tuple["_Window", Tensor, Tensor]:
    """The window of a convolution with max-pooling, and room for its maxima and their places."""
    channels, _, rows, cols = weight.shape
    out_rows, out_cols = (height - rows + 1) // pool, (width - cols + 1) // pool
    window = _Window(samples, height, width, channels, rows, cols, pool, out_rows, out_cols)
    out = torch.empty(samples, out_rows, out_cols, channels)
    return window, out, torch.empty(out.shape, dtype=torch.uint8)


class _ConvPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, pool: int) -> Tensor:
        samples, _, height, width = image.shape
        window, out, winner = _pooled(samples, height, width, weight, pool)
        taps = weight.detach().flatten(1).t().contiguous()
        image = image.contiguous()
        library().conv_pool_forward(ctypes.byref(window), *_pointers(image, taps, out, winner))
        ctx.save_for_backward(image, winner)
        ctx.window, ctx.shape = window, weight.shape
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[None, Tensor, None]:
        image, winner = ctx.saved_tensors
        channels, _, rows, cols = ctx.shape
        taps = torch.zeros(rows * cols, channels)
        grad = grad_outputs[0].contiguous()
        library().conv_pool_backward(
            ctypes.byref(ctx.window), *_pointers(image, grad, winner, taps)
        )
        return None, taps.t().reshape(ctx.shape), None


def conv_pool(image: Tensor, weight: Tensor, pool: int) -> Tensor:
    """Convolution of one channel and max-pooling; no gradient reaches the image.

    Parameters
    ----------
    image: float32 [samples, 1, height, width].
    weight: float32 [channels, 1, rows, cols]; channels a multiple of `LANES`.
    pool: side and stride of the pooling window.

    Returns
    -------
    float32 [samples, out rows, out cols, channels].
    """
    return cast(Tensor, _ConvPool.apply(image, weight, pool))


class _SparseConvPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, pool: int) -> Tensor:
        samples, height, width, inputs = x.shape
        window, out, winner = _pooled(samples, height, width, weight, pool)
        taps = weight.detach().permute(2, 3, 1, 0).contiguous()
        library().sparse_conv_pool_forward(
            ctypes.byref(window), ctypes.c_int64(inputs), *_pointers(x, taps, out, winner)
        )
        ctx.save_for_backward(x, taps, winner)
        ctx.window = window
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None]:
        x, taps, winner = ctx.saved_tensors
        grad = grad_outputs[0].contiguous()
        grad_x, grad_taps = torch.zeros_like(x), torch.zeros_like(taps)
        library().sparse_conv_pool_backward(
            ctypes.byref(ctx.window), ctypes.c_int64(x.shape[-1]),
            *_pointers(x, taps, grad, winner, grad_x, grad_taps),
        )  # fmt: skip
        return grad_x, grad_taps.permute(3, 2, 0, 1), None


def is_sparse(x: Tensor) -> bool:
    """Whether `sparse_conv_pool` is faster for ``x`` than a dense convolution."""
    return int(torch.count_nonzero(x)) < SPARSE * x.numel()


def sparse_conv_pool(x: Tensor, weight: Tensor, pool: int) -> Tensor:
    """Convolution of mostly zero inputs, and max-pooling.

    The gradient reaches all weights, and the inputs that are not 0. Run time is proportional to the
    number of non-zero inputs.

    Parameters
    ----------
    x: float32 [samples, height, width, inputs].
    weight: float32 [channels, inputs, rows, cols]; channels a multiple of `LANES`.
    pool: side and stride of the pooling window.

    Returns
    -------
    float32 [samples, out rows, out cols, channels].
    """
    return cast(Tensor, _SparseConvPool.apply(x.contiguous(), weight, pool))


class _MaskWeights(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, mask: Tensor, half: bool) -> Tensor:
        ctx.kind = weight.dtype
        if not half:
            return weight * mask
        out = torch.empty(weight.shape, dtype=torch.bfloat16)
        weight_at, mask_at, out_at = _pointers(weight, mask, out)
        library().mask_weights(weight_at, mask_at, ctypes.c_int64(weight.numel()), out_at)
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None, None]:
        return grad_outputs[0].to(ctx.kind), None, None


def mask_weights(weight: Tensor, mask: Tensor, half: bool) -> Tensor:
    """Products of ``weight`` and ``mask`` (float32, of the same shape), in bfloat16 if ``half``.

    The gradient reaches all weights, masked or not.
    """
    return cast(Tensor, _MaskWeights.apply(weight, mask, half))


class _NormWinners(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, gain: Tensor, shift: Tensor, mean: Tensor, deviation: Tensor,
        k: int, half: bool,
    ) -> Tensor:  # fmt: skip
        scale = gain / deviation
        offset = shift - mean * scale
        out = torch.empty(x.shape, dtype=torch.bfloat16 if half else torch.float32)
        run = library().norm_winners_bf16 if half else library().norm_winners_float
        channels = x.shape[-1]
        x_at, scale_at, offset_at, out_at = _pointers(x, scale, offset, out)
        sizes = ctypes.c_int64(x.numel() // channels), ctypes.c_int64(channels)
        run(x_at, *sizes, scale_at, offset_at, ctypes.c_int64(k), out_at)
        ctx.save_for_backward(out, x, mean, deviation, gain)
        return out

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        out, x, mean, deviation, gain = ctx.saved_tensors
        channels, grad = x.shape[-1], grad_outputs[0].contiguous()
        grad_x, grad_gain, grad_shift = torch.empty_like(x), *torch.empty(2, channels)
        half = out.dtype == torch.bfloat16
        run = (
            library().norm_winners_backward_bf16 if half else library().norm_winners_backward_float
        )
        sizes = ctypes.c_int64(x.numel() // channels), ctypes.c_int64(channels)
        run(
            *_pointers(grad, out, x), *sizes,
            *_pointers(mean, deviation, gain, grad_x, grad_gain, grad_shift),
        )  # fmt: skip
        return grad_x, grad_gain, grad_shift, None, None, None, None


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance (biased) of every channel of ``x`` [..., channels], float32."""
    mean, variance = torch.empty(2, x.shape[-1])
    sizes = ctypes.c_int64(x.numel() // x.shape[-1]), ctypes.c_int64(x.shape[-1])
    (at,) = _pointers(x)
    library().column_moments(at, *sizes, *_pointers(mean, variance))
    return mean, variance


def norm_winners(
    x: Tensor, *, gain: Tensor, shift: Tensor, mean: Tensor, deviation: Tensor, k: int, half: bool
) -> Tensor:
    """Normalisation, ReLU and k-winners over the last axis.

    The gradient is that of normalisation by the batch's own ``mean`` and ``deviation``.

    Parameters
    ----------
    x: float32 [..., channels].
    gain, shift: trained scale and offset of every channel.
    mean, deviation: of every channel; no gradient flows into them separately.
    k: winners of every row; ties may keep more.
    half: return bfloat16 instead of float32.
    """
    return cast(Tensor, _NormWinners.apply(x, gain, shift, mean, deviation, k, half))


def auction_round(worth: Tensor, price: Tensor) -> tuple[Tensor, Tensor]:
    """Assign every position of every set to the slot with the largest worth minus price.

    Parameters
    ----------
    worth: float32 [slots, sets, inputs].
    price: float32 [slots, sets].

    Returns
    -------
    Owner of every position, int32 [sets, inputs], and positions owned, float32 [slots, sets].
    """
    slots, sets, inputs = worth.shape
    owner = torch.empty(sets, inputs, dtype=torch.int32)
    count = torch.empty(slots, sets)
    sizes = [ctypes.c_int64(size) for size in (slots, sets, inputs)]
    worth_at, price_at, *results = _pointers(worth, price, owner, count)
    library().auction_round(worth_at, price_at, *sizes, *results)
    return owner, count
