"""The kernels of the exhaustive search beside their slow twins."""

import naive
import numpy as np
import pytest

from refine2d.fourier import ft, soft_mask
from refine2d.search.coarse import grid_of
from refine2d.search.coarse_kernels import LOWEST, pick, try_all
from refine2d.search.plan import Plan
from refine2d.search.polar import rings_of
from refine2d.simd import LANES

PLANS = [
    Plan(48, 20.0, 5.0),
    Plan(48, 20.0, 5.0, mirror=False),
    Plan(48, 20.0, 4.0, shift_sigma=2.0),
    # one shift, and no number of angles or harmonics fills the last block
    Plan(32, 9.5, 0.0, translate=False, mirror=False),
    Plan(40, 14.0, 3.0, angle_step=4.0),
    Plan(32, 4.0, 40.0),  # more than a thousand shifts, and few harmonics
]


def sampled(plan, count, seed):
    """Random particles and templates on the plan's rings; templates have what each ring can have."""
    rng, rings = np.random.default_rng(seed), rings_of(plan)
    samples = rng.standard_normal((rings.n, rings.half, 2, LANES)).astype(np.float32)
    templates = rng.standard_normal((count, plan.harmonics, 2, rings.n)).astype(np.float32)
    templates *= np.arange(rings.n) >= rings.innermost[:, None, None]
    return samples, templates


def tried(plan, samples, templates):
    best = np.empty((len(templates), 1 + plan.mirror, plan.coarse_angles, LANES), np.int32)
    try_all(samples, templates, grid_of(plan), best)
    mark = grid_of(plan).mark
    return best, (best & ~mark).view(np.float32), best & mark


@pytest.mark.parametrize("plan", PLANS)
def test_each_turn_has_the_best_shift_of_the_naive_correlation(plan):
    samples, templates = sampled(plan, 3, 1)
    _, scores, shifts = tried(plan, samples, templates)
    rings = rings_of(plan)
    x, y = plan.shifts.T[:, :, None, None]
    phases = 2 * np.pi / plan.box * (rings.qx * x + rings.qy * y)
    orders = np.concatenate(rings.orders)
    unlikely = plan.shift_penalty(*plan.shifts.T)
    for particle in (0, 7, LANES - 1):
        real, imag = samples[..., 0, particle].T, samples[..., 1, particle].T
        for reference, template in enumerate(templates):
            for mirror in range(1 + plan.mirror):
                all_of = naive.ring_scores(real, imag, template[:, 0], template[:, 1], orders, phases, mirror)
                all_of += unlikely.max() - unlikely
                mine = reference, mirror, slice(None), particle
                there = all_of.max(axis=1) > 0  # others are no peaks
                assert there.mean() > 0.25
                highest = all_of.max(axis=1)[there]
                # what single precision and the bits that the shift's number takes leave
                close = {"atol": 1e-5 * np.abs(all_of).max(), "rtol": (grid_of(plan).mark + 1) / 2**23}
                np.testing.assert_allclose(scores[mine][there], highest, **close)
                chosen = np.take_along_axis(all_of, shifts[mine][:, None], axis=1)[:, 0]
                np.testing.assert_allclose(chosen[there], highest, **close)


def test_rings_within_the_innermost_hold_little_of_a_masked_image():
    """Also of noise, which has all the harmonics that it can have."""
    plan = Plan(64, 26.0, 4.0)
    noise = np.random.default_rng(5).standard_normal((20, 64, 64)) * soft_mask(64, 26, 3)
    rings = rings_of(plan)
    power = (rings.harmonics(*rings.sample(ft(noise.astype(np.float32)))) ** 2).sum((0, 2))
    within = np.arange(rings.n) < rings.innermost[:, None]
    assert within.mean() > 0.3
    assert power[within].sum() < 5e-3 * power.sum()


def test_particles_side_by_side_do_not_meet():
    samples, templates = sampled(PLANS[0], 2, 2)
    whole = tried(PLANS[0], samples, templates)[0]
    alone = np.zeros_like(samples)
    alone[..., 3] = samples[..., 11]
    assert tried(PLANS[0], alone, templates)[0][..., 3].tobytes() == whole[..., 11].tobytes()


@pytest.mark.parametrize(("plan", "count"), [(PLANS[0], 6), (PLANS[1], 4), (PLANS[3], 12)])
def test_peaks_are_the_naive_ones(plan, count):
    samples, templates = sampled(plan, 3, 3)
    best, scores, shifts = tried(plan, samples, templates)
    penalty = np.random.default_rng(4).uniform(0, 0.3 * scores.max(), (3, LANES)).astype(np.float32)
    found = np.empty((LANES, count, 4), np.int32)
    pick(best.copy(), penalty, grid_of(plan).mark, found)
    for particle in range(LANES):
        expected = naive.best_peaks(scores[..., particle] - penalty[:, particle, None, None], count)
        mine = found[particle, : len(expected)]
        assert [tuple(one) for one in mine[:, :3]] == expected
        assert (mine[:, 3] == [shifts[(*one, particle)] for one in expected]).all()
        assert (found[particle, len(expected) :] == -1).all()


def test_angles_that_are_not_asked_for_are_no_peaks():
    best = np.full((2, 1, 8, LANES), LOWEST, np.int32)
    best[:, :, 0] = np.float32(3).view(np.int32)
    found = np.empty((LANES, 4, 4), np.int32)
    pick(best, np.array([[1.0], [0.0]], np.float32).repeat(LANES, axis=1), np.int32(0), found)
    assert (found[:, :2] == [[1, 0, 0, 0], [0, 0, 0, 0]]).all()
    assert (found[:, 2:] == -1).all()
