"""Class averages: Wiener sums of matched-filtered particles, refined against the class's own average."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .centering import centre, shifted
from .fourier import ft, ift, nrings, radius, ring_mean, soft_mask, spread_rings
from .frc import frc
from .particles import ParticleStore
from .search import Plan, References, align
from .transforms import ALIGNMENT, undo

BLOCK = 256  # particles read at a time
HELD = 1024  # members of a class that is kept in memory from round to round
FLOOR = 1e-3  # least signal power of a ring, as a share of the pooled one


@dataclass
class ClassAverage:
    """An average and what its members contributed.

    Attributes
    ----------
    image : ndarray
        (L, L) float32 average, masked, background 0, on the particles' scale.
    alignments : ndarray
        (n,) ALIGNMENT of the members to `image`; their score is the log-likelihood gain.
    quality : ndarray
        (n,) float32 normalised correlation with the average; larger is better.
    kept : ndarray
        (n,) bool: members in the average.
    frc : ndarray
        (rings,) float32 Fourier ring correlation of the averages of the kept members' halves. Both were aligned to one
        reference, so that it flatters noise inside the search's band.
    """

    image: np.ndarray
    alignments: np.ndarray
    quality: np.ndarray
    kept: np.ndarray
    frc: np.ndarray


def class_average(
    store: ParticleStore,
    rows: np.ndarray,
    alignments: np.ndarray,
    plan: Plan,
    rounds: int,
    keep: float,
    keepsig: bool,
    floor: np.ndarray | float,
    centred: bool = True,
) -> ClassAverage:
    """Average a class, aligning its members to the running average.

    Parameters
    ----------
    store : ParticleStore
    rows : ndarray
        (n,) rows of the members.
    alignments : ndarray
        (n,) ALIGNMENT of the members to a common frame.
    plan : Plan
        Extent of the search.
    rounds : int
        Rounds of alignment to the class's own average; 0 averages with the given alignments.
    keep : float
        Share of the members to keep by quality, or the number of standard deviations below the mean with `keepsig`.
    keepsig : bool
        Meaning of `keep`.
    floor : ndarray or float
        Least signal power of a ring, (rings,) float64.
    centred : bool
        Whether the average is centred before each round.

    Returns
    -------
    ClassAverage
    """
    members, alignments = Members(store, rows), alignments.copy()
    kept = np.ones(len(rows), bool)
    quality = np.zeros(len(rows), np.float32)
    halves = accumulate(members, alignments, kept)
    image = wiener(*halves, plan.mask_radius, floor)
    for _ in range(rounds):
        if centred:
            image = masked(shifted(image, centre(image, plan.mask_radius)), plan.mask_radius)
        alignments, quality = align_members(members, image, plan)
        kept = choose(quality, keep, keepsig)
        halves = accumulate(members, alignments, kept)
        image = wiener(*halves, plan.mask_radius, floor)
    return ClassAverage(image, alignments, quality, kept, half_frc(*halves, plan.mask_radius))


def bootstrap(
    store: ParticleStore, rows: np.ndarray, plan: Plan, rounds: int, keep: float, keepsig: bool
) -> ClassAverage:
    """Average a class of which no alignment is known.

    One particle is the first average; one, two, four ... more are aligned to the running average and added. Then follow
    rounds as in `class_average`.

    Parameters
    ----------
    store, rows, plan, rounds, keep, keepsig
        As for `class_average`.

    Returns
    -------
    ClassAverage
    """
    alignments = np.zeros(len(rows), ALIGNMENT)
    done = 1
    while done < len(rows):
        sums = accumulate(Members(store, rows[:done]), alignments[:done], np.ones(done, bool))
        image = wiener(*sums, plan.mask_radius, 0)
        until = min(2 * done, len(rows))
        alignments[done:until] = align_members(Members(store, rows[done:until]), image, plan)[0]
        done = until
    return class_average(store, rows, alignments, plan, rounds, keep, keepsig, 0)


class Members:
    """The particles of a class, matched-filtered block by block; a class of moderate size is kept in memory.

    Iterating gives ``(block, y, c2)`` with the slice of `rows` and what `ParticleStore.matched` says of it.
    """

    def __init__(self, store: ParticleStore, rows: np.ndarray):
        self._store, self.rows, self.box = store, rows, store.box
        self._held = list(self._read()) if len(rows) <= HELD else None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        return iter(self._read() if self._held is None else self._held)

    def _read(self):
        for first in range(0, len(self.rows), BLOCK):
            block = slice(first, min(first + BLOCK, len(self.rows)))
            yield block, *self._store.matched(self.rows[block])


def align_members(members: Members, image: np.ndarray, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Align particles to one average: (n,) ALIGNMENT and (n,) float32 quality.

    The quality ``Re<T, Y> / sqrt(sum C^2 |T|^2 / s2)`` does not favour strong defocus, as the likelihood does.
    """
    reference = References(plan, image[None])
    alignments = np.empty(len(members), ALIGNMENT)
    quality = np.empty(len(members), np.float32)
    for block, y, c2 in members:
        alignments[block] = align(reference, y, c2, nbest=2)[:, 0]
        penalty = reference.penalty(c2)[:, 0]
        quality[block] = (alignments["score"][block] + penalty) / np.sqrt(2 * np.maximum(penalty, 1e-12))
    return alignments, quality


