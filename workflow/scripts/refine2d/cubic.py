"""Cubic convolution in kernels (Keys 1981, doi:10.1109/TASSP.1981.1163711): places and weights first, then the sums.

Loops over many points fill vectors that way.
"""

import numpy as np

from .jit import njit


@njit(nogil=True, inline="always", fastmath=True)
def sums(pixels, wide, first, across, down, out):
    """Weighted sums of 4 x 4 neighbours.

    Parameters
    ----------
    pixels : ndarray
        Flat float32 image.
    wide : uint64
        Its pixels in a line.
    first : ndarray
        (n,) int32, the flat place of the first neighbour.
    across, down : ndarray
        (4, n) float32 weights.
    out : ndarray
        (n,) float32.
    """
    # unsigned, for a signed index may count from the end, and to find out takes time
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    for k in range(out.size):
        a = np.uint64(first[k])
        b, c, d = a + wide, a + two * wide, a + three * wide
        w0, w1, w2, w3 = down[0, k], down[1, k], down[2, k], down[3, k]
        s0 = w0 * pixels[a] + w1 * pixels[b] + w2 * pixels[c] + w3 * pixels[d]
        s1 = w0 * pixels[a + one] + w1 * pixels[b + one] + w2 * pixels[c + one] + w3 * pixels[d + one]
        s2 = w0 * pixels[a + two] + w1 * pixels[b + two] + w2 * pixels[c + two] + w3 * pixels[d + two]
        s3 = w0 * pixels[a + three] + w1 * pixels[b + three] + w2 * pixels[c + three] + w3 * pixels[d + three]
        out[k] = across[0, k] * s0 + across[1, k] * s1 + across[2, k] * s2 + across[3, k] * s3


@njit(nogil=True, inline="always", fastmath=True)
def weights(t):
    """Weights of the four neighbours around a point that is a fraction `t` beyond the second."""
    half, one = np.float32(0.5), np.float32(1)
    w0 = -half * t * (one - t) * (one - t)
    w3 = -half * t * t * (one - t)
    w1 = one + t * t * (np.float32(1.5) * t - np.float32(2.5))
    return w0, w1, one - w0 - w1 - w3, w3
