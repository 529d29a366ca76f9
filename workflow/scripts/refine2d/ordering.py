"""Class averages among themselves: aligned to each other, sorted by similarity, chosen as references."""

import numpy as np

from .averaging import masked
from .centering import centre, shifted
from .fourier import ft, nrings, radius
from .search import Plan, References, align
from .transforms import undo


def chain(images: np.ndarray, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Sort averages by similarity and align each to its most similar predecessor.

    The first average is the strongest. Then, again and again, the average with the best correlation to any one of the
    chain is aligned to that one and appended (Prim's minimum spanning tree).

    Parameters
    ----------
    images : ndarray
        (K, L, L) float32 averages, masked.
    plan : Plan
        Extent of the search.

    Returns
    -------
    order : ndarray
        (K,) int: number of each sorted average among `images`.
    aligned : ndarray
        (K, L, L) float32, sorted, centred and aligned, each interpolated once.
    """
    images = np.stack([masked(shifted(i, centre(i, plan.mask_radius)), plan.mask_radius) for i in images])
    norm = np.linalg.norm(images.reshape(len(images), -1), axis=1)
    unit = images / np.maximum(norm, 1e-12)[:, None, None]
    y, c2 = ft(unit), np.zeros((len(unit), nrings(plan.box)), np.float32)
    order = [int(np.argmax(norm))]
    aligned = [images[order[0]]]
    left = np.delete(np.arange(len(images)), order[0])
    link = np.full(len(images), -np.inf)
    pose = None
    while len(left):
        last = aligned[-1] / max(np.linalg.norm(aligned[-1]), 1e-12)
        found = align(References(plan, last[None]), y[left], c2[left], nbest=2)[:, 0]
        pose = np.zeros(len(images), found.dtype) if pose is None else pose
        better = found["score"] > link[left]
        pose[left[better]], link[left[better]] = found[better], found["score"][better]
        k = int(left[np.argmax(link[left])])
        order.append(k)
        aligned.append(masked(undo(images[k : k + 1], pose[k : k + 1])[0], plan.mask_radius))
        left = left[left != k]
    return np.array(order), np.stack(aligned)


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
