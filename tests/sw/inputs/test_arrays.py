"""Arrays: shapes and types that are taken, and files that are not what they say."""

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.sw.artefacts import QuantizedNetwork
from twofold.sw.errors import InputError
from twofold.sw.inputs import arrays, read_inputs
from twofold.sw.inputs.arrays import as_samples, load, read_array

CASES = os.environ.get("TWOFOLD_CASES")


def saved(path: Path, array: Any, **options: Any) -> Path:
    np.save(path, array, **options)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    "shape", [(7, 1, 8, 8), (7, 8, 8), (7, 64), (1, 8, 8), (8, 8), (64,), (1, 1, 8, 8), (1, 64)]
)
def test_shapes_of_a_grey_network(array: QuantizedNetwork, tmp_path: Path, shape: tuple[int, ...]):
    values = noise(*shape)
    found = read_array(array, saved(tmp_path / "x.npy", values))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, values.reshape(-1, 1, 8, 8))


@pytest.mark.parametrize("shape", [(5, 3, 4, 6), (3, 4, 6), (5, 72), (72,)])
def test_shapes_of_a_network_with_channels(coloured: QuantizedNetwork, shape: tuple[int, ...]):
    values = noise(*shape)
    np.testing.assert_array_equal(as_samples(coloured, values, "x"), values.reshape(-1, 3, 4, 6))


@pytest.mark.parametrize("shape", [(5, 4, 6), (5, 4, 6, 3), (5, 71), (), (0,), (1, 5, 3, 4, 6)])
def test_other_shapes_are_refused(coloured: QuantizedNetwork, shape: tuple[int, ...]):
    with pytest.raises(InputError, match=r"x: shape is \[.*\], pets takes \[n, 3, 4, 6\]"):
        as_samples(coloured, noise(*shape), "x")


def test_channels_behind_the_rows_are_recognised_but_not_turned(coloured: QuantizedNetwork):
    with pytest.raises(InputError, match=r"channels come first: x\.transpose\(0, 3, 1, 2\)"):
        as_samples(coloured, noise(5, 4, 6, 3), "x")


def test_no_samples(array: QuantizedNetwork):
    with pytest.raises(InputError, match=r"holds 0 samples, needs 1\.\."):
        as_samples(array, noise(0, 1, 8, 8), "x")


@pytest.mark.parametrize("dtype", ["u1", ">u2", "<i2", "i8", "u8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_integers_of_any_type_and_order(array: QuantizedNetwork, tmp_path: Path, dtype, order):
    values = noise(3, 1, 8, 8)
    path = saved(tmp_path / "x.npy", np.array(values, dtype=dtype, order=order))
    np.testing.assert_array_equal(read_array(array, path), values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((1, 64), -1), r"values are -1\.\.-1, tiny-fast takes integers from 0 to 255"),
        (np.full((1, 64), 256), r"values are 256\.\.256"),
        (np.full((1, 64), True), "holds bool"),
        (np.full((1, 64), 1j), "holds complex128"),
        (np.full((1, 64), "a"), "holds <U1"),
        (np.full((1, 64), 0.5, np.float16), "holds float16, tiny-fast takes bytes; quantize"),
    ],
)
def test_values_that_are_no_bytes(array: QuantizedNetwork, values: np.ndarray, message: str):
    with pytest.raises(InputError, match=message):
        as_samples(array, values, "x")


def test_floats_are_told_how_to_become_bytes(array: QuantizedNetwork):
    """And what is told gives what is taken."""
    stated = replace(array, input={"kind": "array", "dtype": "float32", "scale": 0.25})
    x = np.linspace(-9, 90, 64)[None]
    with pytest.raises(InputError) as caught:
        as_samples(stated, x, "x")
    recipe = str(caught.value).split("quantize them: ")[1]
    found = as_samples(stated, eval(recipe, {"np": np, "x": x}), "x").reshape(-1)
    assert found[0] == 0 and found[-1] == 255 and found[20] == np.rint(x[0, 20] / 0.25)


def test_signed_bytes_of_a_model_that_took_them(array: QuantizedNetwork):
    signed = replace(array, input={"kind": "array", "dtype": "int8", "scale": 0.25})
    values = np.arange(-128, -64, dtype=np.int8)[None]
    np.testing.assert_array_equal(as_samples(signed, values, "x").reshape(-1), np.arange(64))
    raw = noise(1, 64)
    np.testing.assert_array_equal(as_samples(signed, raw, "x").reshape(1, 64), raw)
    with pytest.raises(InputError, match="holds int16, tiny-fast takes int8"):
        as_samples(signed, values.astype(np.int16), "x")
    with pytest.raises(InputError, match=r"values are -128\.\.-65"):
        as_samples(array, values, "x")


