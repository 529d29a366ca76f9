"""Signs of junk as more coordinates for k-means, which so brings junk together."""

import numpy as np

from .clustering import between

FAR = 4.0  # distances between neighbouring classes


def coordinates(signs: np.ndarray, centres: np.ndarray, weight: float) -> np.ndarray:
    """Coordinates beside those in the subspace, on their scale.

    Each is what a sign has above its median by more than the noise, `weight` times, in distances between neighbouring
    classes, and shrinks by the part of its variance that noise makes: the noise is told by what lies below the median.
    So it fades where there is no junk, views are not split by it, and junk is apart but, at `FAR`, not split by it.

    Parameters
    ----------
    signs : ndarray
        (n, m) float32: about 0 for a particle that is one, about 1 for junk; `Residual.share`, `Contrast.lack`.
    centres : ndarray
        (K, d) float32 points of the averages in the subspace.
    weight : float

    Returns
    -------
    ndarray
        (n, m) float32, at least 0.
    """
    return _neighbours(centres) * np.stack([_beyond_noise(sign, weight) for sign in signs.T], axis=1)


def _beyond_noise(sign: np.ndarray, weight: float) -> np.ndarray:
    """A coordinate in distances between neighbouring classes: (n,) float32."""
    above = sign.astype(np.float64) - np.median(sign)
    noise, variance = np.square(above[above <= 0]).mean(), np.square(above).mean()
    signal = max(0.0, 1 - noise / variance) if variance > 0 else 0.0
    return np.clip(weight * signal * (above - np.sqrt(noise)), 0, FAR).astype(np.float32)


def _neighbours(centres: np.ndarray) -> np.float32:
    """Median distance of a centre from its nearest neighbour."""
    return np.float32(np.median(np.sqrt(np.maximum(between(centres).min(1), 0))))