def accumulate(members: Members, alignments: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of a Wiener average, of every other member each.

    Parameters
    ----------
    members : Members
    alignments : ndarray
        (n,) ALIGNMENT.
    kept : ndarray
        (n,) bool: members to sum.

    Returns
    -------
    total : ndarray
        (2, L, L) float64 aligned matched-filtered images.
    weight : ndarray
        (2, rings) float64 C^2 / s2.
    """
    box = members.box
    total, weight = np.zeros((2, box, box)), np.zeros((2, nrings(box)))
    for block, y, c2 in members:
        for half in range(2):
            mine = half + 2 * np.flatnonzero(kept[block][half::2])
            total[half] += undo(ift(y[mine], box), alignments[block][mine]).sum(0, dtype=np.float64)
            weight[half] += c2[mine].sum(0, dtype=np.float64)
    return total, weight


def half_frc(total: np.ndarray, weight: np.ndarray, mask_radius: float) -> np.ndarray:
    """Fourier ring correlation of the averages of two halves, inside the mask: (rings,) float32.

    Parameters
    ----------
    total, weight : ndarray
        From `accumulate`.
    mask_radius : float
        Pixels.
    """
    box = total.shape[-1]
    inverse = np.where(weight > 0, 1 / np.maximum(weight, 1e-12), 0)
    return frc(*masked(ift(ft(total) * spread_rings(inverse, box), box), mask_radius))


def wiener(
    total: np.ndarray, weight: np.ndarray, mask_radius: float, floor: np.ndarray | float
) -> np.ndarray:
    """Wiener average of sums from `accumulate`.

    Parameters
    ----------
    total : ndarray
        (halves, L, L) float64 sums of aligned ``back(C X / s2)``.
    weight : ndarray
        (halves, rings) float64 sums of C^2 / s2.
    mask_radius : float
        Pixels.
    floor : ndarray or float
        Least signal power of a ring.

    Returns
    -------
    ndarray
        (L, L) float32, masked, background level 0.
    """
    total, weight = total.sum(0), weight.sum(0)
    box = len(total)
    coefficients = ft(total)
    safe = np.maximum(weight, 1e-12)
    signal = np.where(weight > 0, (ring_mean(np.abs(coefficients) ** 2, box) - safe) / safe**2, 0)
    signal = np.maximum(signal, np.maximum(floor, FLOOR * FLOOR * signal.max()))
    gain = np.where(weight > 0, 1 / (safe + 1 / np.maximum(signal, 1e-12)), 0)
    return masked(ift(coefficients * spread_rings(gain, box), box), mask_radius)


def masked(image: np.ndarray, mask_radius: float) -> np.ndarray:
    """Images less their background level, times the soft mask; (..., L, L) float32."""
    box = image.shape[-1]
    far = radius(box)
    outside = (far > mask_radius) & (far < box / 2)
    level = image[..., outside].mean(-1)[..., None, None] if outside.any() else 0
    mask = soft_mask(box, mask_radius, max(0.0, min(3.0, box / 2 - mask_radius)))
    return ((image - level) * mask).astype(np.float32)


def choose(quality: np.ndarray, keep: float, keepsig: bool) -> np.ndarray:
    """Members to keep: the best share, or all above mean - keep * sigma; (n,) bool."""
    if keepsig:
        return quality >= quality.mean() - keep * quality.std()
    count = max(1, round(keep * len(quality)))
    kept = np.zeros(len(quality), bool)
    kept[np.argsort(-quality, kind="stable")[:count]] = True
    return kept
