"""Averagers, normalizers and centring by name: against slow twins, and on planted particles."""

import naive
import numpy as np
import pytest
from test_averaging import APIX, BOX, NOISE, PLAN, likeness, particles, picture, posed
from test_comparators import Phased
from test_particles import FakeSource, build

from refine2d import averaging, centering, names, normalizers
from refine2d.averagers import averager
from refine2d.averaging import Recipe, class_average
from refine2d.centering import shifted
from refine2d.fourier import ft, radius, ring_sum, soft_mask
from refine2d.fullsize import full_average
from refine2d.normalize import outside
from refine2d.transforms import alignment

CORRECTED = ("wiener", "ctf.auto", "ctfw.auto")


class Full(Phased):
    """A store with all that averagers ask for."""

    def __init__(self, images, transfer, noise=NOISE):
        super().__init__(images, transfer, noise)
        self._images, self._transfer = images, transfer
        self.noise = np.full((1, BOX // 2 + 1), noise, np.float32)
        self.group = np.zeros(len(images), np.int32)

    def images(self, rows):
        return self._images[rows]

    def transfer(self, rows):
        return self._transfer[rows]

    def premultiplied(self, rows):
        return np.zeros(len(rows), bool)


def made_by(text):
    return Recipe(averager(names.parse("classaverager", text)))


def average(text, store, poses, rounds=0):
    rows = np.arange(len(poses))
    return class_average(store, rows, poses, PLAN, rounds, 1.0, False, 0.0, made_by(text)).image


def unmoved(count=12, noise=1.0):
    """Particles that need no alignment, so that a twin needs no interpolation: images, CTFs, poses."""
    images, _, transfer = particles(picture(), count, noise=noise, reach=0.0)
    rng = np.random.default_rng(5)
    clean = np.fft.irfft2(np.fft.rfft2(np.fft.ifftshift(picture())) * transfer, s=(BOX, BOX))
    images = np.fft.fftshift(clean, axes=(1, 2)) + np.sqrt(noise) * rng.standard_normal(clean.shape)
    return images.astype(np.float32), transfer, alignment(np.zeros(count))


def flipped(images, transfer):
    """Images with their phases flipped back, without mean and beyond the band."""
    spectrum = np.fft.rfft2(np.fft.ifftshift(images, axes=(1, 2))) * np.sign(transfer)
    return np.fft.fftshift(np.fft.irfft2(spectrum, s=(BOX, BOX)), axes=(1, 2))


def in_band(image):
    return naive.band_passed(image, 1, BOX // 2 - 1)


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("mean", lambda stack: in_band(stack.mean(0))),
        ("median", lambda stack: np.median(stack, axis=0)),
        ("sigma", lambda stack: stack.std(axis=0)),
        ("minmax", lambda stack: stack.min(axis=0)),
        ("minmax:max=1", lambda stack: stack.max(axis=0)),
    ],
)
def test_pixel_by_pixel(text, twin):
    images, transfer, poses = unmoved()
    expected = averaging.masked(twin(flipped(images, transfer)).astype(np.float32), PLAN.mask_radius)
    assert np.allclose(average(text, Full(images, transfer), poses), expected, atol=2e-3)


def whole(transfer):
    """A half plane's CTFs on the whole plane; they are the same at k and -k."""
    ky, kx = np.meshgrid(np.arange(BOX), np.arange(BOX), indexing="ij")
    right = kx <= BOX // 2
    return transfer[:, np.where(right, ky, -ky % BOX), np.where(right, kx, -kx % BOX)]


def test_ctf_weight_is_the_sum_weighted_by_each_ctf():
    images, transfer, poses = unmoved()
    spectra = np.stack([naive.full_plane(image)[0] for image in images])
    _, ring = naive.full_plane(images[0])
    everywhere = whole(transfer)
    powers = np.zeros(ring.shape)
    for r in range(1, BOX // 2):
        powers[ring == r] = np.mean(everywhere[:, ring == r] ** 2, axis=1).sum()
    made = naive.ctf_weighted(spectra, everywhere, np.where(powers > 0, powers, np.inf))
    made[ring == 0] = 0
    expected = np.fft.fftshift(np.fft.ifft2(made).real) * BOX
    expected = averaging.masked(expected.astype(np.float32), PLAN.mask_radius)
    got = average("ctf.weight", Full(images, transfer), poses)
    assert likeness(got, expected) > 0.999
    assert np.polyfit(expected.ravel(), got.ravel(), 1)[0] == pytest.approx(1, abs=0.02)


def test_weighted_fourier_is_ctf_weight_where_the_ctf_is_round():
    images, _, poses = unmoved()
    k = np.hypot(np.fft.fftfreq(BOX)[:, None] * BOX, np.arange(BOX // 2 + 1)[None])
    transfer = np.sin(0.01 * np.rint(k) ** 2 * np.linspace(0.7, 1.3, 12)[:, None, None] + 0.3).astype(
        np.float32
    )
    store = Full(images, transfer)
    assert np.allclose(
        average("weightedfourier", store, poses), average("ctf.weight", store, poses), atol=1e-4
    )


def test_ctf_auto_divides_by_the_squared_ctfs():
    """Without noise it is the picture, at every frequency that some CTF passes."""
    images, transfer, poses = unmoved(40, noise=1e-6)
    got = average("ctf.auto", Full(images, transfer, 1.0), poses)
    assert likeness(got, picture()) > 0.99
    assert np.polyfit(picture().ravel(), got.ravel(), 1)[0] == pytest.approx(1, abs=0.05)
    damped = average("mean", Full(images, transfer, 1.0), poses)
    assert np.polyfit(picture().ravel(), damped.ravel(), 1)[0] < 0.9


@pytest.mark.parametrize(
    ("filtered", "plain"), [("ctf.weight.autofilt", "ctf.weight"), ("ctfw.auto", "ctf.auto")]
)
def test_autofilt_is_the_filter_of_the_halves_correlation(filtered, plain):
    images, transfer, poses = unmoved(30, noise=20.0)
    store = Full(images, transfer, 20.0)
    by = averager(names.parse("classaverager", filtered))
    members = averaging.Members(store, np.arange(30), Recipe(by))
    total, weight = averaging.accumulate(members.summed, poses, np.ones(30, bool))
    one, two = (by.__class__(plain).finish(total[h : h + 1], weight[h : h + 1], 0.0) for h in range(2))
    curve = np.zeros(BOX // 2 + 1)
    curve[1 : BOX // 2] = np.maximum(naive.ring_correlations(one, two, range(1, BOX // 2)), 0)
    both = by.__class__(plain).finish(total, weight, 0.0)
    f, ring = naive.full_plane(both)
    gain = np.append(2 * curve / (1 + curve), np.zeros(BOX))[ring]
    expected = np.fft.fftshift(np.fft.ifft2(f * gain).real) * BOX
    assert np.allclose(by.finish(total, weight, 0.0), expected, atol=1e-3 * np.abs(expected).max())


def test_iterations_go_from_the_heaviest_rings_to_all():
    images, transfer, poses = unmoved(40, noise=1e-6)
    store = Full(images, transfer, 1.0)
    few, many = (average(f"iterative:rounds={n}", store, poses) for n in (1, 2000))
    assert likeness(many, average("ctf.auto", store, poses)) > 0.999
    assert likeness(few, picture()) < likeness(many, picture())


def test_localweight_leaves_out_what_agrees_with_nothing():
    images, transfer, poses = unmoved(20, noise=0.05)
    store = Full(images, np.ones_like(transfer))
    images = np.repeat(picture()[None], 20, axis=0) + 0.1 * np.random.default_rng(0).standard_normal(
        (20, BOX, BOX)
    )
    images[:4, 20:28, 20:28] -= 6.0
    store = Full(images.astype(np.float32), np.ones_like(transfer), 0.05)
    wrong = [
        np.abs(average(text, store, poses) - picture())[22:26, 22:26].mean()
        for text in ("mean", "localweight")
    ]
    assert wrong[1] < 0.7 * wrong[0]


@pytest.mark.parametrize("text", sorted(set(names.AVERAGERS) - {"sigma", "minmax"}))
def test_planted_particles_become_the_picture(text):
    image = picture()
    images, poses, transfer = particles(image, 400, noise=1.0)
    store = Full(images, transfer, 1.0)
    right = average(text, store, poses)
    assert likeness(right, image) > (
        0.95 if text in CORRECTED else 0.65
    )  # others keep what the CTF has made of it
    wrong = poses.copy()
    wrong["angle"] = np.mod(wrong["angle"] + np.random.default_rng(9).normal(0, 20, 400), 360)
    mended = average(text, store, wrong, rounds=3)  # localweight takes three
    assert likeness(posed(mended, right), right) > max(0.9, likeness(average(text, store, wrong), right))


@pytest.mark.parametrize("text", sorted(names.AVERAGERS))
def test_full_size_averages_by_the_same_name(text):
    """The box is the working box here, so both must be the same but for the noise spectrum."""
    image = picture()
    images, poses, transfer = particles(image, 80, noise=1.0)

    class Input:
        number, input_apix, apix, gain = np.arange(80), APIX, APIX, np.ones(80)

        def transfer(self, rows, size):
            return transfer[rows]

        def premultiplied(self, rows):
            return np.zeros(len(rows), bool)

    by = averager(names.parse("classaverager", text))
    full = full_average(FakeSource(images), Input(), np.arange(80), poses, 0.4 * BOX, averager=by)
    working = average(text, Full(images, transfer, 1.0), poses)
    assert full.shape == (BOX, BOX)
    assert likeness(full, working) > 0.9


# ---- Normalizers ----


def noisy(count=6, seed=0):
    rng = np.random.default_rng(seed)
    scale, level = rng.uniform(0.5, 3, (count, 1, 1)), rng.uniform(-2, 2, (count, 1, 1))
    return (scale * (picture() + rng.standard_normal((count, BOX, BOX))) + level).astype(np.float32)


def normal(text, images):
    return normalizers.normalized(images, names.parse("classnormproc", text), PLAN.mask_radius).astype(float)


def edge(images):
    return np.concatenate([images[:, 0], images[:, -1], images[:, 1:-1, 0], images[:, 1:-1, -1]], axis=1)


def disc(images, within):
    return images[:, radius(BOX) <= within]


def ring(images, at, width=2.0):
    return images[:, np.abs(radius(BOX) - at) <= width / 2]


@pytest.mark.parametrize(
    ("text", "level", "spread"),
    [
        ("normalize", lambda i: i.mean((1, 2)), lambda i: i.std((1, 2))),
        ("normalize.edgemean", lambda i: edge(i).mean(1), lambda i: i.std((1, 2))),
        ("normalize.lredge", lambda i: i[:, :, [0, -1]].mean((1, 2)), lambda i: i.std((1, 2))),
        ("normalize.circlemean", lambda i: ring(i, PLAN.mask_radius).mean(1), lambda i: i.std((1, 2))),
        ("normalize.circlemean:radius=9", lambda i: ring(i, 9).mean(1), lambda i: i.std((1, 2))),
        ("normalize.mask:radius=10", lambda i: disc(i, 10).mean(1), lambda i: disc(i, 10).std(1)),
        ("normalize.unitlen", None, lambda i: np.sqrt((i**2).sum((1, 2)))),
        ("normalize.unitsum", None, lambda i: i.sum((1, 2))),
        ("normalize.rows", lambda i: i.mean(2).ravel(), lambda i: i.std(2).ravel()),
        ("normalize.ramp.normvar", lambda i: i.mean((1, 2)), lambda i: i.std((1, 2))),
        ("normalize.maxmin", lambda i: (i.max((1, 2)) + i.min((1, 2))) / 2, lambda i: i.max((1, 2))),
    ],
)
def test_a_normalizer_sets_what_its_name_says(text, level, spread):
    out = normal(text, noisy())
    assert level is None or np.allclose(level(out), 0, atol=1e-4)
    assert np.allclose(spread(out), 1, atol=1e-4)


def test_mask_without_sigma_keeps_the_scale():
    images = noisy()
    out = normal("normalize.mask:no_sigma=1", images)
    assert np.allclose(out.std((1, 2)), images.std((1, 2)), rtol=1e-4)


def test_histpeak_puts_the_commonest_value_at_zero():
    images = np.full((2, BOX, BOX), 3.0, np.float32) + 0.01 * np.random.default_rng(0).standard_normal(
        (2, BOX, BOX)
    )
    images[:, :10, :10] = 40
    out = normal("normalize.histpeak", images.astype(np.float32))
    assert np.abs(np.median(out, axis=(1, 2))).max() < 0.05 < np.abs(out.mean((1, 2))).min() + 0.05


def test_ramp_is_taken_off():
    y, x = np.mgrid[:BOX, :BOX] / BOX
    images = noisy(3)
    assert np.allclose(
        normal("normalize.ramp.normvar", images + (3 * x - 5 * y)[None].astype(np.float32)),
        normal("normalize.ramp.normvar", images),
        atol=1e-3,
    )


def test_local_makes_contrast_even():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((2, BOX, BOX)) * np.where(np.arange(BOX) < BOX // 2, 1, 10)
    out = normal("normalize.local", images.astype(np.float32))
    assert out[:, :, :14].std() == pytest.approx(out[:, :, -14:].std(), rel=0.2)


@pytest.mark.parametrize("text", sorted(names.NORMALIZERS))
def test_scale_and_level_of_an_image_do_not_matter_and_flat_ones_do_no_harm(text):
    images = noisy(4)
    assert np.isfinite(normal(text, np.zeros((2, BOX, BOX), np.float32))).all()
    if text in ("none", "normalize.toimage", "normalize.unitsum", "normalize.unitlen"):
        return
    moved = normal(text, 5 * images - 2)
    assert np.allclose(moved, normal(text, images), atol=0.05)


def test_to_image_is_the_factor_of_the_best_fit():
    images, target = noisy(5), np.repeat(picture()[None], 5, axis=0)
    expected = [np.polyfit(x.ravel(), t.ravel(), 1)[0] for x, t in zip(images, target, strict=True)]
    assert normalizers.to_image(images, target) == pytest.approx(expected, rel=1e-4)


def test_all_together_keep_unit_noise(tmp_path):
    build(tmp_path, FakeSource(noisy(64, seed=2)))
    path = tmp_path / "particles.h5"
    for text in sorted(set(names.NORMALIZERS) - {"none"}):
        store = normalizers.NormalizedStore(path, names.parse("classnormproc", text), 0.4 * BOX)
        background = store.images(np.arange(64))[:, outside(BOX, 0.4 * BOX)]
        assert np.sqrt(background.var(axis=1).mean()) == pytest.approx(1, rel=0.02), text
    before = store.images(np.arange(64)).std((1, 2))
    fitting = normalizers.NormalizedStore(path, names.parse("classnormproc", "normalize.toimage"), 0.4 * BOX)
    fitting.fit(np.arange(64), alignment(np.zeros(64)), picture())
    after = fitting.images(np.arange(64)).std((1, 2))
    assert after.shape == before.shape and after.std() > 0


# ---- Centring, the automatic mask, the reference's power ----


def off(image, text, automask=False):
    return centering.offset(image, 0.4 * BOX, names.parse("center", text), automask)


@pytest.mark.parametrize("text", sorted(set(names.CENTRINGS) - {"nocenter"}))
@pytest.mark.parametrize("planted", [(0, 0), (3, -2), (-2.5, 1.5)])
def test_a_planted_shift_is_found(text, planted):
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    image = np.exp(-(x**2 / 60 + y**2 / 30)) * soft_mask(BOX, 15, 3)
    image = shifted(image.astype(np.float32), -np.array(planted))
    assert off(image, text) == pytest.approx(planted, abs=0.35)


def test_nocenter_finds_nothing_to_move():
    image = shifted(picture(), np.array([3.0, 0.0]))
    assert not off(image, "nocenter").any()
    at = Recipe(center=names.Named("nocenter")).offset(image, 0.4 * BOX)
    assert np.array_equal(averaging.centred(image, at, 0.4 * BOX), image)


def test_threshold_of_the_centre_of_mass():
    image = np.zeros((BOX, BOX), np.float32)
    image[BOX // 2, BOX // 2 + 4], image[BOX // 2, BOX // 2 - 4] = 3.0, 1.0
    assert off(image, "xform.centerofmass")[0] == pytest.approx(2.0)
    assert off(image, "xform.centerofmass:threshold=1")[0] == pytest.approx(4.0)


def test_automask_looks_at_the_particle_and_not_at_its_neighbour():
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    particle = np.exp(-(x**2 + y**2) / 40)
    image = (particle + 0.8 * np.exp(-((x - 15) ** 2 + (y - 4) ** 2) / 8)).astype(np.float32)
    for text in ("xform.centerofmass", "xform.phasecenterofmass"):
        assert np.hypot(*off(image, text)) > 0.8
        assert np.hypot(*off(image, text, automask=True)) < 0.4
    left = centering.automasked(image, 0.4 * BOX)
    assert np.abs(left - particle)[np.hypot(x, y) < 5].max() < 0.05
    assert left[BOX // 2 + 4, BOX // 2 + 15] < 0.2


def test_an_average_gets_the_power_of_its_reference():
    image, reference = picture(1), 3 * picture(2)
    made = averaging.with_power_of(image, reference)
    powers = [ring_sum(np.abs(ft(i)) ** 2, BOX) for i in (made, reference)]
    assert np.allclose(powers[0][:20], powers[1][:20], rtol=1e-2)
    assert naive.ring_correlations(made, image, range(2, 10)).min() > 0.999
    large = picture(1, 2 * BOX)
    full = averaging.with_power_of(large, reference)
    assert naive.ring_correlations(full, large, range(2, 10)).min() > 0.999
    assert (full**2).sum() == pytest.approx((large**2).sum(), rel=0.02)
    ratio = ring_sum(np.abs(ft(full)) ** 2, 2 * BOX)[1:10] / powers[1][1:10]
    assert ratio == pytest.approx(np.full(9, ratio.mean()), rel=0.02)
    images, poses, transfer = particles(image, 60, noise=1.0)
    found = class_average(
        Full(images, transfer, 1.0),
        np.arange(60),
        poses,
        PLAN,
        0,
        1.0,
        False,
        0.0,
        Recipe(reference=reference),
    )
    power = [ring_sum(np.abs(ft(i)) ** 2, BOX) for i in (found.image, reference)]
    assert np.allclose(power[0][1:12], power[1][1:12], rtol=1e-2)
