"""Starting classes: planted classes grow from single particles."""

import numpy as np
import pytest
from test_averaging import BOX, PLAN, Store, likeness, particles, picture, posed

from refine2d import averaging, start
from refine2d.centering import offset
from refine2d.following import movers
from refine2d.fourier import crop, ft, ift, ring_index
from refine2d.names import Named
from refine2d.transforms import alignment, undo

EACH, PICTURES = 60, (0, 3, 8, 11)
TRUE = np.repeat(np.arange(len(PICTURES)), EACH)
SEEDS = np.array([5, 70, 130, 190])


def planted(noise=2.0):
    """Particles of some pictures in planted poses."""
    made = [particles(picture(seed), EACH, seed=seed + 1, noise=noise) for seed in PICTURES]
    images, _, transfer = (np.concatenate(parts) for parts in zip(*made, strict=True))
    return Store(images, transfer, noise)


@pytest.fixture(scope="module")
def found():
    """The planted particles, their classes and alignments, and what was said round by round."""
    store, said = planted(), []
    rows = np.arange(len(TRUE))
    labels, alignments = start.classify(
        store, rows, SEEDS, PLAN, threads=1, say=lambda *words: said.append(words)
    )
    return store, labels, alignments, said


def test_planted_classes_are_found(found):
    assert movers(TRUE, found[1], len(PICTURES)) <= 3


def test_members_make_their_picture_in_the_poses_found(found):
    store, labels, alignments, _ = found
    for number, seed in enumerate(PICTURES):
        mine = np.flatnonzero(labels == labels[SEEDS[number]])
        made = averaging.class_average(store, mine, alignments[mine], PLAN, 0, 1.0, False, 0.0)
        assert likeness(posed(made.image, picture(seed)), picture(seed)) > 0.9


def test_rounds_end_when_particles_stay(found):
    said = found[3]
    assert [done for done, _ in said] == list(range(1, len(said) + 1))
    assert said[0][1] == 1
    assert said[-1][1] < start.SETTLED
    assert all(moved >= start.SETTLED for _, moved in said[:-1])


def test_rounds_end_where_particles_never_stay(monkeypatch):
    monkeypatch.setattr(start, "SETTLED", 0.0)
    monkeypatch.setattr(start, "ROUNDS", 3)
    said = []
    start.classify(
        planted(), np.arange(len(TRUE)), SEEDS, PLAN, threads=1, say=lambda done, _: said.append(done)
    )
    assert said == [1, 2, 3]


@pytest.mark.parametrize(("center", "apart"), [("xform.center", (0, 1)), ("nocenter", (3, 5))])
def test_averages_are_centred_as_was_asked_for(center, apart):
    """Particles that are all 4 pixels from the centre: their averages are, too, unless they are centred."""
    where = [alignment(np.zeros(EACH), sx=4.0) for _ in PICTURES]
    images = [
        undo(np.repeat(picture(seed)[None], EACH, 0), at) for seed, at in zip(PICTURES, where, strict=True)
    ]
    store = Store(np.concatenate(images), np.ones((len(TRUE), BOX, BOX // 2 + 1), np.float32), 0.1)
    recipe = averaging.Recipe(center=Named(center))
    labels, alignments = start.classify(store, np.arange(len(TRUE)), SEEDS, PLAN, recipe)
    for number in range(len(PICTURES)):
        mine = np.flatnonzero(labels == number)
        made = averaging.class_average(store, mine, alignments[mine], PLAN, 0, 1.0, False, 0.0)
        far = np.hypot(*offset(made.image, PLAN.mask_radius))
        assert apart[0] <= far <= apart[1]


def test_threads_change_nothing(found):
    store, labels, alignments, _ = found
    again = start.classify(store, np.arange(len(TRUE)), SEEDS, PLAN, threads=3)
    assert np.array_equal(again[0], labels)
    assert np.array_equal(again[1], alignments)


def test_only_the_rows_asked_for_are_classified():
    store = planted(noise=0.5)
    rows = np.arange(0, len(TRUE), 2)
    labels, alignments = start.classify(store, rows, SEEDS // 2, PLAN)
    assert len(labels) == len(alignments) == len(rows)
    assert movers(TRUE[rows], labels, len(PICTURES)) <= 3


def test_low_resolution_is_the_particle_in_a_smaller_box():
    store = planted(noise=1.0)
    low = start.LowResolution(store, np.array([7, 3]))
    assert len(low) == 2 and low.box == start.BOX < BOX
    y, c2 = low.matched(np.array([1]))
    inside = ring_index(low.box) < low.box // 2
    expected = ft(crop(ift(store.y[3], BOX), low.box) * np.float32(BOX / low.box)) * inside
    assert y[0] == pytest.approx(expected, abs=1e-4)
    assert np.array_equal(c2[0, : low.box // 2], store.c2[3, : low.box // 2])
    assert c2[0, low.box // 2] == 0


def test_a_small_box_stays():
    store = planted()
    store.box, store.y, store.c2 = 24, store.y[:, :24, :13], store.c2[:, :13]
    assert start.LowResolution(store, np.arange(3)).box == 24


def test_the_search_covers_the_same_at_low_resolution():
    low = start.low_plan(PLAN, 32)
    factor = BOX / 32
    assert low.maxshift * factor == pytest.approx(PLAN.maxshift)
    assert low.mask_radius * factor == pytest.approx(PLAN.mask_radius)
    assert low.coarse_rings == PLAN.coarse_rings
    assert low.coarse_angles == PLAN.coarse_angles
    assert np.hypot(*low.shifts.T).max() * factor >= PLAN.maxshift - PLAN.shift_step
    assert low.shift_sigma * factor == pytest.approx(PLAN.maxshift / 4)
