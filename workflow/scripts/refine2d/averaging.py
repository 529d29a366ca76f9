"""Class averages: sums of particles (Wiener's, unless another averager is named), refined against the class's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from . import denoise
from .averagers import Averager
from .centering import DEFAULT, offset, shifted
from .fourier import ft, ift, nrings, radius, ring_index, ring_sum, soft_mask, spread_rings, stretched
from .frc import frc
from .matching import Matcher, Matching
from .msa import Basis
from .names import Named
from .particles import ParticleStore
from .search.align import References, align
from .search.plan import Plan
from .transforms import ALIGNMENT, undo

BLOCK = 256  # particles read at a time
HELD = 1024  # members of a class that is kept in memory from round to round
WIENER = Averager()
MATCHED = ("wiener", "ctf.auto", "ctfw.auto", "iterative")  # averagers of C X / s2


@dataclass(frozen=True)
class Recipe:
    """What else than the plan makes an average.

    Attributes
    ----------
    averager : Averager
    matching : Matching or None
        How members are aligned to the average and ranked; None means by likelihood.
    center : Named
        One of `names.CENTRINGS`: how the average is centred before each round.
    automask : bool
        Centre by the largest bright region alone.
    reference : ndarray or None
        (L, L) float32 whose power on each ring the average is brought to in the end.
    """

    averager: Averager = WIENER
    matching: Matching | None = None
    center: Named = DEFAULT
    automask: bool = False
    reference: np.ndarray | None = None

    def offset(self, image: np.ndarray, mask_radius: float) -> np.ndarray:
        """How far the average's particle is from the image centre, (2,) x, y; 0 where averages are not centred."""
        if self.center.name == "nocenter":
            return np.zeros(2)
        return offset(image, mask_radius, self.center, self.automask)

    def of_halves(
        self, halves: tuple[np.ndarray, np.ndarray], mask_radius: float, floor: np.ndarray | float
    ) -> np.ndarray:
        """The averages (2, L, L) of the halves of `accumulate`, masked."""
        finish = self.averager.finish
        return masked(
            np.stack([finish(t[None], w[None], floor) for t, w in zip(*halves, strict=True)]), mask_radius
        )


STANDARD = Recipe()


@dataclass
class ClassAverage:
    """An average and what its members contributed.

    Attributes
    ----------
    image : ndarray
        (L, L) float32 average, masked, background 0, on the particles' scale.
    alignments : ndarray
        (n,) ALIGNMENT of the members to `image`; their score is as `transforms.alignment` says.
    quality : ndarray
        (n,) float32 normalised correlation with the average; larger is better.
    kept : ndarray
        (n,) bool: members in the average.
    frc : ndarray
        (rings,) float32 Fourier ring correlation of the averages of the kept members' halves. Both were aligned to one
        reference, so that it flatters noise inside the search's band.
    noise : float
        Energy of the noise in `image` by its halves; 0 where the averager makes no sums.
    """

    image: np.ndarray
    alignments: np.ndarray
    quality: np.ndarray
    kept: np.ndarray
    frc: np.ndarray
    noise: float


