"""Comparators against slow twins, and poses that they have to find."""

from dataclasses import replace

import naive
import numpy as np
import pytest
from test_averaging import BOX, PLAN, Store, particles, picture
from test_search import apart, blobs

from refine2d import names
from refine2d.comparators import comparator
from refine2d.extent import SETTINGS
from refine2d.fourier import ft, ift, radius
from refine2d.matching import Matcher, Matching
from refine2d.search.align import Neighbourhoods, References, align
from refine2d.search.plan import Plan
from refine2d.transforms import alignment, inverse, undo

APIX = 4.0


class Phased(Store):
    """A store that also gives images with their phases flipped back."""

    def __init__(self, images, transfer=None, noise=8.0):
        transfer = np.ones((len(images), BOX, BOX // 2 + 1), np.float32) if transfer is None else transfer
        super().__init__(images, transfer, noise)
        self._corrected = ift(ft(images) * np.sign(transfer), BOX)

    def corrected(self, rows):
        return self._corrected[rows]


def named(text):
    return comparator(names.parse("simcmp", text), PLAN, APIX)


def pair(seed=0):
    """A noisy particle and a reference in the same pose, band-limited and masked."""
    rng = np.random.default_rng(seed)
    reference = picture(seed)
    particle = 0.7 * reference + rng.standard_normal((BOX, BOX))
    return particle.astype(np.float32), reference


def score(text, particle, reference):
    by = named(text)
    return by.scores(Phased(particle[None]), np.array([0]), alignment(np.zeros(1)), reference[None])[0]


def test_ccc_is_the_correlation_inside_the_band():
    particle, reference = pair()
    a, b = (naive.band_passed(image, 1, PLAN.fine_rings).ravel() for image in (particle, reference))
    assert score("ccc", particle, reference) == pytest.approx(np.corrcoef(a, b)[0, 1], rel=1e-3)


def test_dot_and_its_normalised_form():
    particle, reference = pair()
    a, b = (naive.band_passed(image, 1, PLAN.fine_rings) for image in (particle, reference))
    cosine = (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())
    assert score("dot", particle, reference) == pytest.approx((a * b).sum(), rel=1e-3)
    assert score("dot:normalize=1", particle, reference) == pytest.approx(cosine, rel=1e-3)


def test_sqeuclidean_orders_by_distance():
    particle, reference = pair()
    others = [k * reference for k in (0.2, 0.7, 1.5)] + [picture(7)]
    a = naive.band_passed(particle, 1, PLAN.fine_rings)
    distances = [((a - naive.band_passed(other, 1, PLAN.fine_rings)) ** 2).sum() for other in others]
    scores = [score("sqeuclidean", particle, other) for other in others]
    assert np.diff(scores) == pytest.approx(-0.5 * np.diff(distances), rel=1e-3)
    scaled = [score("sqeuclidean:normto=1", particle, other) for other in others[:3]]
    assert scaled == pytest.approx([scaled[0]] * 3, rel=1e-4)


@pytest.mark.parametrize("text", ["frc", "frc:nweight=0", "frc:minres=60:maxres=14", "frc:ampweight=1"])
def test_frc_is_the_weighted_mean_of_ring_correlations(text):
    particle, reference = pair()
    params = names.parse("simcmp", text).params
    first = np.ceil(BOX * APIX / params["minres"]) if "minres" in params else 1
    last = np.floor(BOX * APIX / params["maxres"]) if "maxres" in params else PLAN.fine_rings
    rings = np.arange(int(first), int(last) + 1)
    f, ring = naive.full_plane(reference)
    size = np.array([(ring == r).sum() for r in rings])
    weight = size if params.get("nweight", True) else np.ones(len(rings))
    if params.get("ampweight"):
        weight = weight * np.array([np.sqrt(np.mean(np.abs(f[ring == r]) ** 2)) for r in rings])
    expected = np.average(naive.ring_correlations(particle, reference, rings), weights=weight)
    assert score(text, particle, reference) == pytest.approx(expected, rel=2e-3)


def test_frc_by_snr_looks_where_the_signal_is():
    particle, reference = pair()
    store = Phased(particle[None])
    store.c2 = np.zeros_like(store.c2)
    store.c2[:, 3] = 1
    by = named("frc:snrweight=1:nweight=0")
    rings = len(range(by.first, by.last + 1))
    found = by.scores(store, np.array([0]), alignment(np.zeros(1)), reference[None])[0]
    alone = naive.ring_correlations(particle, reference, [3])[0]
    assert found == pytest.approx(alone * store.c2.shape[1] / rings, rel=2e-3)


@pytest.mark.parametrize("text", ["phase", "phase:ampweight=0", "phase:maxres=16"])
def test_phase_is_the_mean_phase_difference(text):
    particle, reference = pair()
    last = 12 if "maxres" in text else PLAN.fine_rings
    expected = naive.phase_residual(particle, reference, range(1, last + 1), "ampweight=0" not in text)
    assert score(text, particle, reference) == pytest.approx(-expected, rel=2e-3)


def inside(image):
    return image[radius(BOX) <= PLAN.mask_radius].astype(float)


def test_lod_is_half_the_mean_absolute_difference():
    particle, reference = pair()
    a, b = ((x - x.mean()) / x.std() for x in (inside(particle), inside(reference)))
    assert score("lod", particle, reference) == pytest.approx(-np.abs(a - b).mean() / 2, rel=1e-4)


@pytest.mark.parametrize("normalize", [0, 1])
def test_quadmindot_is_the_worst_quadrant(normalize):
    particle, reference = pair()
    half, dots = BOX // 2, []
    for y in (0, half):
        for x in (0, half):
            a, b = (i[y : y + half, x : x + half].astype(float).ravel() for i in (particle, reference))
            dots.append(a @ b / (np.linalg.norm(a) * np.linalg.norm(b) if normalize else 1))
    assert score(f"quadmindot:normalize={normalize}", particle, reference) == pytest.approx(
        min(dots), rel=1e-4
    )


@pytest.mark.parametrize("invert", [0, 1])
def test_optvariance_is_what_a_straight_line_leaves(invert):
    particle, reference = pair()
    x, t = inside(particle), inside(reference)
    x, t = (t, x) if invert else (x, t)
    left = np.mean((np.polyval(np.polyfit(x, t, 1), x) - t) ** 2)
    assert score(f"optvariance:invert={invert}", particle, reference) == pytest.approx(-left, rel=1e-4)


def test_optvariance_with_a_matched_filter_asks_nothing_of_the_spectrum():
    particle, reference = pair()
    shaped = naive.band_passed(reference, 0, 6) * 3 + naive.band_passed(reference, 7, 40)
    plain = [score("optvariance", particle, image.astype(np.float32)) for image in (reference, shaped)]
    matched = [score("optvariance:matchfilt=1", particle, i.astype(np.float32)) for i in (reference, shaped)]
    assert abs(matched[0] / matched[1] - 1) < 0.05 < abs(plain[0] / plain[1] - 1)


def test_optvariance_by_radius_weights_the_rim():
    particle, reference = pair()
    x, t, far = inside(particle), inside(reference), inside(radius(BOX))
    line = np.polyval(np.polyfit(x, t, 1, w=np.sqrt(far)), x)
    left = np.average((line - t) ** 2, weights=far)
    assert score("optvariance:radweight=1", particle, reference) == pytest.approx(-left, rel=1e-4)


@pytest.mark.parametrize("text", ["optsub", "optsub:minres=50:maxres=12"])
def test_optsub_is_the_power_that_subtraction_leaves(text):
    particle, reference = pair()
    rings = range(4, 17) if "minres" in text else range(1, PLAN.fine_rings + 1)
    expected = naive.left_after_subtraction(particle, reference, rings)
    assert score(text, particle, reference) == pytest.approx(-expected, rel=2e-3)


def test_likelihood_of_a_pair_is_that_of_the_search():
    images, _, transfer = particles(picture(), 12)
    store, rows = Phased(images, transfer), np.arange(12)
    found = align(References(PLAN, picture()[None]), *store.matched(rows), nbest=1)[:, 0]
    again = named("ml").scores(store, rows, found, np.repeat(picture()[None], 12, axis=0))
    assert np.corrcoef(found["score"], again)[0, 1] > 0.99
    assert again == pytest.approx(found["score"], rel=0.1)


@pytest.mark.parametrize("text", sorted(names.COMPARATORS))
def test_planted_references_and_poses_are_found(text):
    """By every comparator, in every stage, through CTFs of different defocus."""
    rng = np.random.default_rng(3)
    references = np.stack([picture(seed) for seed in range(3)])
    references *= 2 / references.std(axis=(1, 2), keepdims=True)  # dot would choose the strongest
    images, poses, transfer, ref = [], [], [], rng.integers(0, 3, 40)
    for k in range(3):
        made = particles(references[k], int((ref == k).sum()), seed=20 + k, noise=0.5)
        for stack, part in zip((images, poses, transfer), made, strict=True):
            stack.append(part)
    ref, images, poses, transfer = np.sort(ref), *(np.concatenate(s) for s in (images, poses, transfer))
    by = named(text)
    search = by if by.is_dot else named("ccc")
    matcher = Matcher(Matching(PLAN, search, search, by), references)
    found = matcher.align(Phased(images, transfer, 0.5), np.arange(40))[:, 0]
    right = found["ref"] == ref
    assert right.mean() > 0.85  # chance: 0.33
    right &= found["mirror"] == poses["mirror"]
    assert right.mean() > 0.7
    assert np.median(apart(found["angle"], poses["angle"])[right]) < 3
    assert np.median(np.hypot(found["sx"] - poses["sx"], found["sy"] - poses["sy"])[right]) < 0.8


def test_a_pose_that_is_not_there_is_not_the_best():
    """One reference that may not be moved has one pose, and particles of inverted contrast score below zero."""
    plan = replace(PLAN, rotate=False, translate=False, mirror=False, local=False)
    matcher = Matcher(Matching(plan, named("ccc"), named("ccc"), named("frc")), picture()[None])
    found = matcher.align(Phased(-np.repeat(picture()[None], 4, axis=0)), np.arange(4))
    assert (found["ref"][:, 0] == 0).all() and (found["score"][:, 0] < 0).all()
    assert (found["ref"][:, 1:] == -1).all() and (found["score"][:, 1:] == -np.inf).all()


@pytest.mark.parametrize("text", ["ccc", "dot", "sqeuclidean", "frc", "phase", "quadmindot", "optsub"])
def test_a_pair_is_compared_where_the_reference_is_not_zero(text):
    """What lies beside the reference counts, unless zeromask asks for the reference's place alone."""
    particle, reference = pair()
    assert (reference == 0).any()
    beside = particle + 9 * (reference == 0)
    apart_from_it = particle * (reference != 0)
    masked = f"{text}:zeromask=1"
    assert score(masked, beside, reference) == pytest.approx(score(masked, particle, reference), rel=1e-4)
    assert score(masked, particle, reference) == pytest.approx(
        score(text, apart_from_it, reference), rel=1e-4
    )
    if text not in ("dot", "sqeuclidean", "quadmindot"):  # sums of products with the reference
        assert score(text, beside, reference) != pytest.approx(score(text, particle, reference), rel=1e-3)


def test_a_search_lets_the_mask_decide():
    references, by = np.stack([picture(0), picture(1)]), named("ccc:zeromask=1")
    images, _, transfer = particles(references[0], 12, noise=0.5)
    store = Phased(images, transfer, 0.5)
    found = Matcher(Matching(PLAN, by, by, by), references).align(store, np.arange(12))[:, 0]
    again = by.scores(store, np.arange(12), found, references[found["ref"]])
    np.testing.assert_array_equal(found["score"], again)


def test_defoci_do_not_cancel():
    """Without phases flipped back, a particle far out of focus would look like the negative of a reference."""
    images, poses, transfer = particles(picture(), 60, noise=0.5)
    by = named("ccc")
    found = by.scores(
        Phased(images, transfer, 0.5), np.arange(60), poses, np.repeat(picture()[None], 60, axis=0)
    )
    assert found.min() > 0.2


@pytest.mark.parametrize("comparators", [("ml", "ml", "ml"), ("ccc", "frc", "phase")])
@pytest.mark.parametrize("scales", [(1.0,), (0.95, 1.05)])
def test_near_references_are_compared_as_if_there_were_no_others(comparators, scales):
    references = np.stack([picture(0), picture(1), picture(2)])
    images, _, transfer = particles(references[1], 24, noise=0.5)
    store, rows = Phased(images, transfer, 0.5), np.arange(24)
    matching = Matching(PLAN, *(named(text) for text in comparators), scales)
    near = Neighbourhoods(rows % 2, np.array([[0, 1], [1, 2]]))
    matcher = Matcher(matching, references)
    searched = matcher.search(store, rows, 2, map, near)
    found = matcher.align(store, rows, 2, found=searched)
    for which, few in enumerate(near.references):
        mine = rows[rows % 2 == which]
        alone = Matcher(matching, references[few]).align(store, mine, 2)
        alone["ref"] = np.append(few, -1)[alone["ref"]]
        np.testing.assert_array_equal(found[mine], alone)


# ---- What the aligners' names set ----


def plan(**settings):
    return Plan(BOX, 0.4 * BOX, 6, **settings)


def found_by(extent, truth, noise=0.5):
    reference = blobs(1)
    rng = np.random.default_rng(0)
    images = undo(np.repeat(reference, len(truth), axis=0), inverse(truth))
    images += np.sqrt(noise) * rng.standard_normal(images.shape).astype(np.float32)
    likelihood = named("ml")
    matching = Matching(extent, likelihood, likelihood, likelihood)
    return Matcher(matching, reference).align(Phased(images, noise=noise), np.arange(len(truth)))[:, 0]


def poses(count=24, **planted):
    rng = np.random.default_rng(1)
    drawn = {"angle": rng.uniform(0, 360, count), "mirror": rng.random(count) < 0.5}
    drawn |= {"sx": rng.uniform(-4, 4, count), "sy": rng.uniform(-4, 4, count)}
    return alignment(**{**drawn, **planted})


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_an_aligner_moves_what_its_name_says_and_finds_it(name):
    rotate, translate, flip = SETTINGS[name]
    planted = {}
    if not rotate:
        planted["angle"] = np.zeros(24)
    if not translate:
        planted |= {"sx": np.zeros(24), "sy": np.zeros(24)}
    if not flip:
        planted["mirror"] = np.zeros(24, bool)
    truth = poses(**planted)
    found = found_by(plan(mirror=flip, rotate=rotate, translate=translate), truth)
    assert (found["mirror"] == truth["mirror"]).mean() > 0.9
    right = found["mirror"] == truth["mirror"]
    assert np.median(apart(found["angle"], truth["angle"])[right]) < 1.5
    assert np.median(np.hypot(found["sx"] - truth["sx"], found["sy"] - truth["sy"])[right]) < 0.5
    free = found_by(plan(mirror=flip, rotate=rotate, translate=translate), poses())
    assert rotate or not apart(free["angle"], 0).any()
    assert translate or not (free["sx"].any() or free["sy"].any())
    assert flip or not free["mirror"].any()


@pytest.mark.parametrize("comparators", [("ml", "ml", "ml"), ("ccc", "ccc", "ccc"), ("ccc", "frc", "ml")])
def test_a_planted_scale_is_found(comparators):
    truth, reference = poses(30, scale=1 / np.array([0.9, 0.95, 1.0, 1.05, 1.1]).repeat(6)), blobs(1)
    images = undo(reference.repeat(30, axis=0), inverse(truth))
    images += np.random.default_rng(2).standard_normal(images.shape).astype(np.float32)
    scales = names.scales(names.parse("simalign", "rotate_trans_flip_scale:min=0.85:max=1.15:step=0.05"))
    matching = Matching(PLAN, *(named(text) for text in comparators), scales)
    found = Matcher(matching, reference).align(Phased(images, noise=1.0), np.arange(30))
    assert (found["ref"][:, 1:] == -1).all()
    best = found[:, 0]
    assert (np.abs(best["scale"] - truth["scale"]) < 0.01).mean() > 0.8  # chance: 0.14
    assert (best["mirror"] == truth["mirror"]).all()
    assert np.median(apart(best["angle"], truth["angle"])) < 1
    assert np.median(np.hypot(best["sx"] - truth["sx"], best["sy"] - truth["sy"])) < 0.3


def test_scales_are_what_the_particle_is_scaled_by():
    """As in EMAN2: a particle that is too small is scaled by more than 1."""
    by_default = names.scales(names.parse("simalign", "rotate_translate_scale"))
    np.testing.assert_allclose(1 / np.array(by_default), np.arange(95, 106) / 100)
    assert 1.0 in by_default
    assert names.scales(names.parse("simalign", "rotate_translate_flip")) == (1.0,)


def test_without_refinement_poses_lie_on_the_grid():
    truth = poses()
    coarse = plan(local=False)
    found = found_by(coarse, truth)
    step = 360 / coarse.coarse_angles
    assert np.allclose(found["angle"] / step, np.rint(found["angle"] / step), atol=1e-3)
    assert all(np.hypot(*(coarse.shifts - [one["sx"], one["sy"]]).T).min() < 1e-5 for one in found)
    assert np.median(apart(found["angle"], truth["angle"])) < step


def test_finer_steps_and_lower_resolution():
    assert plan(angle_step=1.0).coarse_angles == 360
    assert len(plan(shift_step=1.0).shifts) > 4 * len(plan().shifts)
    assert plan(band=0.1).fine_rings == int(0.1 * BOX) and plan(band=0.1).coarse_rings < plan().coarse_rings
    truth = poses()
    for settings in ({"angle_step": 2.0}, {"shift_step": 1.0}, {"band": 0.15}, {"moves": 1}):
        found = found_by(plan(**settings), truth)
        assert np.median(apart(found["angle"], truth["angle"])) < 2.5
    near = found_by(plan(reach=1.0), poses(sx=np.zeros(24), sy=np.zeros(24)))
    assert np.hypot(near["sx"], near["sy"]).max() <= 2.5
