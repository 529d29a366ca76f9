"""Class averages among themselves: aligned to each other, sorted by similarity."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .averaging import STANDARD, Recipe, centred, masked
from .fourier import ft, nrings
from .search.align import References, align
from .search.plan import Plan
from .transforms import alignment, compose, undo


def chain(
    images: np.ndarray, plan: Plan, threads: int = 1, recipe: Recipe = STANDARD
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort averages by similarity and align each to its most similar predecessor.

    The first average is the strongest. Then, again and again, the average with the best correlation to any one of the
    chain is aligned to that one and appended (Prim's minimum spanning tree).

    Parameters
    ----------
    images : ndarray
        (K, L, L) float32 averages, masked.
    plan : Plan
        Extent of the search.
    threads : int
        Threads to use; the result does not depend on them.
    recipe : Recipe
        How averages are centred.

    Returns
    -------
    order : ndarray
        (K,) int: number of each sorted average among `images`.
    aligned : ndarray
        (K, L, L) float32, sorted, centred and aligned, each interpolated once.
    moved : ndarray
        (K,) ALIGNMENT of the sorted averages, as they were, to `aligned`.
    """
    offsets = np.stack([recipe.offset(image, plan.mask_radius) for image in images])
    images = np.stack(
        [centred(image, at, plan.mask_radius) for image, at in zip(images, offsets, strict=True)]
    )
    norm = np.linalg.norm(images.reshape(len(images), -1), axis=1)
    unit = images / np.maximum(norm, 1e-12)[:, None, None]
    y, c2 = ft(unit), np.zeros((len(unit), nrings(plan.box)), np.float32)
    order = [int(np.argmax(norm))]
    aligned = [images[order[0]]]
    left = np.delete(np.arange(len(images)), order[0])
    link = np.full(len(images), -np.inf)
    pose = alignment(np.zeros(len(images)))
    with ThreadPoolExecutor(threads) as pool:
        while len(left):
            last = aligned[-1] / max(np.linalg.norm(aligned[-1]), 1e-12)
            found = align(References(plan, last[None]), y[left], c2[left], 1, pool.map)[:, 0]
            better = found["score"] > link[left]
            pose[left[better]], link[left[better]] = found[better], found["score"][better]
            k = int(left[np.argmax(link[left])])
            order.append(k)
            aligned.append(masked(undo(images[k : k + 1], pose[k : k + 1])[0], plan.mask_radius))
            left = left[left != k]
    moved = compose(alignment(np.zeros(len(images)), sx=offsets[:, 0], sy=offsets[:, 1]), pose)
    return np.array(order), np.stack(aligned), moved[order]
