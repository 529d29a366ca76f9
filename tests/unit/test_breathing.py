import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from refine2d import breathing, clustering


def squares(points, labels, centres):
    return sum(((points[labels == k] - centre) ** 2).sum() for k, centre in enumerate(centres))


def clouds(count, size, seed, d=4):
    rng = np.random.default_rng(seed)
    middles = rng.standard_normal((count, d)) * 20
    truth = np.repeat(np.arange(count), size)
    return (middles[truth] + rng.standard_normal((len(truth), d))).astype(np.float32), truth, middles


def test_two_classes_in_one_cloud_and_two_clouds_in_one_class_are_put_right():
    points, truth, middles = clouds(12, 50, seed=1)
    start = middles.astype(np.float32)
    start[0] = start[1] + 1  # cloud 0 has no centre, cloud 1 has two
    labels, stuck = clustering.kmeans(points, start)
    assert len(set(zip(labels, truth, strict=True))) > 12
    found, _ = clustering.kmeans(points, breathing.breathe(points, stuck))
    assert len(set(zip(found, truth, strict=True))) == 12
    untouched = np.arange(12) >= 2
    assert (
        found[untouched[truth]] == labels[untouched[truth]]
    ).mean() > 0.8  # these classes keep their numbers


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 12), st.integers(2, 30), st.integers(0, 10**6))
def test_never_worse_and_no_class_too_small(count, size, seed):
    points = clouds(count, size, seed, d=3)[0]
    start = points[np.random.default_rng(seed).integers(0, len(points), count)]
    smallest = clustering.least(len(points), count)
    labels, centres = clustering.kmeans(points, start, smallest=smallest)
    breathed = breathing.breathe(points, centres)
    found, after = clustering.kmeans(points, breathed, smallest=smallest)
    assert squares(points, found, after) <= squares(points, labels, centres) * (1 + 1e-5)
    assert np.bincount(found, minlength=count).min() >= smallest


def test_equal_vectors_and_one_class_come_to_an_end():
    assert (breathing.breathe(np.ones((20, 3), np.float32), np.ones((4, 3), np.float32)) == 1).all()
    points = clouds(3, 10, seed=0)[0]
    assert np.allclose(breathing.breathe(points, points[:1]), points.mean(0), atol=1e-4)


def test_memory_does_not_grow_with_coordinates_for_each_pair_of_classes():
    points, truth, _ = clouds(300, 2, seed=1, d=40)
    centres = np.stack([points[truth == k].mean(0) for k in range(300)]).astype(np.float32)
    tracemalloc.start()
    breathing._merged(points, truth, centres, 290)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5 * 8 * 300**2


def test_what_giving_up_a_class_costs():
    points, truth, _ = clouds(5, 20, seed=3)
    centres = np.stack([points[truth == k].mean(0) for k in range(5)])
    for k, cost in enumerate(breathing._costs(points, truth, centres)):
        mine = points[truth == k]
        others = np.delete(centres, k, 0)
        elsewhere = ((mine[:, None] - others) ** 2).sum(-1).min(1).sum()
        assert np.isclose(cost, elsewhere - ((mine - centres[k]) ** 2).sum(), rtol=1e-4)