def test_npz_has_x_or_one_array(array: QuantizedNetwork, tmp_path: Path):
    values, path = noise(3, 64), tmp_path / "x.npz"
    for arrays_in_it in ({"x": values, "y": np.arange(3), "z": noise(2)}, {"pixels": values}):
        np.savez_compressed(path, **arrays_in_it)
        np.testing.assert_array_equal(read_array(array, path).reshape(3, 64), values)
    x, y = load(saved(tmp_path / "x.npy", values))
    assert y is None and x.shape == (3, 64)
    np.savez(path, a=values, b=values)
    with pytest.raises(InputError, match="its arrays are a, b, needs x"):
        load(path)


def test_nothing_is_unpickled(array: QuantizedNetwork, tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "boom"),)

    path = saved(tmp_path / "x.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="holds Python objects"):
        read_array(array, path)
    np.savez(tmp_path / "x.npz", x=np.array([Bomb()], dtype=object))
    with pytest.raises(InputError, match="holds Python objects"):
        read_array(array, tmp_path / "x.npz")
    assert not (tmp_path / "boom").exists()


def header(text: str) -> bytes:
    body = text.encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        npy(noise(2, 64))[:-1],
        npy(noise(2, 64)) + b"\0",
        npy(np.zeros(3, dtype=[("a", "u1")])),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}\n"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (1 << 99,)}\n"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}\n"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (9223372036854775807, 0)}\n"),
        header("{'descr': '|V0', 'fortran_order': False, 'shape': (4,)}\n"),
        header("{'descr': '|S0', 'fortran_order': False, 'shape': (0,)}\n"),
        header("{'descr': 7, 'fortran_order': 'x', 'shape': 3}\n"),
        header("(" * 5000 + "\n"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (64L,), }\n") + bytes(64),
        b"\x93NUMPY\x03\x00" + npy(noise(64))[8:],
        b"PK\x03\x04",
    ],
    ids=range(16),
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_damaged_files_are_one_line(array: QuantizedNetwork, tmp_path: Path, content, suffix):
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    if suffix == ".npz" and content[:2] != b"PK":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", content)
    inputs = read_inputs(array, [path])
    if b"64L" in content:  # Python 2 wrote so, and the array is whole
        assert inputs.samples.shape == (1, 1, 8, 8)
        return
    (failure,) = inputs.failures
    assert isinstance(failure.error, InputError) and str(path) in str(failure.error)
    assert "\n" not in str(failure.error) and len(str(failure.error)) < 1000


def test_archives_that_promise_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(arrays, "BYTES_MAX", 1000)
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros(5000, np.uint8))
    with pytest.raises(InputError, match=r"x\.npy has 5128 bytes, at most 1000"):
        load(tmp_path / "x.npz")
    saved(tmp_path / "x.npy", np.zeros(5000, np.uint8))
    with pytest.raises(InputError, match=r"x\.npy: is longer than 1000 bytes"):
        load(tmp_path / "x.npy")
    with zipfile.ZipFile(tmp_path / "x.npz", "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("x.npy", npy(noise(64)))
    with pytest.raises(InputError, match="compressed by method 12"):
        load(tmp_path / "x.npz")


@given(st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_are_an_array_or_one_line(tmp_path_factory, content: bytes, at: int):
    """Bytes of their own, and in the place of some of a good file."""
    folder = tmp_path_factory.mktemp("any")
    np.savez(folder / "good.npz", x=noise(64))
    good = (folder / "good.npz").read_bytes()
    for name, damaged in (
        ("x.npy", content),
        ("x.npy", npy(noise(64))[:at] + content + npy(noise(64))[at + len(content) :]),
        ("x.npz", good[:at] + content + good[at + len(content) :]),
    ):
        (folder / name).write_bytes(damaged)
        try:
            load(folder / name)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.skipif(CASES is None, reason="TWOFOLD_CASES is not set")
def test_case_of_a_damaged_archive(array: QuantizedNetwork):
    for path in sorted((Path(CASES or "") / "damaged").glob("*.np?")):
        with pytest.raises(InputError):
            read_array(array, path)
