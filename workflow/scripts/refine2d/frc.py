"""Fourier ring correlation and the resolution that it tells."""

import numpy as np

from .fourier import ft, ring_sum


def frc(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    """Fourier ring correlation of two images.

    Saxton & Baumeister 1982, doi:10.1111/j.1365-2818.1982.tb00405.x.

    Parameters
    ----------
    one, two : ndarray
        (L, L) float32, masked alike.

    Returns
    -------
    ndarray
        (rings,) float32; 0 on rings where an image is empty.
    """
    a, b, box = ft(one), ft(two), one.shape[-1]
    power = ring_sum(np.abs(a) ** 2, box) * ring_sum(np.abs(b) ** 2, box)
    return (ring_sum((np.conj(a) * b).real, box) / np.sqrt(np.maximum(power, 1e-30))).astype(np.float32)


def resolution(frc: np.ndarray, apix: float, threshold: float = 0.143) -> float:
    """Resolution in A where a Fourier ring correlation first falls below a threshold, from the second ring on.

    Parameters
    ----------
    frc : ndarray
        (rings,), for a box of ``2 * (rings - 1)`` pixels.
    apix : float
        Pixel size, A.
    threshold : float
        0.143 for halves (Rosenthal & Henderson 2003, doi:10.1016/j.jmb.2003.07.013).

    Returns
    -------
    float
    """
    box = 2 * (len(frc) - 1)
    below = np.flatnonzero(frc[2:] < threshold)
    if not len(below):
        return 2 * apix
    ring = below[0] + 2
    before = frc[ring - 1]
    part = (before - threshold) / (before - frc[ring]) if before > threshold else 0.0
    return box * apix / (ring - 1 + part)
