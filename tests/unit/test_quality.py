"""Features of class averages that say how good they are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refine2d import quality
from refine2d.fourier import ft, ift, radius

BOX, MASK = 48, 20.0


def blob(x=0.0, y=0.0, width=5.0):
    at = np.arange(BOX) - BOX // 2
    return np.exp(-((at[None] - x) ** 2 + (at[:, None] - y) ** 2) / (2 * width**2)).astype(np.float32)


def noise(seed=0):
    return np.random.default_rng(seed).normal(size=(BOX, BOX)).astype(np.float32)


def curve(ring):
    """An FRC that is 1 up to a ring and 0 from there on."""
    return (np.arange(BOX // 2 + 1) < ring).astype(np.float32)


@given(st.floats(-6, 6), st.floats(-6, 6))
def test_centring_is_the_distance_of_a_particle_from_the_centre(x, y):
    assert quality.centring(blob(x, y, 2), MASK) == pytest.approx(np.hypot(x, y) / MASK, abs=0.01)


def test_contrast_is_high_for_a_particle_and_one_for_noise():
    assert quality.contrast(noise(), MASK) == pytest.approx(1, abs=0.2)
    assert quality.contrast(blob() + 0.02 * noise(), MASK) > 8
    assert quality.contrast(np.zeros((BOX, BOX), np.float32), MASK) == 0


def test_noise_is_round_and_streaks_are_not():
    at = np.arange(BOX)
    streaks = np.broadcast_to(noise()[0], (BOX, BOX)) * (radius(BOX) < MASK)
    assert quality.roundness(noise(), 8) > 0.85
    assert quality.roundness(streaks.astype(np.float32), 8) < 0.3
    assert quality.roundness(np.cos(at * 2)[None] * np.ones((BOX, 1)), 8) < 0.1


def test_roundness_does_not_depend_on_scale_or_on_what_is_coarser():
    coarse = ift(
        ft(noise(1)) * (np.hypot(*np.meshgrid(np.fft.rfftfreq(BOX), np.fft.fftfreq(BOX))) < 0.1), BOX
    )
    base = quality.roundness(noise(), 8)
    assert quality.roundness(3 * noise() + coarse, 8) == pytest.approx(base, abs=1e-3)


def test_good_classes_are_kept_and_junk_is_not():
    good = [blob(0.5 * k, 0, 4) + 0.03 * noise(k) for k in range(4)]
    junk = [noise(10 + k) for k in range(4)]
    frc = np.stack([curve(14)] * 4 + [curve(4)] * 4)
    found = quality.measure(np.stack(good + junk), np.array([100] * 4 + [40] * 4), frc, MASK)
    assert found.keep.tolist() == [True] * 4 + [False] * 4
    assert found.score[:4].min() > 0.9 and found.score[4:].max() < 0.3


def test_a_coarser_molecule_beside_a_finer_one_is_kept():
    fine, coarse = ([blob(0.5 * k, 0, 4) + 0.03 * noise(k + seed) for k in range(4)] for seed in (0, 4))
    empty, few = noise(20), blob() + 0.03 * noise(21)
    images, frc = np.stack([*fine, *coarse, empty, few]), np.stack([curve(14)] * 4 + [curve(7)] * 6)
    found = quality.measure(images, np.array([100] * 9 + [15]), frc, MASK)
    assert 0.35 < found.detail[4:].min() <= found.detail[4:].max() < 0.55
    assert found.keep.tolist() == [True] * 8 + [False] * 2
    assert found.score[:4].min() > found.score[4:8].max()


@pytest.mark.parametrize("feature", list(quality.RAMPS))
def test_each_feature_counts_the_more_the_better_it_is(feature):
    bad, good, _ = quality.RAMPS[feature]
    columns = {name: np.full(5, good) for name, (_, good, _) in quality.RAMPS.items()}
    columns[feature] = np.linspace(bad, good, 5)
    score = quality.Quality(**columns).score
    assert (np.diff(score) > 0).all() and score[-1] == pytest.approx(1)
    assert score[0] < 1


def test_size_is_relative_to_the_mean_class_and_detail_to_the_best():
    images = np.stack([blob(), blob(), blob()])
    found = quality.measure(images, np.array([10, 20, 30]), np.stack([curve(12), curve(12), curve(7)]), MASK)
    np.testing.assert_allclose(found.size, [0.5, 1, 1.5])
    np.testing.assert_allclose(found.detail, [1, 1, 0.5], atol=0.05)


def test_the_table_has_a_row_for_each_class_and_says_what_is_suggested(tmp_path):
    images = np.stack([blob() + 0.03 * noise(), noise(1)])
    found = quality.measure(images, np.array([60, 20]), np.stack([curve(12), curve(3)]), MASK)
    quality.write_quality(tmp_path / "quality.tsv", found, np.array([60, 20]), np.array([12.5, 40]))
    head, *rows = [line.split("\t") for line in (tmp_path / "quality.tsv").read_text().splitlines()]
    assert head[:3] == ["class", "particles", "resolution_A"] and head[-2:] == ["score", "suggested"]
    assert [row[:3] + row[-1:] for row in rows] == [
        ["0", "60", "12.50", "keep"],
        ["1", "20", "40.00", "junk"],
    ]
    assert float(rows[0][-2]) == pytest.approx(found.score[0], abs=1e-4)
