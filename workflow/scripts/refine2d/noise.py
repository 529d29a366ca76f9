"""Noise power per ring, measured where no particle is."""

import numpy as np

from refine2d import fourier

UNIT = 2.0**-24  # powers are summed as integers of this unit: exact, so that no cutting of the stack matters
FIRST_RING = 4  # the window and the removed background spoil the rings before it
FIT_RINGS = 8


def noise_power(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Power per ring of each image outside the mask.

    ``sum |FT(x (1 - m))|^2 / sum (1 - m)^2``, over the ring and over the pixels, scaled so that white noise
    of unit variance gives 1.

    Parameters
    ----------
    images : float array (n, L, L)
        Background removed.
    mask : float array (L, L)
        1 where the particle may be, 0 outside.

    Returns
    -------
    int64 array (n, L // 2 + 1)
        In units of `UNIT`; sums over particles go to `finish`.
    """
    box = images.shape[-1]
    window = 1 - np.asarray(mask, np.float32)
    spectra = fourier.ft(images * window)
    power = fourier.ring_mean(spectra.real**2 + spectra.imag**2, box)
    share = np.mean(window.astype(np.float64) ** 2)
    return np.rint(power / share / UNIT).astype(np.int64)


def finish(sums: np.ndarray, count) -> np.ndarray:
    """Noise power from sums over particles, with its lowest rings extrapolated and a floor.

    Rings below `FIRST_RING` follow the power law fitted to the `FIT_RINGS` rings from there on, where that
    falls with frequency, else they take its mean.

    Parameters
    ----------
    sums : int array (..., rings)
        Sums of `noise_power` over particles.
    count : int or int array (...)
        Number of particles in each sum, at least 1.

    Returns
    -------
    float32 array (..., rings), positive
    """
    power = np.asarray(sums) * UNIT / np.asarray(count, np.float64)[..., None]
    power = np.maximum(power, 1e-3 * np.median(power, axis=-1, keepdims=True))
    power = np.maximum(power, 1e-12)
    rings = np.arange(FIRST_RING, min(FIRST_RING + FIT_RINGS, power.shape[-1]))
    x = np.log(rings) - np.log(rings).mean()
    y = np.log(power[..., rings])
    slope = np.minimum((y @ x) / (x @ x), 0)[..., None]
    low = np.log(np.maximum(np.arange(FIRST_RING), 1)) - np.log(rings).mean()
    power[..., :FIRST_RING] = np.exp(y.mean(axis=-1, keepdims=True) + slope * low)
    return power.astype(np.float32)
