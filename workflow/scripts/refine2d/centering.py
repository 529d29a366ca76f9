"""Where the particle of a class average lies."""

import numpy as np

from .fourier import frequencies, ft, ift, radius


def centre(image: np.ndarray, mask_radius: float) -> np.ndarray:
    """Offset of a bright particle from the image centre.

    The centre of mass of what rises above the background by a quarter of the particle's own contrast, so that the
    noise around it has no weight. Offsets beyond a quarter of the mask radius are cut to it: such an average shows no
    single particle.

    Parameters
    ----------
    image : ndarray
        (L, L) float32, particle bright.
    mask_radius : float
        Pixels.

    Returns
    -------
    ndarray
        (2,) float64: x, y in pixels.
    """
    box = len(image)
    far = radius(box)
    ring = image[(far > mask_radius - 2) & (far <= mask_radius + 2)]
    inside = np.where(far <= mask_radius, image.astype(np.float64) - np.median(ring), 0)
    top = np.quantile(inside[far <= mask_radius], 0.98)
    mass = np.maximum(inside - 0.25 * top, 0)
    if top <= 0 or mass.sum() == 0:
        return np.zeros(2)
    axis = np.arange(box) - box // 2
    offset = np.array([(mass * axis).sum(), (mass * axis[:, None]).sum()]) / mass.sum()
    return offset * min(1, 0.25 * mask_radius / max(np.hypot(*offset), 1e-12))


def shifted(image: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """The image moved so that the point at `offset` comes to the centre; (L, L) float32, offset (x, y) in pixels."""
    box = len(image)
    ky, kx = frequencies(box)
    ramp = np.exp(2j * np.pi / box * (kx * offset[0] + ky * offset[1]))
    return ift(ft(image) * ramp, box)
