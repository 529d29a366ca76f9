import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_search import apart

from refine2d import averagers, averaging, fullsize
from refine2d.averagers import Averager
from refine2d.averaging import Recipe
from refine2d.centering import centre, shifted
from refine2d.comparators import Comparator
from refine2d.ctf import CtfTable, ctf
from refine2d.fourier import ft, ift, nrings, radius, ring_index, ring_mean, soft_mask
from refine2d.frc import resolution
from refine2d.matching import Matching
from refine2d.search.align import References, align
from refine2d.search.plan import Plan
from refine2d.transforms import alignment, inverse, undo

BOX, NOISE, APIX = 48, 8.0, 4.0
PLAN = Plan(BOX, 0.4 * BOX, 6)


class Store:
    """Particles in memory with the parts of a ParticleStore that averaging needs."""

    box = BOX

    def __init__(self, images, transfer, noise=NOISE):
        band = (ring_index(BOX) < BOX // 2) & (ring_index(BOX) > 0)
        self.y = (ft(images) * transfer * band / noise).astype(np.complex64)
        self.c2 = ring_mean(transfer**2 * band / noise, BOX).astype(np.float32)

    def matched(self, rows):
        return self.y[rows], self.c2[rows]


def picture(seed=0, box=BOX):
    """A bright asymmetric particle, centred, of smooth blobs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:box, :box] - box // 2
    image = np.zeros((box, box))
    for px, py, size in zip(
        *rng.normal(0, 0.12 * box, (2, 12)), rng.uniform(0.025, 0.045, 12) * box, strict=True
    ):
        image += rng.uniform(0.5, 1.5) * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * size**2))
    image = shifted(image.astype(np.float32), centre(image, 0.4 * box))
    return (image * soft_mask(box, 0.36 * box, 3) * 2).astype(np.float32)


def table(count, seed=1):
    rng = np.random.default_rng(seed)
    defocus = rng.uniform(12000, 25000, count)
    return CtfTable(defocus + 300, defocus - 300, rng.uniform(0, 180, count), 0, 300, 2.7, 0.1)


def particles(image, count, seed=2, noise=NOISE, reach=3.0, scale=1.0):
    """Particles with planted poses and CTFs, the poses, and the CTFs."""
    rng = np.random.default_rng(seed)
    poses = alignment(
        rng.uniform(0, 360, count),
        rng.random(count) < 0.5,
        rng.uniform(-reach, reach, count),
        rng.uniform(-reach, reach, count),
        scale=scale,
    )
    box = image.shape[-1]
    transfer = ctf(table(count, seed), box, APIX * BOX / box)
    clean = ift(ft(undo(np.repeat(image[None], count, axis=0), inverse(poses))) * transfer, box)
    return clean + np.sqrt(noise) * rng.standard_normal(clean.shape).astype(np.float32), poses, transfer


def likeness(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


def posed(average, image):
    """The average in the pose of the image."""
    flat = np.zeros((1, nrings(BOX)), np.float32)
    return undo(average[None], align(References(PLAN, image[None]), ft(average[None]), flat)[0, :1])[0]


@pytest.mark.parametrize("spread", [0, 0.15])
def test_average_with_known_poses_is_the_picture_on_its_own_grey_scale(spread):
    image = picture()
    images, poses, transfer = particles(image, 400, scale=np.linspace(1 - spread, 1 + spread, 400))
    found = averaging.class_average(Store(images, transfer), np.arange(400), poses, PLAN, 0, 1.0, False, 0.0)
    assert likeness(found.image, image) > 0.97
    inside = radius(BOX) < 0.3 * BOX
    slope = np.polyfit(image[inside], found.image[inside], 1)[0]
    assert slope == pytest.approx(1, abs=0.1)
    assert (found.alignments == poses).all() and found.kept.all()


def test_sums_are_those_of_undone_images():
    images, poses, transfer = particles(picture(), 7)
    store = Store(images, transfer)
    kept = np.arange(7) != 4
    total, weight = averaging.accumulate(averaging.Members(store, np.arange(7)), poses, kept)
    y, c2 = store.matched(np.arange(7))
    for half in (0, 1):
        mine = [i for i in range(half, 7, 2) if kept[i]]
        each = [undo(ift(y[i : i + 1], BOX), poses[i : i + 1])[0].astype(float) for i in mine]
        assert np.allclose(total[half], sum(each), atol=1e-5)
        assert np.allclose(weight[half], c2[mine].sum(0), rtol=1e-5)


def test_a_class_too_large_to_hold_averages_to_the_same(monkeypatch):
    images, poses, transfer = particles(picture(), 40)
    rules = np.arange(40), poses, PLAN, 1, 0.8, False, 0.0
    held = averaging.class_average(Store(images, transfer), *rules)
    monkeypatch.setattr(averaging, "HELD", 10)
    read = averaging.class_average(Store(images, transfer), *rules)
    assert held.image.tobytes() == read.image.tobytes()
    assert held.alignments.tobytes() == read.alignments.tobytes()


def test_wiener_passes_signal_and_stops_noise():
    rng = np.random.default_rng(0)
    count = 50
    noise = np.sqrt(count / NOISE) * rng.standard_normal((BOX, BOX))
    weight = np.full(nrings(BOX), count / NOISE)
    silent = averagers.wiener(noise[None], weight[None], 0.0)
    plain = noise * NOISE / count
    assert np.abs(silent).std() < 0.4 * plain.std()
    image = 5 * picture()
    loud = averagers.wiener((image * count / NOISE + noise)[None], weight[None], 0.0)
    assert likeness(loud, image) > 0.99


def test_rounds_mend_wrong_alignments():
    image = picture()
    images, poses, transfer = particles(image, 300, noise=3.0)
    rng = np.random.default_rng(9)
    wrong = poses.copy()
    wrong["angle"] = np.mod(wrong["angle"] + rng.normal(0, 30, 300), 360)
    wrong["sx"] += rng.normal(0, 1.5, 300)
    store, rows = Store(images, transfer, 3.0), np.arange(300)
    before = averaging.class_average(store, rows, wrong, PLAN, 0, 1.0, False, 0.0)
    after = averaging.class_average(store, rows, wrong, PLAN, 3, 1.0, False, 0.0)
    assert likeness(posed(after.image, image), image) > max(0.97, likeness(before.image, image) + 0.03)
    off = apart(after.alignments["angle"], poses["angle"])[after.alignments["mirror"] == poses["mirror"]]
    assert np.median(np.abs(off - np.median(off))) < 3


def test_a_class_of_particles_of_several_sizes_is_sharper_where_scales_are_searched():
    image, count = picture(), 200
    planted = np.random.default_rng(4).choice([0.85, 1.0, 1.15], count)
    images, poses, transfer = particles(image, count, noise=2.0, scale=planted)
    sized = Matching(
        PLAN, *[Comparator("ml", BOX, 1, PLAN.fine_rings, PLAN.mask_radius)] * 3, (0.85, 1.0, 1.15)
    )
    start = poses.copy()
    start["scale"] = 1
    rules = Store(images, transfer, 2.0), np.arange(count), start, PLAN, 3, 1.0, False, 0.0
    same, found = (averaging.class_average(*rules, Recipe(matching=m)) for m in (None, sized))
    assert (found.alignments["scale"] == planted.astype(np.float32)).mean() > 0.9
    assert (same.alignments["scale"] == 1).all()
    assert likeness(posed(found.image, image), image) > likeness(posed(same.image, image), image)
    assert found.quality.mean() > same.quality.mean()


def test_the_quality_of_noise_in_one_pose_has_mean_zero_and_deviation_one():
    image, count = picture(), 1000
    noise = np.sqrt(NOISE) * np.random.default_rng(5).standard_normal((count, BOX, BOX)).astype(np.float32)
    store, rows = Store(noise, ctf(table(count), BOX, APIX)), np.arange(count)
    likelihood = Comparator("ml", BOX, 1, BOX // 2 - 1, 0.4 * BOX)
    gain = likelihood.scores(store, rows, alignment(np.zeros(count)), np.repeat(image[None], count, axis=0))
    quality = averaging.normalised(gain, References(PLAN, image[None]).penalty(store.c2)[:, 0])
    assert abs(quality.mean()) < 4 / np.sqrt(count)
    assert abs(quality.std() - 1) < 4 / np.sqrt(2 * count)


def test_worst_members_are_left_out():
    image = picture()
    images, poses, transfer = particles(image, 200, noise=3.0)
    junk = np.arange(200) % 5 == 0
    rng = np.random.default_rng(4)
    images[junk] = np.sqrt(3.0) * rng.standard_normal((junk.sum(), BOX, BOX))
    found = averaging.class_average(
        Store(images, transfer, 3.0), np.arange(200), poses, PLAN, 2, 0.8, False, 0.0
    )
    assert found.kept.sum() == 160
    assert junk[~found.kept].mean() > 0.85
    assert found.quality[~junk].mean() > found.quality[junk].mean() + 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=60), st.floats(0.05, 1), st.floats(0, 4))
def test_what_is_kept(values, keep, sigma):
    quality = np.array(values, np.float32)
    share = averaging.choose(quality, keep, False)
    assert share.sum() == max(1, round(keep * len(quality)))
    assert quality[share].min() >= quality[~share].max(initial=-np.inf)
    spread = averaging.choose(quality, sigma, True)
    assert spread.any()
    assert (quality[spread] >= quality.mean() - sigma * quality.std() - 1e-3).all()


@pytest.mark.parametrize("sigma", [np.inf, 1.0])
def test_quality_is_the_correlation_whatever_is_expected_of_shifts(sigma):
    image, plan = picture(), Plan(BOX, 0.4 * BOX, 6, shift_sigma=sigma)
    images, _, transfer = particles(image, 6)
    store, rows = Store(images, transfer), np.arange(6)
    found, quality = averaging.align_members(averaging.Members(store, rows), image, plan)
    for one, value, y, c2 in zip(found, quality, store.y, store.c2, strict=True):
        template = naive.shown(image, one["angle"], one["mirror"], one["sx"], one["sy"])
        gain = naive.log_likelihood_gain(template, y, c2, plan.fine_rings)
        power = -2 * naive.log_likelihood_gain(template, np.zeros_like(y), c2, plan.fine_rings)
        assert value == pytest.approx((gain + power / 2) / np.sqrt(power), rel=0.02)


def test_rounds_bring_the_particle_to_the_centre():
    image = shifted(picture(), np.array([-3.0, 2.0]))
    images, poses, transfer = particles(image, 300, noise=3.0)
    store, rows = Store(images, transfer, 3.0), np.arange(300)
    first = averaging.class_average(store, rows, poses, PLAN, 0, 1.0, False, 0.0)
    assert np.hypot(*centre(first.image, PLAN.mask_radius)) > 2
    moved = averaging.class_average(store, rows, poses, PLAN, 1, 1.0, False, 0.0)
    assert np.hypot(*centre(moved.image, PLAN.mask_radius)) < 0.5
    again = averaging.class_average(store, rows, moved.alignments, PLAN, 0, 1.0, False, 0.0)
    assert np.allclose(again.image, moved.image)


def test_half_frc_tells_signal_from_noise():
    image = picture()
    images, poses, transfer = particles(image, 400)
    good = averaging.class_average(Store(images, transfer), np.arange(400), poses, PLAN, 0, 1.0, False, 0.0)
    noise = np.sqrt(NOISE) * np.random.default_rng(0).standard_normal(images.shape).astype(np.float32)
    bad = averaging.class_average(Store(noise, transfer), np.arange(400), poses, PLAN, 0, 1.0, False, 0.0)
    assert good.frc[2:6].min() > 0.8
    assert np.abs(bad.frc[4:]).mean() < 0.3
    assert resolution(good.frc, APIX) < 0.5 * resolution(bad.frc, APIX)


def test_resolution_is_where_a_planted_curve_crosses():
    rings = np.arange(33)
    curve = np.clip(1 - (rings - 10) / 20, -1, 1)
    crossing = 10 + 20 * (1 - 0.143)
    assert resolution(curve, 2.0) == pytest.approx(64 * 2.0 / crossing)
    assert resolution(np.ones(33), 2.0) == 4.0


@pytest.mark.parametrize(("box", "invert", "spread"), [(72, False, 0), (75, True, 0), (75, False, 0.15)])
def test_full_size_average_from_original_pixels(box, invert, spread):
    image = picture(5, box)
    count = 250
    images, poses, _ = particles(image, count, noise=4.0, scale=np.linspace(1 - spread, 1 + spread, count))
    images = 10 + 3 * (-images if invert else images)
    working = BOX * APIX / BOX  # the store's pixel is APIX at BOX; the input's is finer over the same field

    class Input:
        pass

    source = Input()
    source.box = box
    source.images = lambda numbers: images[numbers].astype(np.float32)

    class Full:
        number, input_apix, apix, gain = np.arange(count), APIX * BOX / box, working, np.ones(count)

        def transfer(self, rows, size):
            return ctf(table(count, 2)[rows], size, APIX * BOX / size)

        def premultiplied(self, rows):
            return np.zeros(len(rows), bool)

    scaled = poses.copy()
    scaled["sx"] *= BOX / box
    scaled["sy"] *= BOX / box
    average = fullsize.full_average(source, Full(), np.arange(count), scaled, 0.4 * box, invert)
    assert average.shape == (box, box)
    assert likeness(average, image) > 0.95


@pytest.mark.parametrize("gain", [1, 0.5])
def test_full_size_average_of_weighted_images(gain):
    image, count = picture(5, 72), 20
    images, poses, _ = particles(image, count, noise=1.0)
    source = type("Input", (), {"box": 72, "images": lambda self, numbers: images[numbers]})()
    store = type(
        "Store",
        (),
        {
            "number": np.arange(count),
            "input_apix": 1.0,
            "apix": 1.0,
            "gain": np.full(count, gain, np.float32),
            "transfer": lambda self, rows, size: np.ones((len(rows), size, size // 2 + 1), np.float32),
            "premultiplied": lambda self, rows: np.zeros(len(rows), bool),
        },
    )()
    rules = 0.4 * 72, False, Averager("mean")
    some, rows = np.arange(count) < 5, np.arange(count)
    weighted = fullsize.full_average(source, store, rows, poses, *rules, factors=np.float32(4 * some))
    store.gain = np.ones(count, np.float32)
    alone = gain * fullsize.full_average(source, store, rows[some], poses[some], *rules)
    np.testing.assert_allclose(weighted, alone, atol=1e-4 * np.abs(alone).max())


def test_full_size_average_of_nobody_is_empty():
    source = type("Input", (), {"box": 33})()
    average = fullsize.full_average(source, None, np.array([], int), np.empty(0, poses_dtype()), 12)
    assert average.shape == (33, 33) and not average.any()


def poses_dtype():
    return alignment().dtype
