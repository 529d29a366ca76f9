"""Class averages at full box and pixel size, from the original pixels with one interpolation."""

import numpy as np

from .averagers import Averager
from .averaging import WIENER, masked
from .fourier import ft, ift, nrings, soft_mask, spread_rings, stretched
from .names import Named
from .noise import finish, noise_power
from .normalize import deviation, flatten, outside
from .normalizers import normalized
from .particles import ParticleStore
from .stacks.source import Source
from .transforms import rescale, undo

AS_READ = Named("none")
BLOCK_BYTES = 16 << 20  # images in memory at a time


def full_average(
    source: Source,
    store: ParticleStore,
    rows: np.ndarray,
    alignments: np.ndarray,
    mask_radius: float,
    invert: bool = False,
    averager: Averager = WIENER,
    normalizer: Named = AS_READ,
    factors: np.ndarray | None = None,
) -> np.ndarray:
    """Average of original images.

    Parameters
    ----------
    source : Source
        The input.
    store : ParticleStore
        What is known of its images.
    rows : ndarray
        (n,) rows of the store to average.
    alignments : ndarray
        (n,) ALIGNMENT, shifts in working pixels.
    mask_radius : float
        Input pixels.
    invert : bool
        Change the sign, for dark protein.
    averager : Averager
    normalizer : Named
        One of `names.NORMALIZERS`; ``normalize.toimage`` leaves images as they are.
    factors : ndarray, optional
        (n,) float32 that images are multiplied by after that.

    Returns
    -------
    ndarray
        (B, B) float32, B the input's box; masked, background level 0.
    """
    box = source.box
    if not len(rows):
        return np.zeros((box, box), np.float32)
    background = outside(box, mask_radius)
    mask = soft_mask(box, min(mask_radius, box // 2 - 1))
    halves = 2 if averager.needs_halves else 1
    total, weight = np.zeros((halves, box, box)), np.zeros((halves, nrings(box)))
    aligned = []
    power = np.zeros(nrings(box), np.int64)
    scaled = rescale(alignments, store.apix / store.input_apix)
    step = max(1, BLOCK_BYTES // (4 * box * box * 4))
    for first in range(0, len(rows), step):
        block = rows[first : first + step]
        images = flatten(source.images(store.number[block]), background)
        images *= (-1 if invert else 1) / deviation(images, background)[:, None, None].astype(np.float32)
        images = normalized(images, normalizer, mask_radius)
        images *= store.gain[block, None, None]
        if factors is not None:
            images *= factors[first : first + step, None, None]
        power += noise_power(images, mask).sum(0)
        factor, curves = averager.weighting(store.transfer(block, box), store.premultiplied(block))
        y = ft(images)
        y *= factor
        poses = scaled[first : first + step]
        undone, curves = undo(ift(y, box), poses), stretched(curves, poses["scale"])
        if not averager.is_sum:
            aligned.append(undone)
            continue
        for half in range(halves):
            mine = np.arange(first, first + len(block)) % halves == half
            weight[half] += curves[mine].sum(0, dtype=np.float64)
            total[half] += undone[mine].sum(0, dtype=np.float64)
    if not averager.is_sum:
        return masked(averager.of_images(np.concatenate(aligned)), mask_radius)
    noise = finish(power, len(rows)).astype(np.float64)
    inverse = 1 / noise if averager.whitens else np.ones_like(noise)
    inverse[0] = 0
    whitened = ift(ft(total) * spread_rings(inverse, box), box)
    return masked(averager.finish(whitened, weight * inverse, 0.0), mask_radius)
