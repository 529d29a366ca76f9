"""Which averages particles are aligned to."""

import numpy as np

from .fourier import radius


def choose(images: np.ndarray, count: int, mask_radius: float) -> np.ndarray:
    """Choose alignment references that differ from each other.

    Farthest-point choice: the first is the one with the strongest angular variation, each further one the least like
    all before it.

    Parameters
    ----------
    images : ndarray
        (K, L, L) float32, aligned to each other.
    count : int
        How many; 0, or more than there are, gives all.
    mask_radius : float
        Pixels.

    Returns
    -------
    ndarray
        (count,) int, ascending.
    """
    if not 0 < count < len(images):
        return np.arange(len(images))
    box = images.shape[-1]
    far = radius(box)
    pixels = images[:, far <= mask_radius].astype(np.float64)
    ring = np.rint(far[far <= mask_radius]).astype(int)
    size = np.bincount(ring)
    variation = [((p - (np.bincount(ring, p) / size)[ring]) ** 2).sum() for p in pixels]
    pixels /= np.maximum(np.linalg.norm(pixels, axis=1), 1e-12)[:, None]
    chosen = [int(np.argmax(variation))]
    likeness = pixels @ pixels[chosen[0]]
    while len(chosen) < count:
        chosen.append(int(np.argmin(likeness)))
        likeness = np.maximum(likeness, pixels @ pixels[chosen[-1]])
    return np.sort(chosen)
