"""Class averages among themselves: aligned to each other, sorted by similarity."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .averaging import STANDARD, Recipe, centred, masked
from .fourier import ft, nrings
from .search.align import References, align, likeness
from .search.plan import Plan
from .transforms import alignment, compose, undo


def chain(
    images: np.ndarray, plan: Plan, threads: int = 1, recipe: Recipe = STANDARD
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sort averages by similarity and align each to its most similar predecessor.

    The first average is the strongest. Then, again and again, the average with the best correlation to any one of the
    chain, in the band of the exhaustive search, is appended, aligned to that one.

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

    def follow(parent: int) -> tuple[np.ndarray, np.ndarray]:
        children = order[1:][parents[1:] == parent]
        return children, align(References(plan, unit[[parent]]), y[children], c2[children], 1)[:, 0]

    link, pose = alignment(np.zeros(len(images))), alignment(np.zeros(len(images)))
    with ThreadPoolExecutor(threads) as pool:
        scores = likeness(References(plan, unit), y, c2, pool.map)
        order, parents = spanning_tree(scores, int(np.argmax(norm)))
        for children, found in pool.map(follow, np.unique(parents[1:])):
            link[children] = found
    for k, parent in zip(order[1:], parents[1:], strict=True):
        pose[k] = compose(link[k], pose[parent])
    aligned = masked(undo(images, pose), plan.mask_radius)
    moved = compose(alignment(np.zeros(len(images)), sx=offsets[:, 0], sy=offsets[:, 1]), pose)
    return order, aligned[order], moved[order]


def spanning_tree(scores: np.ndarray, first: int) -> tuple[np.ndarray, np.ndarray]:
    """Members of a set, each but the first with one before it that it is like: Prim's minimum spanning tree.

    Parameters
    ----------
    scores : ndarray
        (K, K): how like row's member is to column's; larger is more.
    first : int
        Where to begin.

    Returns
    -------
    order, parents : ndarray
        (K,) int: members in the order of the tree, and each one's parent; the first is its own.
    """
    link, parent = scores[:, first].copy(), np.full(len(scores), first)
    order, link[first] = [first], -np.inf
    while len(order) < len(scores):
        k = int(np.argmax(link))
        order.append(k)
        better = scores[:, k] > link
        better[order] = False
        link[better], parent[better] = scores[better, k], k
        link[k] = -np.inf
    order = np.array(order)
    return order, parent[order]
