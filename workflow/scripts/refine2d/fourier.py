"""Fourier transforms, rings and masks: unitary, centred on pixel ``box // 2``, half plane (rfft) layout.

By NumPy's FFT, since SciPy takes longer to load than it saves on the particles of most jobs.
"""

from functools import lru_cache

import numpy as np


def ft(images: np.ndarray) -> np.ndarray:
    """Unitary Fourier transform of centred, square images.

    Parameters
    ----------
    images : float array (..., L, L)
        Axes y, x; the origin is pixel ``L // 2``.

    Returns
    -------
    complex64 array (..., L, L // 2 + 1)
        Axes ky (in FFT order), kx >= 0. White noise of unit variance has unit power in every coefficient.
    """
    shifted = np.fft.ifftshift(np.asarray(images, np.float32), axes=(-2, -1))
    return np.fft.rfft2(shifted, norm="ortho")


def ift(coefficients: np.ndarray, box: int) -> np.ndarray:
    """Inverse of `ft`: complex array (..., box, box // 2 + 1) to float32 images (..., box, box)."""
    images = np.fft.irfft2(np.asarray(coefficients, np.complex64), s=(box, box), norm="ortho")
    return np.fft.fftshift(images, axes=(-2, -1))


def frequencies(box: int) -> tuple[np.ndarray, np.ndarray]:
    """Signed frequencies (ky (box, 1), kx (1, box // 2 + 1)) of the half plane, in cycles per box."""
    return np.rint(np.fft.fftfreq(box) * box)[:, None], np.arange(box // 2 + 1.0)[None]


def nrings(box: int) -> int:
    """Number of whole rings: 0 to ``box // 2``."""
    return box // 2 + 1


@lru_cache(maxsize=16)
def ring_index(box: int) -> np.ndarray:
    """Ring ``round(|k|)`` of each coefficient, int32 (box, box // 2 + 1); the corners get ``nrings(box)``."""
    ring = np.rint(np.hypot(*frequencies(box)))
    return _frozen(np.minimum(ring, nrings(box)).astype(np.int32))


@lru_cache(maxsize=16)
def plane_weights(box: int) -> np.ndarray:
    """How often each coefficient counts in the whole plane: 1 for kx = 0 and Nyquist, else 2; float32."""
    weights = np.full((box, box // 2 + 1), 2, np.float32)
    weights[:, 0] = 1
    if box % 2 == 0:
        weights[:, -1] = 1
    return _frozen(weights)


def ring_sum(values: np.ndarray, box: int) -> np.ndarray:
    """Sums over the rings of the whole plane.

    Parameters
    ----------
    values : real or complex array (..., box, box // 2 + 1)
        Half-plane values; the unseen half counts through `plane_weights`.

    Returns
    -------
    float64 or complex128 array (..., box // 2 + 1)
    """
    values = np.asarray(values)
    order, starts, weights = _sorted_by_ring(box)
    flat = values.reshape(*values.shape[:-2], box * (box // 2 + 1))[..., order] * weights
    return np.add.reduceat(flat, starts, axis=-1)


def ring_mean(values: np.ndarray, box: int) -> np.ndarray:
    """As `ring_sum`, divided by the number of coefficients on each ring."""
    return ring_sum(values, box) / ring_size(box)


@lru_cache(maxsize=16)
def ring_size(box: int) -> np.ndarray:
    """Number of whole-plane coefficients on each ring, float64 (box // 2 + 1,)."""
    return _frozen(ring_sum(np.ones((box, box // 2 + 1)), box))


def spread_rings(profile: np.ndarray, box: int, outside: float = 0) -> np.ndarray:
    """Put ring values (..., box // 2 + 1) on the half plane; corners beyond the last ring get `outside`."""
    profile = np.asarray(profile)
    corner = np.full((*profile.shape[:-1], 1), outside, profile.dtype)
    return np.concatenate([profile, corner], axis=-1)[..., ring_index(box)]


def stretched(profile: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Ring values (n, rings) of images that are brought to 1 / `factor` (n,) of their size: ring k has what k / factor
    had."""
    if (factor == 1).all():
        return profile
    ring = np.arange(profile.shape[-1])
    each = [np.interp(ring / f, ring, values) for values, f in zip(profile, factor, strict=True)]
    return np.array(each, profile.dtype)


def crop(images: np.ndarray, box_out: int) -> np.ndarray:
    """Reduce images by Fourier cropping.

    The centre pixel L // 2 goes to the centre pixel ``box_out // 2`` whatever the parities, and grey values
    stay. An even `box_out` loses its Nyquist row and column, of which the whole plane would hold one side.

    Parameters
    ----------
    images : float array (..., L, L)
    box_out : int
        Not larger than L (ValueError).

    Returns
    -------
    float32 array (..., box_out, box_out)
    """
    images = np.asarray(images, np.float32)
    box = images.shape[-1]
    if box_out > box:
        raise ValueError(f"cannot crop a box of {box} to the larger box {box_out}")
    if box_out == box:
        return images.copy()
    return ift(cropped(ft(images), box_out) * np.float32(box_out / box), box_out)


def cropped(coefficients: np.ndarray, box_out: int) -> np.ndarray:
    """The coefficients (..., L, L // 2 + 1) that a smaller box has, too: (..., box_out, box_out // 2 + 1) complex64."""
    half = (box_out - 1) // 2
    small = np.zeros((*coefficients.shape[:-2], box_out, box_out // 2 + 1), np.complex64)
    small[..., : half + 1, : half + 1] = coefficients[..., : half + 1, : half + 1]
    if half:
        small[..., -half:, : half + 1] = coefficients[..., -half:, : half + 1]
    return small


@lru_cache(maxsize=16)
def radius(box: int) -> np.ndarray:
    """Distance of each pixel from the centre pixel ``box // 2``, float32 (box, box), pixels."""
    axis = np.arange(box) - box // 2
    return _frozen(np.hypot(axis[:, None], axis[None]).astype(np.float32))


def soft_mask(box: int, radius_px: float, edge_px: float = 3.0) -> np.ndarray:
    """Circular mask, float32 (box, box): 1 to `radius_px`, a raised cosine to 0 over the next `edge_px`."""
    beyond = (radius(box) - radius_px) / max(edge_px, 1e-6)
    return (0.5 + 0.5 * np.cos(np.pi * np.clip(beyond, 0, 1))).astype(np.float32)


def good_box(n: float) -> int:
    """The even number without prime factors above 5 that is nearest to `n`; the smaller one of two."""
    smooth = [2 * m for m in range(1, int(n) + 2) if _is_smooth(m)]
    return min(smooth, key=lambda m: (abs(m - n), m))


def _is_smooth(m: int) -> bool:
    for prime in (2, 3, 5):
        while m % prime == 0:
            m //= prime
    return m == 1


@lru_cache(maxsize=16)
def _sorted_by_ring(box: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ring = ring_index(box).ravel()
    order = np.argsort(ring, kind="stable")[: np.count_nonzero(ring < nrings(box))]
    starts = np.searchsorted(ring[order], np.arange(nrings(box)))
    return _frozen(order), _frozen(starts), _frozen(plane_weights(box).ravel()[order].astype(np.float64))


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
