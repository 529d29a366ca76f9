"""Starting averages that the user gives: brought to the working box and to the particles' scale."""

import numpy as np

from refine2d.averaging import masked
from refine2d.fourier import crop
from refine2d.particles import ParticleStore
from refine2d.search.align import References, align
from refine2d.search.plan import Plan

SAMPLE = 512  # particles that the scale is taken from


def given_averages(images: np.ndarray, store: ParticleStore, plan: Plan) -> np.ndarray:
    """Averages of any grey scale as references for particles.

    Each is masked and brought to unit norm; then all get the amplitude that explains the particles best, in the least
    squares of particles that are aligned to them.

    Parameters
    ----------
    images : float32 array (K, B, B)
        B is the working box, or larger for the same field of view.
    store : ParticleStore
    plan : Plan
        Extent of the search.

    Returns
    -------
    float32 array (K, L, L)
    """
    small = masked(crop(images, store.box), plan.mask_radius)
    norm = np.linalg.norm(small.reshape(len(small), -1), axis=1)
    small /= np.maximum(norm, 1e-12)[:, None, None]
    used = np.flatnonzero(store.used)
    y, c2 = store.matched(used[:: max(1, len(used) // SAMPLE)][:SAMPLE])
    references = References(plan, small)
    best = align(references, y, c2, nbest=4)[:, 0]
    penalty = references.penalty(c2)[np.arange(len(best)), best["ref"]]
    likeness = best["score"].astype(np.float64) + penalty
    return small * np.float32(likeness.sum() / (2 * penalty.sum(dtype=np.float64)))
