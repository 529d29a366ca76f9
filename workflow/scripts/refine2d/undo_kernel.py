"""The loop of `transforms.undo`: mirror, rotation, scale and shift undone in one cubic interpolation.

Cosine and sine are times the scale.
"""

import numpy as np

from .jit import njit


@njit(nogil=True, cache=True, fastmath=True)
def undo(images, cos, sin, sign, sx, sy, out):
    n, box, _ = images.shape
    centre, half, pad = box // 2, out.shape[1] // 2, 3
    padded = np.zeros((box + 2 * pad, box + 2 * pad), np.float32)
    low, high = np.float32(-2), np.float32(box + 1)
    for i in range(n):
        padded[pad : pad + box, pad : pad + box] = images[i]
        for row in range(out.shape[1]):
            x0 = -sin[i] * np.float32(row - half) + np.float32(centre) + sx[i]
            y0 = cos[i] * np.float32(row - half) + np.float32(centre) + sy[i]
            for column in range(out.shape[2]):
                u = sign[i] * np.float32(column - half)
                x, y = x0 + cos[i] * u, y0 + sin[i] * u
                if not (low < x < high and low < y < high):
                    out[i, row, column] = 0
                    continue
                ix, iy = np.int64(x + np.float32(pad)), np.int64(y + np.float32(pad))
                wx0, wx1, wx2, wx3 = _cubic(x + np.float32(pad) - np.float32(ix))
                wy = _cubic(y + np.float32(pad) - np.float32(iy))
                total = np.float32(0)
                for j in range(4):
                    line = padded[iy - 1 + j]
                    across = wx0 * line[ix - 1] + wx1 * line[ix] + wx2 * line[ix + 1] + wx3 * line[ix + 2]
                    total += wy[j] * across
                out[i, row, column] = total


@njit(nogil=True, inline="always", fastmath=True)
def _cubic(t):
    half, one = np.float32(0.5), np.float32(1)
    w0 = -half * t * (one - t) * (one - t)
    w3 = -half * t * t * (one - t)
    w1 = one + t * t * (np.float32(1.5) * t - np.float32(2.5))
    return w0, w1, one - w0 - w1 - w3, w3
