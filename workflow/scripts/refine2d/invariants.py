"""Footprints: numbers that tell views apart and change with no shift, rotation or mirroring of a particle."""

from functools import lru_cache

import numpy as np

from refine2d import fourier

KINDS = ("harmonic", "autocorrelation")

BLOCK = 64
FIRST_RING = 2
BAND = 0.2  # last ring, as a fraction of the box: five pixels a period
ANGLES = 32  # in the half circle
HARMONICS = 8  # of the half circle, so 2, 4, ... 16 of the circle


def footprints(images: np.ndarray, mask_radius: float, kind: str = "harmonic") -> np.ndarray:
    """Invariants of phase-corrected images.

    The amplitude spectrum of an image does not change with shifts. On a ring it is a function of the angle
    with period 180 degrees, whose angular power spectrum changes neither with rotation nor with mirroring
    (Schatz & van Heel 1990, Ultramicroscopy 32, 255). Each ring is brought to unit power, which takes out the
    noise level and, but for astigmatism, the amplitude of the CTF.

    Parameters
    ----------
    images : float array (n, L, L)
        Phases flipped back, background 0.
    mask_radius : float
        Pixels. The tighter the mask, the less noise.
    kind : str
        ``harmonic``: angular Fourier amplitudes of each ring.
        ``autocorrelation``: angular autocorrelation of each ring, lag 0 left out.

    Returns
    -------
    float32 array (n, d)
        Rings one after the other.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown footprint {kind!r}, not one of {', '.join(KINDS)}")
    blocks = [_footprints(images[i : i + BLOCK], mask_radius, kind) for i in range(0, len(images), BLOCK)]
    return np.concatenate(blocks).astype(np.float32)


def _footprints(images, mask_radius, kind):
    angular = np.fft.rfft(_amplitudes(images, mask_radius), axis=-1)[..., 1:]
    if kind == "harmonic":
        harmonics = np.abs(angular[..., :HARMONICS])
        values = _over(harmonics, np.sqrt(np.mean(harmonics**2, axis=-1, keepdims=True)))
    else:
        power = np.abs(angular) ** 2
        curve = np.fft.irfft(np.concatenate([np.zeros_like(power[..., :1]), power], axis=-1), axis=-1)
        values = _over(curve[..., 1 : ANGLES // 2 + 1], curve[..., :1])
    return values.reshape(len(images), -1)


def _amplitudes(images, mask_radius):
    """Amplitudes on rings at even angles, (n, rings, ANGLES), by Fourier sums over the mask's pixels."""
    pixels, waves, rings = _sampling(images.shape[-1], mask_radius)
    spectrum = images.reshape(len(images), -1)[:, pixels].astype(np.float32) @ waves
    cos, sin = spectrum.reshape(len(images), 2, rings, ANGLES).transpose(1, 0, 2, 3)
    return np.hypot(cos, sin)


@lru_cache(maxsize=2)
def _sampling(box, mask_radius):
    mask = fourier.soft_mask(box, mask_radius, edge_px=0.06 * box)
    y, x = np.nonzero(mask)
    radii = np.arange(FIRST_RING, max(round(BAND * box), FIRST_RING) + 1)
    angles = np.arange(ANGLES) * np.pi / ANGLES
    kx, ky = np.outer(radii, np.cos(angles)).ravel(), np.outer(radii, np.sin(angles)).ravel()
    phase = 2 * np.pi / box * (np.outer(x - box // 2, kx) + np.outer(y - box // 2, ky))
    weights = mask[y, x][:, None] / box
    waves = np.concatenate([np.cos(phase) * weights, np.sin(phase) * weights], axis=1).astype(np.float32)
    return np.ravel_multi_index((y, x), mask.shape), waves, len(radii)


def _over(values, norm):
    return np.divide(values, norm, out=np.zeros_like(values), where=norm > 0)
