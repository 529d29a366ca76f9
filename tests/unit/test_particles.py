"""From raw images to the particle store and its matched filter."""

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refine2d import fourier, input_rows, normalize, optics, particles, prepare, working
from refine2d.ctf import CtfTable, ctf
from refine2d.errors import UserError
from refine2d.names import parse
from refine2d.normalizers import NormalizedStore

BOX, APIX, RADIUS = 48, 4.0, 18


@dataclass
class Optics:
    apix: float | None = APIX
    premultiplied: bool = False


@dataclass
class FakeSource:
    """Images in memory behind the face of an opened input."""

    pixels: np.ndarray
    ctf: CtfTable | None = None
    group: np.ndarray | None = None
    optics: list = field(default_factory=lambda: [Optics()])
    path: str = "fake.mrcs"

    def __post_init__(self):
        self.n, self.box, _ = self.pixels.shape
        if self.group is None:
            self.group = np.zeros(self.n, np.int32)

    def images(self, numbers):
        return self.pixels[numbers].astype(np.float32)


def table(n, seed=0):
    rng = np.random.default_rng(seed)
    u = rng.uniform(12000, 28000, n)
    return CtfTable(u, u - 500, rng.uniform(0, 180, n), 0, 300, 2.7, 0.1)


def noisy(n, box=BOX, seed=1, strength=0.0):
    y, x = np.mgrid[:box, :box] - box // 2
    blob = np.exp(-(x**2 + (y - 3) ** 2) / (2 * 5.0**2))
    return 30 + 2 * np.random.default_rng(seed).standard_normal((n, box, box)) + strength * blob


def build(folder, source, piece=64, exclude=(), subset=None, mode="auto", box=BOX, **options):
    number, excluded = input_rows.select(source.n, exclude, subset)
    parameters, mode = optics.fill_ctf(source, mode)
    pieces = []
    for start in range(0, len(number), piece):
        pieces.append(folder / f"particles/{start // piece:02d}.h5")
        rows = slice(start, start + piece)
        prepare.write_piece(pieces[-1], source, number[rows], excluded[rows], box, RADIUS, **options)
    apix = optics.fill_apix(source, None)
    return prepare.merge(pieces, folder / "particles.h5", source, number, apix, parameters, mode)


# ---- choosing ----


@pytest.mark.parametrize(
    ("box", "apix", "shrink", "expected"),
    [
        (64, 4.9, "auto", 64),  # 4.9 A per pixel is coarse enough
        (256, 1.0, "auto", 64),
        (400, 1.5, "auto", 128),  # 150 would give 4 A
        (100, 1.0, "auto", 48),
        (41, 1.0, "auto", 40),  # smaller than the least box: as it is, but even
        (65, 4.9, "auto", 64),
        (256, 1.0, 2, 128),
        (255, 1.0, 1, 254),
    ],
)
def test_working_box(box, apix, shrink, expected):
    assert working.working_box(box, apix, shrink) == expected


@given(st.integers(16, 800), st.floats(0.3, 12))
def test_working_box_is_even_and_never_larger(box, apix):
    small = working.working_box(box, apix)
    assert small % 2 == 0
    assert min(box - 1, 46) <= small <= min(box, 128)


@pytest.mark.parametrize("shrink", [0.5, 0, 10])
def test_working_box_refuses_what_makes_no_sense(shrink):
    with pytest.raises(UserError, match="shrink"):
        working.working_box(100, 1.0, shrink)


def test_select_keeps_every_image_as_a_row():
    number, excluded = input_rows.select(6, [1, 4])
    assert number.tolist() == [0, 1, 2, 3, 4, 5]
    assert np.flatnonzero(excluded).tolist() == [1, 4]


