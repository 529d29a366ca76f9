"""Vectors in kernels, beside NumPy."""

import numpy as np
import pytest
from numba import njit
from numba.core.errors import TypingError

from refine2d.simd import LANES, bits, fill, fill_from, larger, load, multiply_add, store


@njit
def arithmetic(a, b, out):
    x, y = load(a, 3), load(b, 1)
    store(out, 0, x + y)
    store(out, LANES, x - y)
    store(out, 2 * LANES, x * y)
    store(out, 3 * LANES, multiply_add(x, y, fill(np.float32(2))))
    store(out, 4 * LANES, fill_from(b, 5))


@njit
def of_integers(a, b, floats, out):
    x, y = load(a, 3), load(b, 1)
    store(out, 0, x & y)
    store(out, LANES, x | y)
    store(out, 2 * LANES, larger(x, y))
    store(out, 3 * LANES, bits(load(floats, 2)))


def test_arithmetic_is_numpys():
    a, b = np.random.default_rng(0).standard_normal((2, LANES + 8)).astype(np.float32)
    out = np.zeros((5, LANES), np.float32)
    arithmetic(a, b, out)
    x, y = a[3 : 3 + LANES], b[1 : 1 + LANES]
    assert (out[:3] == [x + y, x - y, x * y]).all()
    np.testing.assert_allclose(out[3], x.astype(float) * y + 2, rtol=1e-6, atol=1e-6)
    assert (out[4] == b[5]).all()


def test_integers_are_numpys():
    rng = np.random.default_rng(1)
    a, b = rng.integers(-(2**31), 2**31, (2, LANES + 8)).astype(np.int32)
    floats = rng.standard_normal(LANES + 8).astype(np.float32)
    out = np.zeros((4, LANES), np.int32)
    of_integers(a, b, floats, out)
    x, y = a[3 : 3 + LANES], b[1 : 1 + LANES]
    assert (out == [x & y, x | y, np.maximum(x, y), floats[2 : 2 + LANES].view(np.int32)]).all()


def test_an_array_with_gaps_does_not_compile():
    a = np.zeros((LANES + 8, 2), np.float32)
    with pytest.raises(TypingError, match="contiguous"):
        arithmetic(a[:, 0], a[:, 0], np.zeros((5, LANES), np.float32))