def class_average(
    store: ParticleStore,
    rows: np.ndarray,
    alignments: np.ndarray,
    plan: Plan,
    rounds: int,
    keep: float,
    keepsig: bool,
    floor: np.ndarray | float,
    recipe: Recipe = STANDARD,
    space: Basis | None = None,
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
    recipe : Recipe
    space : Basis, optional
        MSA space in whose frame `alignments` are, for telling noise in the first running average.

    Returns
    -------
    ClassAverage
    """
    members, alignments = Members(store, rows, recipe), alignments.copy()
    kept = np.ones(len(rows), bool)
    quality = np.zeros(len(rows), np.float32)
    image, halves = members.average(alignments, kept, plan.mask_radius, floor)
    if rounds and space is not None and recipe.averager.is_sum:
        image = denoise.by_halves(image, recipe.of_halves(halves, plan.mask_radius, floor), space)
    for _ in range(rounds):
        image = centred(image, recipe.offset(image, plan.mask_radius), plan.mask_radius)
        alignments, quality = align_members(members, image, plan)
        kept = choose(quality, keep, keepsig)
        image, halves = members.average(alignments, kept, plan.mask_radius, floor)
    noise = 0.0
    if recipe.averager.is_sum:
        noise = denoise.energy(recipe.of_halves(halves, plan.mask_radius, floor))
    if recipe.reference is not None:
        before, image = image, with_power_of(image, recipe.reference)
        noise *= float((image**2).sum() / max((before**2).sum(), 1e-30))
    return ClassAverage(image, alignments, quality, kept, half_frc(*halves, plan.mask_radius), noise)


class Blocks:
    """Particles read block by block; a class of moderate size is kept in memory.

    Iterating gives ``(block, y, c2)`` with the slice of `rows` and what `read` says of it.
    """

    def __init__(self, read: Callable, rows: np.ndarray, box: int):
        self._source, self.rows, self.box = read, rows, box
        self._held = list(self._read()) if len(rows) <= HELD else None

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        return iter(self._read() if self._held is None else self._held)

    def _read(self):
        for first in range(0, len(self.rows), BLOCK):
            block = slice(first, min(first + BLOCK, len(self.rows)))
            yield block, *self._source(self.rows[block])


class Members:
    """The particles of a class.

    Attributes
    ----------
    store : ParticleStore
    rows : ndarray
        (n,) int.
    recipe : Recipe
    matched : Blocks
        Matched-filtered.
    summed : Blocks
        As the averager sums them.
    """

    def __init__(self, store: ParticleStore, rows: np.ndarray, recipe: Recipe = STANDARD):
        self.store, self.rows, self.recipe, self.box = store, rows, recipe, store.box
        self.matched = self.summed = Blocks(store.matched, rows, store.box)
        averager = recipe.averager
        if averager.is_sum and averager.name not in MATCHED:
            self.summed = Blocks(partial(weighted, store, averager), rows, store.box)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        return iter(self.matched)

    def average(
        self, alignments: np.ndarray, kept: np.ndarray, mask_radius: float, floor: np.ndarray | float
    ) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """The kept members' average in given alignments, masked, and the sums of their halves."""
        averager, halves = self.recipe.averager, accumulate(self.summed, alignments, kept)
        if averager.is_sum:
            return masked(averager.finish(*halves, floor), mask_radius), halves
        aligned = undo(self.store.corrected(self.rows[kept]), alignments[kept])
        return masked(averager.of_images(aligned), mask_radius), halves


def weighted(store: ParticleStore, averager: Averager, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transforms of particles (n, L, L // 2 + 1) times what the averager weights them by, and its rings' weights."""
    factor, weight = averager.weighting(store.transfer(rows), store.premultiplied(rows))
    band = np.ones(nrings(store.box), np.float32)
    band[0] = band[store.box // 2] = 0
    per_ring = band / store.noise[store.group[rows]] if averager.whitens else band[None]
    factor = factor * spread_rings(per_ring.astype(np.float32), store.box)
    return ft(store.images(rows)) * factor, (weight * per_ring).astype(np.float32)


def align_members(members: Members, image: np.ndarray, plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Align particles to one average: (n,) ALIGNMENT and (n,) float32 quality.

    By likelihood, the quality is ``Re<T, Y> / sqrt(sum C^2 |T|^2 / s2)``, which does not favour strong defocus as the
    likelihood itself does; by another comparator, its value.
    """
    alignments = np.empty(len(members), ALIGNMENT)
    quality = np.empty(len(members), np.float32)
    matching = members.recipe.matching
    if matching is None or matching.is_plain:
        reference = References(plan, image[None])
        for block, y, c2 in members:
            alignments[block] = align(reference, y, c2, nbest=1)[:, 0]
            quality[block] = normalised(likelihood(alignments[block], plan), reference.penalty(c2)[:, 0])
        return alignments, quality
    matcher = Matcher(matching, image[None])
    for block, _, c2 in members:
        alignments[block] = matcher.align(members.store, members.rows[block], nbest=1)[:, 0]
        quality[block] = alignments["score"][block]
        if matching.decide.name == "ml":
            gain = likelihood(alignments[block], matching.plan)
            quality[block] = normalised(gain, matcher.penalty(c2, alignments[block]))
    return alignments, quality


def likelihood(alignments: np.ndarray, plan: Plan) -> np.ndarray:
    """Log-likelihood gains of alignments that were found with a plan, whatever it expects of shifts: (n,) float32."""
    return alignments["score"] + plan.shift_penalty(alignments["sx"], alignments["sy"])


def normalised(gain: np.ndarray, penalty: np.ndarray) -> np.ndarray:
    """Log-likelihood gains as correlations with what the particle would show of the reference."""
    return (gain + penalty) / np.sqrt(2 * np.maximum(penalty, 1e-12))


def accumulate(
    members: Blocks | Members, alignments: np.ndarray, kept: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of an average, of every other member each.

    Parameters
    ----------
    members : Blocks or Members
    alignments : ndarray
        (n,) ALIGNMENT.
    kept : ndarray
        (n,) bool: members to sum.

    Returns
    -------
    total : ndarray
        (2, L, L) float64 aligned images, for the Wiener average matched-filtered.
    weight : ndarray
        (2, rings) float64, for the Wiener average C^2 / s2.
    """
    box = members.box
    total, weight = np.zeros((2, box, box)), np.zeros((2, nrings(box)))
    for block, y, c2 in members:
        for half in range(2):
            mine = half + 2 * np.flatnonzero(kept[block][half::2])
            poses = alignments[block][mine]
            total[half] += undo(ift(y[mine], box), poses).sum(0, dtype=np.float64)
            weight[half] += stretched(c2[mine], poses["scale"]).sum(0, dtype=np.float64)
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


def with_power_of(image: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The image with the reference's power on each ring: (L, L) float32.

    A reference of a smaller box for the same field of view gives the shape of the power up to its last ring; the level
    stays, and beyond that ring the gain is that of the last.
    """
    box, rings, transform = len(image), nrings(len(reference)), ft(image)
    own, wanted = ring_sum(np.abs(transform) ** 2, box), ring_sum(np.abs(ft(reference)) ** 2, len(reference))
    gain = np.where(own[:rings] > 1e-12, wanted / np.maximum(own[:rings], 1e-12), 0)
    if rings < nrings(box):
        gain = gain[:-1] * own[: rings - 1].sum() / max(wanted[:-1].sum(), 1e-12)
        gain = np.pad(gain, (0, nrings(box) - len(gain)), mode="edge")
    gain = np.sqrt(gain).astype(np.float32)
    return ift(transform * np.where(ring_index(box) <= box // 2, spread_rings(gain, box), 1), box)


def masked(image: np.ndarray, mask_radius: float) -> np.ndarray:
    """Images less their background level, times the soft mask; (..., L, L) float32."""
    box = image.shape[-1]
    far = radius(box)
    outside = (far > mask_radius) & (far < box / 2)
    level = image[..., outside].mean(-1)[..., None, None] if outside.any() else 0
    mask = soft_mask(box, mask_radius, max(0.0, min(3.0, box / 2 - mask_radius)))
    return ((image - level) * mask).astype(np.float32)


def centred(image: np.ndarray, offset: np.ndarray, mask_radius: float) -> np.ndarray:
    """A masked average (L, L) with the point at `offset` (2,) from its centre brought there, masked again."""
    return masked(shifted(image, offset), mask_radius) if np.any(offset) else image


def choose(quality: np.ndarray, keep: float, keepsig: bool) -> np.ndarray:
    """Members to keep: the best share, or all above mean - keep * sigma; (n,) bool."""
    if keepsig:
        return quality >= quality.mean() - keep * quality.std()
    count = max(1, round(keep * len(quality)))
    kept = np.zeros(len(quality), bool)
    kept[np.argsort(-quality, kind="stable")[:count]] = True
    return kept