@given(st.integers(2, 300), st.integers(1, 400), st.sets(st.integers(0, 299)))
def test_a_subset_is_spread_over_what_is_not_excluded(n, subset, exclude):
    exclude = {e for e in exclude if e < n}
    if len(exclude) == n:
        exclude.pop()
    number, excluded = input_rows.select(n, list(exclude), subset)
    left = np.setdiff1d(np.arange(n), list(exclude))
    assert len(number) == min(subset, len(left))
    assert not excluded.any()
    places = np.searchsorted(left, number)
    assert np.array_equal(left[places], number)
    gaps = np.diff(places)
    assert len(gaps) == 0 or gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize(
    ("n", "ncls", "count"),
    [(1500, 20, 1500), (9000, 4, 2000), (24000, 200, 3000), (10**6, 200, 10000), (5000, 1100, 4400)],
)
def test_starting_classes_are_made_of_enough_particles(n, ncls, count):
    assert input_rows.starting(n, ncls) == count


def test_what_a_subset_leaves_is_known():
    number, _ = input_rows.select(9, [2, 3], 3)
    rest = input_rows.not_taken(9, number, [2, 3])
    assert sorted([*number, *rest, 2, 3]) == list(range(9)) and len(number) == 3
    everything, _ = input_rows.select(9, [2, 3])
    assert not len(input_rows.not_taken(9, everything))


def test_select_refuses_wrong_numbers():
    with pytest.raises(UserError, match="image 6, but the input has images 0 to 5"):
        input_rows.select(6, [6])
    with pytest.raises(UserError, match="leaves no image"):
        input_rows.select(2, [0, 1])


def test_numbers_are_read_from_text(tmp_path):
    path = tmp_path / "bad.txt"
    path.write_text("# junk\n3, 5\n8 9 # ice\n\n")
    assert input_rows.read_numbers(path).tolist() == [3, 5, 8, 9]
    for word in ("-4", "²", "٣", "9" * 20):
        path.write_text(f"3\n{word}\n", encoding="utf-8")
        with pytest.raises(UserError, match=f"bad.txt holds '{word}', expected image numbers from 0"):
            input_rows.read_numbers(path)
    with pytest.raises(UserError, match="cannot read"):
        input_rows.read_numbers(tmp_path / "none.txt")


# ---- filling what a file lacks ----


def test_pixel_size_is_filled_but_never_overruled(caplog):
    source = FakeSource(noisy(2), group=np.array([0, 1]), optics=[Optics(None), Optics(4.0)])
    assert optics.fill_apix(source, 4.02).tolist() == [4.02, 4.0]
    assert "apix: 4.02 is not used where" in caplog.text
    with pytest.raises(UserError, match="does not say the pixel size of all its images: give apix"):
        optics.fill_apix(source, None)
    with pytest.raises(UserError, match=r"pixel sizes from 4 to 5 A"):
        optics.fill_apix(source, 5)


def test_ctf_parameters_are_filled():
    incomplete = CtfTable([15000, 16000], np.nan, np.nan, np.nan, [300, np.nan], np.nan, np.nan)
    source = FakeSource(noisy(2), incomplete)
    filled, mode = optics.fill_ctf(source, "flipped", voltage=200, cs=1.4, ac=0.07)
    assert mode == "flipped"
    assert filled.voltage.tolist() == [300, 200]
    assert filled.defocus_v.tolist() == [15000, 16000]
    assert filled.angle.tolist() == filled.phase.tolist() == [0, 0]
    assert (filled.cs[0], filled.ac[0]) == (1.4, 0.07)
    assert np.isnan(incomplete.cs).all()


def test_no_ctf_is_said_and_taken_as_one(caplog):
    with caplog.at_level(logging.WARNING):
        assert optics.fill_ctf(FakeSource(noisy(2)), "auto") == (None, "none")
    assert "no defocus" in caplog.text
    assert optics.fill_ctf(FakeSource(noisy(2), table(2)), "none") == (None, "none")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"defocus_u": [np.nan, 15000]}, "image 0 and 0 more have no defocus"),
        ({"voltage": np.nan}, r"no voltage: set voltage \(kV\)"),
        ({"cs": np.nan}, r"no cs: set cs \(mm\)"),
        ({"ac": np.nan}, "no ac: set ac"),
        ({"voltage": [300, 300000]}, "voltage of image 1 is 300000"),
        ({"ac": 10.0}, "ac of image 0 is 10"),
        ({"defocus_u": [1.5, 1.6]}, "defocus of image 0 is 1.5, expected Angstrom"),
    ],
)
def test_implausible_ctf_parameters_are_refused(change, sentence):
    values = {
        "defocus_u": 15000,
        "defocus_v": 15000,
        "angle": 0,
        "phase": 0,
        "voltage": 300,
        "cs": 2.7,
        "ac": 0.1,
    }
    source = FakeSource(noisy(2), CtfTable(**{**values, **{k: np.resize(v, 2) for k, v in change.items()}}))
    with pytest.raises(UserError, match=sentence):
        optics.fill_ctf(source, "auto")


