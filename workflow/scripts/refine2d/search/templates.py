"""Rotated references on the fine band, for the local search."""

from collections.abc import Callable

import numpy as np

from ..cubic import sums, weights
from ..fourier import ft
from ..jit import njit
from .plan import Plan


class Band:
    """Half-plane coefficients of the fine band, row by row.

    Attributes
    ----------
    kx, ky : ndarray
        (coefficients,) frequency of each: ky from -kf to kf, and kx = 0, 1, ... up to the band's edge.
    at : ndarray
        (coefficients,) place of each in a flat half-plane transform.
    mirrored : ndarray
        (coefficients,) number of (kx, -ky), whose complex conjugate a mirrored image has at (kx, ky).
    weight : ndarray
        (coefficients,) float32: how often each one counts in the full plane.
    """

    def __init__(self, plan: Plan):
        self.box, kf = plan.box, plan.fine_rings
        ky, kx = np.mgrid[-kf : kf + 1, : kf + 1]
        inside = np.hypot(kx, ky) <= kf
        self.kx, self.ky = kx[inside], ky[inside]
        number = np.cumsum(inside).reshape(inside.shape) - 1
        self.at, self.mirrored = self.ky % plan.box * (plan.box // 2 + 1) + self.kx, number[::-1][inside]
        self.weight = np.where(self.kx == 0, 1, 2).astype(np.float32)
        self.weight[(self.kx == 0) & (self.ky == 0)] = 0

    def gather(self, y: np.ndarray) -> np.ndarray:
        """Coefficients of (n, box, box // 2 + 1) transforms: (n, 2, coefficients) float32, real and imaginary."""
        f = np.take(y.reshape(len(y), -1), self.at, axis=1)
        out = np.empty((len(y), 2, len(self.at)), np.float32)
        out[:, 0], out[:, 1] = f.real, f.imag
        return out


def rotated(images: np.ndarray, plan: Plan, band: Band, run: Callable = map) -> np.ndarray:
    """Transforms of images rotated by the fine angles of half a turn.

    Parameters
    ----------
    images : ndarray
        (R, box, box) float32, zero outside their mask.
    plan : Plan
        Sets the angles.
    band : Band
        Coefficients to make.
    run : callable
        As for `search.align.align`; a reference at a time.

    Returns
    -------
    ndarray
        (R, fine_angles // 2, 2, coefficients) float32, times ``band.weight``: the twofold padded transform,
        interpolated cubically. The other half turn is the complex conjugate.
    """
    n, box, _ = images.shape
    padded = np.zeros((n, 2 * box, 2 * box), np.float32)
    padded[:, box // 2 : box // 2 + box, box // 2 : box // 2 + box] = images
    half = ft(padded) * 2
    reach = 2 * plan.fine_rings + 3
    rows = np.arange(-reach, reach + 1) % (2 * box)
    out = np.empty((n, plan.fine_angles // 2, 2, len(band.kx)), np.float32)
    centred = np.empty((n, 2 * reach + 1, 2 * reach + 1), np.complex64)
    centred[:, :, reach:] = half[:, rows, : reach + 1]
    centred[:, :, :reach] = np.conj(centred[:, ::-1, :reach:-1])
    kx, ky = band.kx.astype(np.float32), band.ky.astype(np.float32)

    def rotate(one: int) -> None:
        parts = np.stack([centred[one].real, centred[one].imag])
        _rotate(parts, kx, ky, band.weight, 2 * np.pi / plan.fine_angles, out[one])

    list(run(rotate, range(n)))
    return out


@njit(nogil=True, cache=True, fastmath=True)
def _rotate(parts, kx, ky, weight, step, out):
    """`parts` is (2, rows, columns), real and imaginary."""
    angles, _, coefficients = out.shape
    wide, reach = np.int32(parts.shape[2]), np.float32(parts.shape[2] // 2)
    first = np.empty(coefficients, np.int32)
    across, down = np.empty((4, coefficients), np.float32), np.empty((4, coefficients), np.float32)
    for a in range(angles):
        c, s = np.float32(2 * np.cos(a * step)), np.float32(2 * np.sin(a * step))
        for k in range(coefficients):
            x, y = c * kx[k] + s * ky[k] + reach, -s * kx[k] + c * ky[k] + reach
            ix, iy, w = np.int32(x), np.int32(y), weight[k]
            w0, w1, w2, w3 = weights(x - np.float32(ix))
            across[0, k], across[1, k], across[2, k], across[3, k] = w * w0, w * w1, w * w2, w * w3
            down[0, k], down[1, k], down[2, k], down[3, k] = weights(y - np.float32(iy))
            first[k] = (iy - 1) * wide + ix - 1
        for part in range(2):
            sums(parts[part].ravel(), np.uint64(wide), first, across, down, out[a, part])
