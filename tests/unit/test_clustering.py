import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from refine2d import clustering


def clouds(count, size, seed=0, d=5):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count, d)) * 10
    labels = np.repeat(np.arange(count), size)
    order = rng.permutation(len(labels))
    points = centres[labels] + rng.standard_normal((len(labels), d))
    return points[order].astype(np.float32), labels[order], centres.astype(np.float32)


def test_same_as_scikit_learn_from_the_same_start():
    points, _, centres = clouds(6, 80)
    start = centres + 3
    labels, means = clustering.kmeans(points, start)
    theirs = KMeans(6, init=start, n_init=1, algorithm="lloyd", tol=0).fit(points)
    assert (labels == theirs.labels_).all()
    assert np.allclose(means, theirs.cluster_centers_, atol=1e-4)


def test_planted_classes_from_seeds():
    points, truth, _ = clouds(8, 60, seed=2)
    labels, _ = clustering.kmeans(points, clustering.seed(points, 8, np.random.default_rng(0)))
    for c in range(8):
        assert np.bincount(labels[truth == c]).max() >= 30
    assert len(set(labels)) == 8


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 40), st.integers(0, 10**6))
def test_no_class_is_ever_too_small(count, smallest, spare, seed):
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((count * smallest + spare, 3)).astype(np.float32)
    points[:, 0] *= rng.integers(1, 50)
    start = points[rng.integers(0, len(points), count)]
    labels, _ = clustering.kmeans(points, start, smallest=smallest)
    assert np.bincount(labels, minlength=count).min() >= smallest
    assert len(np.bincount(labels)) == count


def test_too_few_vectors_are_refused():
    with pytest.raises(ValueError, match="cannot fill"):
        clustering.kmeans(np.zeros((5, 2), np.float32), np.zeros((3, 2), np.float32), smallest=2)


def test_minchange_stops_early():
    points, _, centres = clouds(6, 80, seed=5)
    start = np.random.default_rng(1).standard_normal(centres.shape).astype(np.float32)
    once, _ = clustering.kmeans(points, start, rounds=1)
    stopped, _ = clustering.kmeans(points, start, minchange=len(points))
    settled, _ = clustering.kmeans(points, start)
    assert (once == stopped).all() and (settled != once).any()


def test_identical_vectors_do_not_break_the_seeds():
    points = np.ones((20, 3), np.float32)
    assert clustering.seed(points, 4, np.random.default_rng(0)).shape == (4, 3)


@given(st.integers(1, 10**6), st.integers(1, 300))
def test_a_sample_is_spread_over_all(n, count):
    rows = clustering.sample(n, count)
    assert len(rows) == min(n, clustering.EACH * count)
    assert rows[0] == 0 and (len(rows) == 1 or rows[-1] == n - 1)
    assert len(rows) < 2 or (np.diff(rows).min() >= 1 and np.ptp(np.diff(rows)) <= 1)


def test_distances_between_centres():
    centres = np.random.default_rng(0).normal(3, 1, (7, 5)).astype(np.float32)
    found = clustering.between(centres)
    for i in range(7):
        for j in range(7):
            expected = np.inf if i == j else ((centres[i].astype(float) - centres[j]) ** 2).sum()
            assert np.isclose(found[i, j], expected)
