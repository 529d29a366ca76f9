"""Footprints: numbers that tell views apart and change with no shift, rotation or mirroring of a particle."""

from functools import lru_cache

import numpy as np
from scipy.ndimage import map_coordinates

from refine2d import fourier

KINDS = ("harmonic", "footprint", "bispectrum")

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
        ``footprint``: angular Fourier amplitudes of the rings of the image's self-correlation in real space, EMAN1's
        footprint (Ludtke, Baldwin & Chiu 1999, doi:10.1006/jsbi.1999.4174) of a whitened image.
        ``bispectrum``: products ``F(a) F(b) conj F(a + b)``, which know phases too, averaged over all directions: of
        frequencies in line, and of equilateral triangles.

    Returns
    -------
    float32 array (n, d)
        Rings one after the other.
    """
    if kind not in KINDS:
        raise ValueError(f"unknown footprint {kind!r}, not one of {', '.join(KINDS)}")
    one = {"harmonic": _harmonics, "footprint": _eman1, "bispectrum": _bispectrum}[kind]
    blocks = [one(images[i : i + BLOCK], mask_radius) for i in range(0, len(images), BLOCK)]
    return np.concatenate(blocks).astype(np.float32)


def _harmonics(images, mask_radius):
    angular = np.fft.rfft(_amplitudes(images, mask_radius), axis=-1)
    harmonics = np.abs(angular[..., 1 : HARMONICS + 1])
    values = _over(harmonics, np.sqrt(np.mean(harmonics**2, axis=-1, keepdims=True)))
    return values.reshape(len(images), -1)


def _eman1(images, mask_radius):
    box = images.shape[-1]
    masked = images * fourier.soft_mask(box, mask_radius, edge_px=0.06 * box)
    amplitude = np.abs(fourier.ft(masked))
    far, means = np.hypot(*fourier.frequencies(box)), fourier.ring_mean(amplitude, box)
    ring = np.stack([np.interp(far, np.arange(len(mean)), mean) for mean in means])
    band = np.clip(far - FIRST_RING + 1, 0, 1) * np.clip(BAND * box + 1 - far, 0, 1)
    itself = fourier.ift(_over(amplitude - ring, ring) * band, box)
    radii = np.arange(FIRST_RING, max(int(mask_radius / 2), FIRST_RING) + 1)
    angles = np.arange(ANGLES) * np.pi / ANGLES
    at = [np.outer(radii, wave(angles)) + box // 2 for wave in (np.sin, np.cos)]
    rings = np.stack([map_coordinates(image, at, order=3, mode="grid-wrap") for image in itself])
    harmonics = np.abs(np.fft.rfft(rings.reshape(len(images), len(radii), ANGLES), axis=-1))[..., :HARMONICS]
    values = (harmonics * np.sqrt(radii)[:, None]).reshape(len(images), -1)
    return _over(values, np.sqrt(np.mean(values**2, axis=-1, keepdims=True)))


def _bispectrum(images, mask_radius):
    """Real parts, of transforms whose rings have unit power; so neither noise level nor CTF amplitude counts."""
    f, rings = _around(images, mask_radius)
    f = _over(f, np.sqrt(np.mean(np.abs(f) ** 2, axis=-1, keepdims=True)))
    out = []
    for a in range(len(rings)):
        for b in range(a, len(rings) - a - 1):
            out.append((f[:, a] * f[:, b] * np.conj(f[:, a + b + 1])).real.mean(-1))
    third = f.shape[-1] // 3  # 120 degrees
    out += [
        (ring * np.roll(ring, -third, -1) * np.roll(ring, third, -1)).real.mean(-1)
        for ring in f.swapaxes(0, 1)
    ]
    return np.stack(out, axis=-1)


def _around(images, mask_radius):
    """The transform on rings at the angles of a whole turn: complex (n, rings, 3 ANGLES), and the rings' radii."""
    box = images.shape[-1]
    waves, pixels, radii = _whole_turn(box, mask_radius)
    return (images.reshape(len(images), -1)[:, pixels] @ waves).reshape(len(images), len(radii), -1), radii


@lru_cache(maxsize=2)
def _whole_turn(box, mask_radius):
    mask = fourier.soft_mask(box, mask_radius, edge_px=0.06 * box)
    y, x = np.nonzero(mask)
    radii = np.arange(1, max(round(BAND * box), FIRST_RING) + 1)
    angles = np.arange(3 * ANGLES) * 2 * np.pi / (3 * ANGLES)
    kx, ky = np.outer(radii, np.cos(angles)).ravel(), np.outer(radii, np.sin(angles)).ravel()
    phase = 2 * np.pi / box * (np.outer(x - box // 2, kx) + np.outer(y - box // 2, ky))
    waves = (np.exp(-1j * phase) * (mask[y, x][:, None] / box)).astype(np.complex64)
    return waves, np.ravel_multi_index((y, x), mask.shape), radii


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
