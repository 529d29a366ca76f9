"""The MSA space of an iteration: principal components of its particles, with their CTF and noise allowed for.

An average of few or badly aligned members is mostly noise, and so are the components of such averages. Particles are
many: noise alone makes no component of theirs stronger than ``(1 + sqrt(dimensions / particles))^2`` times itself
(Marchenko & Pastur 1967, doi:10.1070/SM1967v001n04ABEH001994), and what is above shows views.
"""

from collections.abc import Callable

import numpy as np

from .fourier import ft, ift, plane_weights, ring_index, soft_mask, stretched
from .msa import Basis, signed
from .particles import ParticleStore
from .transforms import undo

SAMPLE = 4096  # particles, spread over all of them
RINGS = 16  # beyond which a particle shows more noise than views; detail of a 16th of the box
BLOCK = 256  # particles in memory at a time; fixed, so that the result is


def eigenimages(
    store: ParticleStore,
    rows: np.ndarray,
    alignments: np.ndarray,
    mean: np.ndarray,
    nvectors: int,
    mask_radius: float,
    noise: float = 0.0,
    run: Callable = map,
    sample: int = SAMPLE,
) -> Basis:
    """The strongest principal components of aligned particles.

    An aligned, matched-filtered particle is ``c2 (mean + x) + sqrt(c2) noise`` on each ring, so that ``(Y - c2 mean) /
    sqrt(c2)`` is x as strong as it can be in white noise. Of that the covariance is taken.

    Parameters
    ----------
    store : ParticleStore
    rows : ndarray
        (n,) int; `sample` of them are taken.
    alignments : ndarray
        (n,) ALIGNMENT of these particles to the frame of `mean`.
    mean : ndarray
        (L, L) float32, masked.
    nvectors : int
        Number of vectors.
    mask_radius : float
        Pixels.
    noise : float
        Of the result: what noise adds to the variance of averages along each vector (`denoise.per_component`).
    run : callable
        As for `search.align.align`.
    sample : int

    Returns
    -------
    Basis
        Of images. `signal` is the variance of the particles without their noise, by the spiked model (`spiked`).
    """
    count = min(len(rows), sample)
    chosen = np.arange(count) * len(rows) // count
    box, low = store.box, LowRings(store.box)
    mask = soft_mask(box, mask_radius)
    expected = low.read(mean[None] * mask)

    def covariance(first: int) -> tuple[np.ndarray, np.ndarray]:
        mine = chosen[first : first + BLOCK]
        y, c2 = store.matched(rows[mine])
        power = stretched(c2, alignments[mine]["scale"]).take(low.ring, axis=1)
        shown = low.read(undo(ift(y, box), alignments[mine]) * mask) - power * expected
        white = np.where(power > 0, shown / np.sqrt(np.where(power > 0, power, 1)), 0).view(np.float32)
        return (white.T @ white).astype(np.float64), power.sum(0, dtype=np.float64)

    total, power = 0.0, 0.0
    for each in run(covariance, range(0, count, BLOCK)):
        total, power = total + each[0], power + each[1]
    eigval, vectors = np.linalg.eigh(total / count)
    eigval, vectors = eigval[: -nvectors - 1 : -1], np.ascontiguousarray(vectors.T[: -nvectors - 1 : -1])
    variance = spiked(eigval, len(total) * float((mask**2).mean()) / count)
    strength = np.sqrt(np.where(power > 0, power / count, np.inf))
    images = low.images(vectors.view(np.complex128) / strength) * mask
    _, deviation, vectors = np.linalg.svd(
        np.sqrt(variance)[:, None] * images.reshape(len(images), -1).astype(np.float64), full_matrices=False
    )
    kept = deviation > 1e-6 * deviation[0]
    variance = deviation[kept] ** 2
    vectors = signed(vectors[kept]).reshape(-1, box, box).astype(np.float32)
    return Basis(mean, vectors, variance + noise, variance / variance.sum(), noise)


def spiked(eigval: np.ndarray, ratio: float) -> np.ndarray:
    """Variances along the eigenvectors of a sample covariance, without white noise of unit variance.

    An eigenvector is off the true one by an angle that noise makes, too: the variance is that along the true one times
    the cosine's square (Donoho, Gavish & Johnstone 2018, doi:10.1214/17-AOS1601).

    Parameters
    ----------
    eigval : ndarray
        (k,) float64; those that noise alone could have are behind nothing.
    ratio : float
        Dimensions over samples.

    Returns
    -------
    ndarray
        (k,) float64, at least a fiftieth of the eigenvalues.
    """
    half = (eigval + 1 - ratio) / 2
    above = eigval > (1 + np.sqrt(ratio)) ** 2
    variance = np.where(above, half + np.sqrt(np.maximum(half**2 - eigval, 0)) - 1, np.sqrt(ratio))
    cosine2 = np.maximum(1 - ratio / variance**2, 0) / (1 + ratio / variance)
    return np.maximum(variance * cosine2, 0.02 * eigval)


class LowRings:
    """Coefficients of images up to ring `RINGS`, so scaled that sums over them are sums over the whole plane.

    Attributes
    ----------
    ring : ndarray
        (m,) int: each coefficient's ring.
    """

    def __init__(self, box: int):
        self.box, ring = box, ring_index(box).ravel()
        self._at = np.flatnonzero((ring > 0) & (ring <= min(RINGS, box // 2 - 1)))
        self._scale = np.sqrt(plane_weights(box)).ravel()[self._at].astype(np.float32)
        self.ring = ring[self._at]

    def read(self, images: np.ndarray) -> np.ndarray:
        """Of images (n, L, L): complex64 (n, m)."""
        return ft(images).reshape(len(images), -1).take(self._at, axis=1) * self._scale

    def images(self, coefficients: np.ndarray) -> np.ndarray:
        """Images that have coefficients (n, m) and no others: float32 (n, L, L)."""
        plane = np.zeros((len(coefficients), self.box * (self.box // 2 + 1)), np.complex64)
        plane[:, self._at] = coefficients / self._scale
        return ift(plane.reshape(-1, self.box, self.box // 2 + 1), self.box)
