"""Class averages at full box and pixel size, from the original pixels with one interpolation."""

import numpy as np

from .averaging import wiener
from .ctf import ring_power
from .fourier import ft, ift, nrings, soft_mask, spread_rings
from .noise import finish, noise_power
from .normalize import deviation, flatten, outside
from .particles import ParticleStore
from .stacks import Source
from .transforms import rescale, undo

BLOCK_BYTES = 64 << 20  # images in memory at a time


def full_average(
    source: Source,
    store: ParticleStore,
    rows: np.ndarray,
    alignments: np.ndarray,
    mask_radius: float,
    invert: bool = False,
) -> np.ndarray:
    """Wiener average of original images.

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
    total, weight = np.zeros((box, box)), np.zeros(nrings(box))
    power = np.zeros(nrings(box), np.int64)
    scaled = rescale(alignments, store.apix / store.input_apix)
    step = max(1, BLOCK_BYTES // (4 * box * box * 4))
    for first in range(0, len(rows), step):
        block = rows[first : first + step]
        images = flatten(source.images(store.number[block]), background)
        images *= (-1 if invert else 1) / deviation(images, background)[:, None, None].astype(np.float32)
        power += noise_power(images, mask).sum(0)
        y = ft(images)
        transfer = store.transfer(block, box)
        weight += ring_power(transfer).sum(0, dtype=np.float64)
        y *= np.where(store.premultiplied(block)[:, None, None], np.float32(1), transfer)
        total += undo(ift(y, box), scaled[first : first + step]).sum(0, dtype=np.float64)
    noise = finish(power, len(rows)).astype(np.float64)
    inverse = 1 / noise
    inverse[0] = 0
    whitened = ift(ft(total) * spread_rings(inverse, box), box)
    return wiener(whitened[None], (weight * inverse)[None], mask_radius, 0.0)
