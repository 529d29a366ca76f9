from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import naive
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from refine2d.fourier import ft, nrings, radius, ring_index, soft_mask
from refine2d.search.align import ALIKE, Neighbourhoods, References, align, peaks, sampled
from refine2d.search.plan import Plan
from refine2d.transforms import alignment, inverse, undo

BOX = 48


def blobs(count, seed=0, box=BOX):
    """References of smooth random density inside a mask, with unit deviation."""
    rng = np.random.default_rng(seed)
    images = np.stack([gaussian_filter(rng.standard_normal((box, box)), 2.0) for _ in range(count)])
    images *= soft_mask(box, 0.33 * box, 3)
    return (images / images.std(axis=(1, 2), keepdims=True)).astype(np.float32)


def matched(images, noise):
    """White-noise matched filter: y and c2."""
    box = images.shape[-1]
    y = ft(images) / np.float32(noise)
    y[:, ring_index(box) >= box // 2] = 0
    return y, np.full((len(images), nrings(box)), 1 / noise, np.float32)


def planted(references, count, seed, noise, reach=4.0):
    rng = np.random.default_rng(seed)
    box = references.shape[-1]
    truth = alignment(
        rng.uniform(0, 360, count),
        rng.random(count) < 0.5,
        rng.uniform(-reach, reach, count),
        rng.uniform(-reach, reach, count),
        rng.integers(0, len(references), count),
    )
    images = undo(references[truth["ref"]], inverse(truth))
    images += np.sqrt(noise) * rng.standard_normal((count, box, box)).astype(np.float32)
    return truth, images


def apart(a, b):
    return np.abs((a - b + 180) % 360 - 180)


@pytest.mark.parametrize("box", [48, 64])
def test_planted_poses_are_found(box):
    references = blobs(5, box=box)
    truth, images = planted(references, 96, 1, noise=10.0)
    plan = Plan(box, 0.4 * box, box / 8)
    found = align(References(plan, references), *matched(images, 10.0))[:, 0]
    assert (found["ref"] == truth["ref"]).all()
    assert (found["mirror"] == truth["mirror"]).all()
    assert np.median(apart(found["angle"], truth["angle"])) < 1
    assert np.median(np.hypot(found["sx"] - truth["sx"], found["sy"] - truth["sy"])) < 0.3


def test_without_noise_poses_are_exact_below_the_grid():
    references = blobs(3)
    truth, images = planted(references, 64, 2, noise=0.0)
    found = align(References(Plan(BOX, 0.4 * BOX, 6), references), *matched(images, 1.0))[:, 0]
    assert np.median(apart(found["angle"], truth["angle"])) < 0.25
    assert np.median(np.hypot(found["sx"] - truth["sx"], found["sy"] - truth["sy"])) < 0.1


@pytest.mark.parametrize("sigma", [np.inf, 0.7])
def test_score_is_the_naive_log_likelihood_gain_and_the_shifts_prior(sigma):
    references = blobs(2)
    _, images = planted(references, 6, 3, noise=2.0)
    plan = Plan(BOX, 0.4 * BOX, 6, shift_sigma=sigma)
    y, _ = matched(images, 2.0)
    rng = np.random.default_rng(0)
    c2 = rng.uniform(0.2, 0.6, (6, nrings(BOX))).astype(np.float32)
    for one, yi, weights in zip(align(References(plan, references), y, c2)[:, 0], y, c2, strict=True):
        pose = (one["angle"], one["mirror"], one["sx"], one["sy"])
        template = naive.shown(references[one["ref"]], *pose)
        expected = naive.log_likelihood_gain(template, yi, weights, plan.fine_rings)
        expected += naive.shift_prior(*pose[2:], sigma)
        assert one["score"] == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize(("noise", "sigma"), [(4.0, np.inf), (4.0, 0.5), (200.0, 0.5)])
def test_no_pose_of_a_naive_exhaustive_search_is_better(noise, sigma):
    references = blobs(2, seed=4, box=32)
    _, images = planted(references, 3, 5, noise=noise, reach=2.0)
    plan = Plan(32, 13, 3, shift_sigma=sigma)
    y, c2 = matched(images, noise)
    found = align(References(plan, references), y, c2)[:, 0]
    for one, yi, weights in zip(found, y, c2, strict=True):
        best = max(
            naive.log_likelihood_gain(naive.shown(r, angle, mirror, sx, sy), yi, weights, plan.fine_rings)
            + naive.shift_prior(sx, sy, sigma)
            for r in references
            for mirror in (False, True)
            for angle in range(0, 360, 30)
            for sx in (-2, 0, 2)
            for sy in (-2, 0, 2)
        )
        assert one["score"] >= best - 0.02 * abs(best)


def test_mirrors_only_on_request():
    references = blobs(1)
    truth, images = planted(references, 40, 6, noise=1.0)
    assert truth["mirror"].any()
    plan = Plan(BOX, 0.4 * BOX, 6, mirror=False)
    found = align(References(plan, references), *matched(images, 1.0))[:, 0]
    assert not found["mirror"].any()
    plain = ~truth["mirror"]
    assert np.median(apart(found["angle"], truth["angle"])[plain]) < 1


def test_shifts_stay_within_the_limit():
    references = blobs(2)
    _, images = planted(references, 40, 7, noise=1.0, reach=9.0)
    found = align(References(Plan(BOX, 0.4 * BOX, 3), references), *matched(images, 1.0))
    real = found["ref"] >= 0
    assert np.hypot(found["sx"], found["sy"])[real].max() <= 3 + 1


def test_expected_shifts_hold_noise_near_the_centre_and_no_particle_that_shows_otherwise():
    references = blobs(3)
    extent = Plan(BOX, 0.4 * BOX, 8)
    expecting = replace(extent, shift_sigma=1.5)
    noise = np.sqrt(100.0) * np.random.default_rng(0).standard_normal((200, BOX, BOX)).astype(np.float32)
    far, near = (
        align(References(plan, references), *matched(noise, 100.0))[:, 0] for plan in (extent, expecting)
    )
    assert np.median(np.hypot(near["sx"], near["sy"])) < 0.5 * np.median(np.hypot(far["sx"], far["sy"]))
    truth, images = planted(references, 64, 10, noise=5.0, reach=5.5)
    found = align(References(expecting, references), *matched(images, 5.0))[:, 0]
    off = np.hypot(found["sx"] - truth["sx"], found["sy"] - truth["sy"])
    assert np.hypot(truth["sx"], truth["sy"]).max() > 6
    assert np.median(off) < 0.3
    assert off.max() < 1


def test_where_nothing_is_found_shifts_are_as_expected():
    """A faint, round reference: most scores are below zero, all the more far from the centre."""
    faint = (np.exp(-(radius(BOX) ** 2) / 100) * soft_mask(BOX, 0.4 * BOX, 3))[None].astype(np.float32)
    noise = np.float32(5 * (faint**2).sum())
    images = np.sqrt(noise) * np.random.default_rng(1).standard_normal((128, BOX, BOX)).astype(np.float32)
    plan = Plan(BOX, 0.4 * BOX, 8, shift_sigma=1.0)
    found = align(References(plan, faint), *matched(images, noise))[:, 0]
    assert np.hypot(found["sx"], found["sy"]).max() < 1.5


def test_no_threads_or_cuts_change_a_bit():
    references = blobs(9)
    _, images = planted(references, 75, 8, noise=20.0)
    y, c2 = matched(images, 20.0)
    prepared = References(Plan(BOX, 0.4 * BOX, 6), references)
    whole = align(prepared, y, c2)
    with ThreadPoolExecutor(3) as pool:
        assert whole.tobytes() == align(prepared, y, c2, run=pool.map).tobytes()
        parts = [align(prepared, y[k : k + 32], c2[k : k + 32], run=pool.map) for k in range(0, 75, 32)]
    assert whole.tobytes() == np.concatenate(parts).tobytes()


def test_near_references_are_searched_as_if_there_were_no_others():
    references = blobs(9)
    _, images = planted(references, 60, 8, noise=40.0)
    y, c2 = matched(images, 40.0)
    plan = Plan(BOX, 0.4 * BOX, 6)
    few = np.array([[1, 4, 5, 8], [0, 2, 3, 6]])
    of = np.random.default_rng(0).integers(0, 2, 60)
    prepared = References(plan, references)
    found = peaks(prepared, sampled(prepared, y), c2, 6, near=Neighbourhoods(of, few))
    for which, numbers in enumerate(few):
        mine, those = of == which, References(plan, references[numbers])
        alone = peaks(those, sampled(those, y[mine]), c2[mine], 6)
        assert (alone[..., 0] >= 0).all()
        alone[..., 0] = numbers[alone[..., 0]]
        np.testing.assert_array_equal(found[mine], alone)


@pytest.mark.parametrize("box", [32, 48, 64, 96])
def test_a_particle_is_searched_alike_whichever_others_are_near_the_same_references(box):
    """Or the bytes would depend on how many particles a job has."""
    references = blobs(9, box=box)
    _, images = planted(references, ALIKE + 40, 8, noise=40.0)
    y, c2 = matched(images, 40.0)
    prepared = References(Plan(box, 0.4 * box, 6), references)
    read = sampled(prepared, y)
    near = Neighbourhoods(
        np.repeat([0, 1], [ALIKE + 37, 3]), np.array([[0, 2, 3, 4, 6, 7], [1, 3, 4, 5, 6, 8]])
    )
    whole = peaks(prepared, read, c2, 12, near=near)
    for some in (slice(5, 6), slice(3, None, 7), slice(None, None, -1)):
        found = peaks(prepared, read[some], c2[some], 12, near=near.take(some))
        assert found.tobytes() == whole[some].tobytes()
    with ThreadPoolExecutor(3) as pool:
        assert sampled(prepared, y, pool.map).tobytes() == read.tobytes()
        assert peaks(prepared, read, c2, 12, pool.map, near).tobytes() == whole.tobytes()


def test_blocks_of_templates_change_nothing(monkeypatch):
    references = blobs(7)
    _, images = planted(references, 20, 9, noise=20.0)
    y, c2 = matched(images, 20.0)
    plan = Plan(BOX, 0.4 * BOX, 6)
    whole = align(References(plan, references), y, c2)
    monkeypatch.setattr("refine2d.search.align.TEMPLATE_BYTES", 1)
    assert whole.tobytes() == align(References(plan, references), y, c2).tobytes()


def test_no_particles_have_no_poses():
    references = References(Plan(BOX, 0.4 * BOX, 6), blobs(2))
    assert align(references, *matched(np.zeros((0, BOX, BOX), np.float32), 1.0)).shape == (0, 3)


def test_best_first_and_each_reference_once():
    references = np.repeat(blobs(2), 2, axis=0)
    _, images = planted(references, 30, 10, noise=5.0)
    found = align(References(Plan(BOX, 0.4 * BOX, 6), references), *matched(images, 5.0), nbest=6)
    assert (found["score"][:, :-1] >= found["score"][:, 1:]).all()
    for row in found:
        refs = row["ref"][row["ref"] >= 0]
        assert len(refs) >= 1 and len(set(refs)) == len(refs)
        assert np.isneginf(row["score"][row["ref"] < 0]).all()


def test_an_empty_image_scores_no_better_than_noise():
    references = blobs(2)
    y = np.zeros((1, BOX, BOX // 2 + 1), np.complex64)
    found = align(References(Plan(BOX, 0.4 * BOX, 6), references), y, np.ones((1, nrings(BOX)), np.float32))
    assert (found["score"][found["ref"] >= 0] < 0).all()


@pytest.mark.parametrize("maxshift", [1.0, 2.5, 2.9, 4.0, 5.5, 6.0, 8.0, 12.0])
def test_every_allowed_shift_is_near_one_that_is_searched(maxshift):
    """Within a step along each axis, where the local search finds the way."""
    plan = Plan(64, 28, maxshift)
    radius, angle = np.meshgrid(np.linspace(0, maxshift, 40), np.linspace(0, 2 * np.pi, 90))
    x, y = (radius * np.cos(angle)).ravel(), (radius * np.sin(angle)).ravel()
    apart = np.abs(np.stack([x, y], 1)[:, None] - plan.shifts[None])
    assert np.hypot(*np.moveaxis(apart, 2, 0)).min(1).max() <= 0.8 * plan.shift_step


def test_without_rotation_each_place_is_found_once():
    references = blobs(3)
    plan = Plan(BOX, 0.4 * BOX, 6, rotate=False, mirror=False)
    found = align(References(plan, references), *matched(references[np.arange(6) % 3], 0.1))
    assert (np.sort(found["ref"], axis=1) == [0, 1, 2]).all()
    np.testing.assert_array_equal(found["ref"][:, 0], np.arange(6) % 3)


def test_angles_meet_the_nyquist_limit_of_the_mask():
    for box in (48, 64, 100, 128):
        plan = Plan(box, 0.45 * box, box / 8)
        arc = (
            2 * np.pi * plan.coarse_rings / plan.coarse_angles
        )  # Fourier pixels between angles on the last ring
        assert arc * 2 * plan.mask_radius < box
        assert (np.hypot(*replace(plan, local=False).shifts.T) <= plan.maxshift + 1e-3).all()
        assert radius(box).max() > plan.mask_radius
