"""Starting classes: single particles become averages of classes, in rounds of classification at low resolution.

A round is an iteration in little (align, MSA, k-means, averages), of some of the particles in a small box. What noise
there is at higher resolution leads averages astray that show little yet, so that low resolution finds the views in
fewer rounds. A single particle is a reference good enough to begin with, once the steerable basis has taken most of its
noise out.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from . import denoise
from .averaging import STANDARD, ClassAverage, Recipe, class_average
from .breathing import breathe
from .clustering import kmeans, least
from .eigenimages import eigenimages
from .following import movers
from .fourier import cropped, ift, ring_index
from .msa import Basis, Projector, basis, coordinates
from .ordering import chain
from .particles import ParticleStore
from .search.align import References, align
from .search.plan import COARSE_STEP, FINE_BAND, LEAST_RINGS, Plan
from .shifts import expected_at_first
from .steerable import SteerableAverager, steerable_basis
from .transforms import alignment, compose, rescale, undo

BOX = 32
ROUNDS = 12  # at most
SETTLED = 0.2  # share of the particles that change class in a round after which there is none
VECTORS = 64  # of the MSA at most; otherwise one less than the classes
KEEP = 0.85  # of a class's members, in its average
BLOCK = 64  # particles read or projected at a time; fixed, so that the result is


class LowResolution:
    """Some particles of a store in a small box, in memory.

    Parameters
    ----------
    store : ParticleStore
    rows : ndarray
        (n,) int.
    run : callable
        As for `search.align.align`.

    Attributes
    ----------
    box : int
        Pixels; `BOX`, or the store's where that is smaller.
    """

    def __init__(self, store: ParticleStore, rows: np.ndarray, run: Callable = map):
        self.box = box = min(BOX, store.box)
        inside = ring_index(box) < box // 2

        def low(first: int) -> tuple[np.ndarray, np.ndarray]:
            y, c2 = store.matched(rows[first : first + BLOCK])
            c2 = c2[:, : box // 2 + 1].copy()
            c2[:, box // 2] = 0
            return cropped(y, box) * inside, c2

        parts = zip(*run(low, range(0, len(rows), BLOCK)), strict=True)
        self._y, self._c2 = map(np.concatenate, parts)

    def __len__(self) -> int:
        return len(self._y)

    def matched(self, rows: np.ndarray | slice) -> tuple[np.ndarray, np.ndarray]:
        """As `ParticleStore.matched`, of the particles that are here, numbered from 0."""
        return self._y[rows], self._c2[rows]


def low_plan(plan: Plan, box: int) -> Plan:
    """The same search in a smaller box (pixels) of the same field of view; shifts as expected before any are known."""
    factor = box / plan.box
    return replace(
        plan,
        box=box,
        mask_radius=plan.mask_radius * factor,
        maxshift=plan.maxshift * factor,
        coarse_band=min(plan.coarse_band / factor, LEAST_RINGS / box),
        band=min(plan.band / factor, FINE_BAND),
        shift_step=COARSE_STEP,
        local=True,
        reach=plan.reach * factor,
        shift_sigma=expected_at_first(plan.maxshift) * factor,
    )


def classify(
    store: ParticleStore,
    rows: np.ndarray,
    seeds: np.ndarray,
    plan: Plan,
    recipe: Recipe = STANDARD,
    threads: int = 1,
    say: Callable[[int, float], None] = lambda done, moved: None,
) -> tuple[np.ndarray, np.ndarray]:
    """Classes that grow from single particles.

    Parameters
    ----------
    store : ParticleStore
    rows : ndarray
        (n,) int: the particles to classify.
    seeds : ndarray
        (K,) int: places in `rows` of the particles to begin with.
    plan : Plan
        Extent of the search at the working size.
    recipe : Recipe
        How averages are centred; the rest of it is the start's own.
    threads : int
        Threads to use; the result does not depend on them.
    say : callable
        Told after each round how many are done, and the share of the particles that changed class in the last one.

    Returns
    -------
    labels : ndarray
        (n,) int32.
    alignments : ndarray
        (n,) ALIGNMENT of the particles to a frame that is their class's, in working pixels.
    """
    with ThreadPoolExecutor(threads) as pool:
        low = LowResolution(store, rows, pool.map)
        factor, plan = low.box / store.box, low_plan(plan, low.box)
        prior = Projector(steerable_basis(low, np.arange(len(low)), plan.mask_radius, pool.map))
        how = Recipe(SteerableAverager(projector=prior), center=recipe.center, automask=recipe.automask)
        found = alignment(np.zeros(len(low)))

        def average(mine: np.ndarray, rounds: int = 1) -> ClassAverage:
            return class_average(low, mine, found[mine], plan, rounds, KEEP, False, 0, how)

        nbasis = min(len(seeds) - 1, VECTORS)
        labels, members = np.full(len(low), -1, np.int32), list(seeds[:, None])
        made = [average(mine, rounds=0) for mine in members]
        for done in range(1, ROUNDS + 1):
            order, images, moved = chain(np.stack([each.image for each in made]), plan, threads, how)
            if done == 1:
                noise, space = 0.0, basis(images, nbasis)
            else:
                noise = denoise.per_component([each.noise for each in made])
                known = *_poses(members, made, order, moved), images.mean(0), nbasis
                space = eigenimages(low, *known, plan.mask_radius, noise, pool.map)
            references = References(plan, denoise.together(images, noise))
            found = align(references, *low.matched(slice(None)), 1, pool.map)[:, 0]
            before, labels = labels, _classes(low, found, images, space, pool.map)
            members = [np.flatnonzero(labels == number) for number in range(len(seeds))]
            made = list(pool.map(average, members))
            share = movers(before, labels, len(seeds)) / len(low)
            say(done, share)
            if share < SETTLED:
                break
    for mine, each in zip(members, made, strict=True):
        found[mine] = each.alignments
    return labels, rescale(found, 1 / factor)


def _poses(
    members: list[np.ndarray], made: list[ClassAverage], order: np.ndarray, moved: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Kept members of averages, and their alignments to the chain that `order` and `moved` (`ordering.chain`) make."""
    rows = [members[number][made[number].kept] for number in order]
    poses = [
        compose(made[number].alignments[made[number].kept], move)
        for number, move in zip(order, moved, strict=True)
    ]
    return np.concatenate(rows), np.concatenate(poses)


def _classes(
    low: LowResolution, found: np.ndarray, images: np.ndarray, space: Basis, run: Callable
) -> np.ndarray:
    """K-means of aligned particles in the MSA space, from where the averages (K, L, L) are: (n,) int32."""
    projector = Projector(space)

    def project(first: int) -> tuple[np.ndarray, np.ndarray]:
        block = slice(first, first + BLOCK)
        y, c2 = low.matched(block)
        return projector.project(undo(ift(y, low.box), found[block]), c2), c2.sum(0, dtype=np.float64)

    points, weights = zip(*run(project, range(0, len(low), BLOCK)), strict=True)
    points, weight = np.concatenate(points), (sum(weights) / len(low)).astype(np.float32)
    centres = breathe(points, projector.shrunken(coordinates(images, space), weight), run)
    return kmeans(points, centres, smallest=least(len(low), len(images)), run=run)[0]
