"""Rotated references on the fine band, for the local search."""

from collections.abc import Callable

import numpy as np

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
        mine = slice(one, one + 1)
        _rotate(centred[mine], kx, ky, band.weight, 2 * np.pi / plan.fine_angles, out[mine])

    list(run(rotate, range(n)))
    return out


@njit(nogil=True, cache=True, fastmath=True)
def _rotate(centred, kx, ky, weight, step, out):
    n, angles, _, coefficients = out.shape
    reach = centred.shape[1] // 2
    ix, iy = np.empty(coefficients, np.int32), np.empty(coefficients, np.int32)
    wx, wy = np.empty((coefficients, 4), np.float32), np.empty((coefficients, 4), np.float32)
    for a in range(angles):
        c, s = np.float32(2 * np.cos(a * step)), np.float32(2 * np.sin(a * step))
        for k in range(coefficients):
            x, y = c * kx[k] + s * ky[k], -s * kx[k] + c * ky[k]
            fx, fy = np.floor(x), np.floor(y)
            ix[k], iy[k] = np.int32(fx) + reach - 1, np.int32(fy) + reach - 1
            _cubic(x - fx, wx[k])
            _cubic(y - fy, wy[k])
        for r in range(n):
            for k in range(coefficients):
                re, im = np.float32(0), np.float32(0)
                for j in range(4):
                    row_re, row_im = np.float32(0), np.float32(0)
                    for i in range(4):
                        f = centred[r, iy[k] + j, ix[k] + i]
                        row_re += wx[k, i] * f.real
                        row_im += wx[k, i] * f.imag
                    re += wy[k, j] * row_re
                    im += wy[k, j] * row_im
                out[r, a, 0, k] = re * weight[k]
                out[r, a, 1, k] = im * weight[k]


@njit(nogil=True, inline="always")
def _cubic(t, w):
    """Catmull-Rom weights of the four samples around a point at fraction t."""
    t2, t3 = t * t, t * t * t
    w[0] = np.float32(0.5) * (-t3 + 2 * t2 - t)
    w[1] = np.float32(0.5) * (3 * t3 - 5 * t2 + 2)
    w[2] = np.float32(0.5) * (-3 * t3 + 4 * t2 + t)
    w[3] = np.float32(0.5) * (t3 - t2)
