"""The loop of `transforms.undo`: mirror, rotation, scale and shift undone in one cubic interpolation.

A line's places and weights are found first, many at a time; then its pixels are summed, four neighbours at a time.
"""

import numpy as np

from .cubic import sums, weights
from .jit import njit

PAD = 4  # zeros around an image: a place beyond them is moved among them


@njit(nogil=True, cache=True, fastmath=True)
def undo(images, cos, sin, sign, sx, sy, out):
    """Cosine and sine are times the scale."""
    n, box, _ = images.shape
    half, centre, size, wide = out.shape[1] // 2, box // 2 + PAD, out.shape[2], box + 2 * PAD
    padded = np.zeros((wide, wide), np.float32)
    pixels = padded.ravel()
    low, high = np.float32(1), np.float32(box + PAD + 1)
    last = (wide - 3) * wide - 4
    columns = np.arange(size).astype(np.float32) - np.float32(half)
    first = np.empty(size, np.int32)
    across, down = np.empty((4, size), np.float32), np.empty((4, size), np.float32)
    for i in range(n):
        padded[PAD : PAD + box, PAD : PAD + box] = images[i]
        along_x, along_y = sign[i] * cos[i], sign[i] * sin[i]
        for row in range(out.shape[1]):
            start_x = -sin[i] * np.float32(row - half) + np.float32(centre) + sx[i]
            start_y = cos[i] * np.float32(row - half) + np.float32(centre) + sy[i]
            for k in range(size):
                x = min(max(start_x + along_x * columns[k], low), high)
                y = min(max(start_y + along_y * columns[k], low), high)
                ix, iy = np.int32(x), np.int32(y)
                across[0, k], across[1, k], across[2, k], across[3, k] = weights(x - np.float32(ix))
                down[0, k], down[1, k], down[2, k], down[3, k] = weights(y - np.float32(iy))
                first[k] = min(max((iy - 1) * wide + ix - 1, 0), last)  # also where a pose is not a number
            sums(pixels, np.uint64(wide), first, across, down, out[i, row])
