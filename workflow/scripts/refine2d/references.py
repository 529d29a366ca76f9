"""Which averages particles are aligned to."""

import numpy as np

from .fourier import radius

SORTED = 16384  # particles that are sorted by the references that they are tried on, at a time
EVERY = 4  # iterations from one in which particles are tried on all references to the next


def count_tried(options: dict, iteration: int) -> int:
    """How many references a particle is tried on.

    Parameters
    ----------
    options : dict
        Resolved options (`options.resolve`) of the iteration.
    iteration : int
        1 for the first.
    """
    return options["naliref"] if iteration % EVERY == 1 else options["nearrefs"]


def nearest(points: np.ndarray, classes: list[int], chosen: list[int], count: int) -> np.ndarray:
    """The references nearest to the average of each class of the iteration before.

    Parameters
    ----------
    points : ndarray
        (K, d) coordinates of the averages in the MSA space.
    classes : list of int
        The class that each average is of; all K, once each.
    chosen : list of int
        The averages that are references (`choose`).
    count : int

    Returns
    -------
    ndarray
        (K, count) int, numbers of references, ascending, for one class after another.
    """
    points = points.astype(np.float64)
    references = points[chosen]
    square = (references**2).sum(1)
    near = [
        np.argpartition(square - 2 * references @ each, count - 1)[:count]
        for each in points[np.argsort(classes)]
    ]
    return np.sort(near, axis=1)


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