# ---- preparing ----


@pytest.mark.parametrize(("raw", "box"), [(48, 48), (64, 48), (65, 48), (49, 48)])
def test_prepared_background_has_no_ramp_and_unit_deviation(raw, box):
    y, x = np.mgrid[:raw, :raw] - raw // 2
    images, bad, contrast = prepare.prepare(noisy(8, raw, strength=5) + 0.3 * x - 0.1 * y, box, RADIUS)
    assert images.shape == (8, box, box)
    assert images.dtype == np.float32
    assert not bad.any()
    background = fourier.radius(box) > RADIUS
    assert np.allclose(images[:, background].mean(axis=1), 0, atol=1e-4)
    assert np.allclose(images[:, background].std(axis=1), 1, atol=1e-3)
    gx = (np.mgrid[:box, :box][1] - box // 2)[background]
    assert np.allclose(images[:, background] @ gx, 0, atol=0.5)
    assert np.all(contrast > 0)


@pytest.mark.parametrize("raw", [96, 97])
def test_prepared_particles_keep_their_place(raw):
    scale = raw / BOX
    y, x = np.mgrid[:raw, :raw] - raw // 2
    blob = np.exp(-((x - 6 * scale) ** 2 + (y + 4 * scale) ** 2) / (2 * (3 * scale) ** 2))
    images, _, _ = prepare.prepare(noisy(1, raw) + 100 * blob, BOX, RADIUS)
    assert np.unravel_index(images[0].argmax(), (BOX, BOX)) == (BOX // 2 - 4, BOX // 2 + 6)


def test_invert_changes_the_sign():
    raw = noisy(3, strength=10)
    dark = prepare.prepare(60 - raw, BOX, RADIUS, invert=True)
    assert np.allclose(dark[0], prepare.prepare(raw, BOX, RADIUS)[0], atol=1e-4)


def test_useless_images_are_named_and_left_zero():
    raw = noisy(5)
    raw[1], raw[2, 4, 4], raw[3][fourier.radius(BOX) > RADIUS - 3] = 7, np.nan, 0
    images, bad, _ = prepare.prepare(raw, BOX, RADIUS)
    assert bad.tolist() == [0, normalize.CONSTANT, normalize.NOT_FINITE, normalize.NO_BACKGROUND, 0]
    assert not images[1:4].any()
    assert np.isfinite(images).all()


def test_images_that_are_masked_already_are_found_also_where_they_shrink():
    raw, mask = noisy(3, 96, strength=20) - 30, fourier.soft_mask(96, 32, 3)
    raw[1:] *= mask
    images, bad, _ = prepare.prepare(raw, BOX, RADIUS)
    assert bad.tolist() == [0, normalize.NO_BACKGROUND, normalize.NO_BACKGROUND]
    assert images[0].any() and not images[1:].any()


def test_why_images_are_left_out_is_said():
    bad = np.array([0, normalize.EXCLUDED, normalize.CONSTANT, 0, normalize.EXCLUDED])
    said = prepare.report(np.arange(5), bad)
    assert said == ["2 excluded by the user: 1, 4", "1 with the same value everywhere: 2"]


# ---- the store ----


def test_store_gives_prepared_images_in_any_order(tmp_path):
    source = FakeSource(noisy(150), table(150))
    store = build(tmp_path, source)
    rows = np.random.default_rng(2).permutation(150)[:70]
    expected = prepare.prepare(source.pixels[rows], BOX, RADIUS)[0]
    assert np.allclose(store.images(rows), expected, atol=1e-5)
    assert np.array_equal(store.number, np.arange(150))
    assert (store.n, store.box, store.apix, store.input_box, store.ctf_mode) == (150, BOX, APIX, BOX, "auto")
    assert np.array_equal(store.ctf.defocus_u, source.ctf.defocus_u)
    assert store.noise.shape == (1, fourier.nrings(BOX))


def test_store_maps_no_piece_into_memory(tmp_path):
    store = build(tmp_path, FakeSource(noisy(150)))
    assert store.images(np.arange(150)).any() and store.images(np.arange(0)).shape == (0, BOX, BOX)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_more_pieces_than_are_held_open(tmp_path, monkeypatch):
    monkeypatch.setattr(particles, "OPEN", 1)
    store = build(tmp_path, FakeSource(noisy(200)))
    rows = np.array([199, 3, 70, 71, 4, 130])
    assert (store.images(rows) == store.images(np.arange(200))[rows]).all()


def test_store_can_be_moved_and_read_by_others(tmp_path, monkeypatch):
    images = build(tmp_path / "run", FakeSource(noisy(100))).images(np.arange(100))
    shutil.move(tmp_path / "run", tmp_path / "moved")
    monkeypatch.chdir("/")
    moved = particles.ParticleStore(tmp_path / "moved/particles.h5")
    assert np.array_equal(moved.images(np.arange(100)), images)
    with h5py.File(tmp_path / "moved/particles.h5") as file:
        assert np.array_equal(file["images"][:], images)


def test_an_image_far_stronger_than_others_is_weakened_as_it_is_read(tmp_path):
    source = FakeSource(noisy(80), table(80))
    source.pixels[41, 20:26, 20:26] += 100
    store = build(tmp_path, source)
    assert np.flatnonzero(store.gain < 1).tolist() == [41]
    before = prepare.prepare(source.pixels, BOX, RADIUS)[0]
    assert np.allclose(store.images([40, 41]), before[[40, 41]] * [[[1]], [[store.gain[41]]]], atol=1e-5)
    edgemean = NormalizedStore(
        tmp_path / "particles.h5", parse("classnormproc", "normalize.edgemean"), RADIUS
    )
    for each in (store, edgemean):
        power = (each.images(np.arange(80)) ** 2).sum((1, 2))
        assert power[41] < 3 * np.median(power) < (before[41] ** 2).sum() / 3


def test_excluded_and_bad_rows_stay_but_count_for_nothing(tmp_path):
    source = FakeSource(noisy(80), table(80))
    source.pixels[70] = 1
    source.pixels[3, 0, 0] = np.inf
    store = build(tmp_path, source, exclude=[5, 79])
    unused = [3, 5, 70, 79]
    assert np.flatnonzero(~store.used).tolist() == unused
    y, c2 = store.matched(unused)
    assert not store.images(unused).any()
    assert not y.any()
    assert not c2.any()
    phrases = prepare.report(store.number, store.bad)
    assert [phrase.split(": ")[1] for phrase in phrases] == ["5, 79", "70", "3"]
    assert np.allclose(store.noise[0, 4:], 1, atol=0.3)


def test_subset_rows_point_to_their_images(tmp_path):
    source = FakeSource(noisy(90), table(90))
    store = build(tmp_path, source, exclude=[0, 1], subset=30)
    assert store.n == 30
    assert store.used.all()
    assert not set(store.number) & {0, 1}
    assert np.array_equal(store.ctf.defocus_u, source.ctf.defocus_u[store.number])
    assert np.allclose(store.images([7]), prepare.prepare(source.images(store.number[[7]]), BOX, RADIUS)[0])


def test_nothing_usable_is_an_error_that_says_why(tmp_path):
    with pytest.raises(UserError, match="no image can be used: 3 with the same value everywhere: 0, 1, 2"):
        build(tmp_path, FakeSource(np.ones((3, BOX, BOX))))


def test_the_cut_into_pieces_changes_no_bit(tmp_path):
    groups = np.arange(200) % 2
    source = FakeSource(noisy(200), table(200), groups, [Optics(), Optics()])
    one, many = build(tmp_path / "one", source, 256), build(tmp_path / "many", source, 64)
    assert np.array_equal(one.noise, many.noise)
    assert np.array_equal(one.images(np.arange(200)), many.images(np.arange(200)))
    for a, b in zip(one.matched([3, 150]), many.matched([3, 150]), strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("mode", ["auto", "flipped", "none", "intact-first-peak"])
def test_matched_filter_follows_its_definition(tmp_path, mode):
    groups = np.arange(130) % 2
    pixels = noisy(130) - 30
    pixels[groups == 1] = fourier.ift(fourier.ft(pixels[groups == 1]) * (fourier.ring_index(BOX) + 4), BOX)
    source = FakeSource(pixels, table(130), groups, [Optics(), Optics()])
    store = build(tmp_path, source, mode=mode)
    assert store.noise[1, -2] > 4 * store.noise[1, 4]
    rows = np.array([100, 7])
    y, c2 = store.matched(rows)
    c = ctf(source.ctf[rows], BOX, APIX, mode)
    assert (y.dtype, c2.dtype) == (np.complex64, np.float32)
    for i, row in enumerate(rows):
        s2 = store.noise[groups[row]]
        inside = (fourier.ring_index(BOX) > 0) & (fourier.ring_index(BOX) < BOX // 2)
        x = fourier.ft(store.images([row]))[0]
        expected = np.where(inside, c[i] * x / fourier.spread_rings(s2, BOX, outside=1), 0)
        assert np.allclose(y[i], expected, rtol=1e-4, atol=1e-5)
        ring = fourier.ring_mean(c[i] ** 2, BOX) / s2
        assert np.allclose(c2[i, 1:-1], ring[1:-1], rtol=1e-4)
        assert c2[i, 0] == c2[i, -1] == 0


def test_images_multiplied_by_their_ctf_give_the_same_matched_filter(tmp_path):
    source = FakeSource(noisy(400, strength=3) - 30, table(400))
    source.ctf.defocus_v = source.ctf.defocus_u - 500
    multiplied = fourier.ift(fourier.ft(source.pixels) * ctf(source.ctf, BOX, APIX), BOX)
    plain = build(tmp_path / "plain", source)
    other = FakeSource(multiplied, source.ctf, optics=[Optics(premultiplied=True)])
    store = build(tmp_path / "multiplied", other)
    rows = np.arange(64)
    y0, c0 = plain.matched(rows)
    y1, c1 = store.matched(rows)
    for i in rows:
        likeness = np.vdot(y0[i], y1[i]).real / np.linalg.norm(y0[i]) / np.linalg.norm(y1[i])
        assert likeness > 0.98
    ratio = (c1 / np.where(c0 > 0, c0, 1))[:, 6:-2].mean(axis=0)
    assert np.ptp(ratio) < 0.3 * ratio.mean()


def test_corrected_images_have_their_phases_flipped_back(tmp_path):
    source = FakeSource(noisy(10), table(10))
    store = build(tmp_path, source)
    sign = np.sign(ctf(source.ctf, BOX, APIX))
    spectra = fourier.ft(store.images(np.arange(10))) * sign
    assert np.allclose(store.corrected(np.arange(10)), fourier.ift(spectra, BOX), atol=1e-4)


@pytest.mark.parametrize("strength", [3, -3])
def test_contrast_score_tells_bright_from_dark(tmp_path, strength):
    store = build(tmp_path, FakeSource(noisy(100, strength=strength)))
    assert np.sign(strength) * prepare.contrast_score(store.contrast, store.used) > 5


@pytest.mark.parametrize(("strength", "invert", "remedy"), [(-3, False, "true"), (3, True, "false")])
def test_dark_particles_are_told_what_to_set_invert_to(tmp_path, strength, invert, remedy):
    for sign in (1, -1):
        store = build(tmp_path / f"{sign}", FakeSource(noisy(100, strength=sign * strength)), invert=invert)
        said = prepare.doubt(store.contrast, store.used, invert)
        assert (said or "").endswith(f"set invert to {remedy}." if sign > 0 else "")
        assert bool(said) == (sign > 0)


def test_rows_may_repeat(tmp_path):
    store = build(tmp_path, FakeSource(noisy(80)))
    rows = [79, 3, 3, 64, 79]
    assert np.array_equal(store.images(rows), store.images(np.arange(80))[rows])
