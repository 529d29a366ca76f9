import numpy as np
from test_search import blobs

from refine2d import ordering, references
from refine2d.centering import centre, shifted
from refine2d.search.plan import Plan
from refine2d.transforms import alignment, inverse, undo

BOX = 48


def series(count):
    """Averages that turn slowly from one picture into another."""
    first, last = blobs(2, seed=11)
    first, last = np.abs(first), np.abs(last)
    share = np.linspace(0, 1, count)[:, None, None]
    return ((1 - share) * first + share * last).astype(np.float32)


def test_chain_sorts_and_aligns():
    images = series(7)
    rng = np.random.default_rng(0)
    shuffle = rng.permutation(7)
    poses = alignment(
        rng.uniform(0, 360, 7), rng.random(7) < 0.5, rng.uniform(-2, 2, 7), rng.uniform(-2, 2, 7)
    )
    posed = undo(images, poses)[shuffle]
    order, aligned, moved = ordering.chain(posed, Plan(BOX, 0.42 * BOX, 6))
    for brought, kept in zip(undo(posed[order], moved), aligned, strict=True):
        assert np.corrcoef(brought.ravel(), kept.ravel())[0, 1] > 0.99
    steps = shuffle[order]
    start = np.flatnonzero(steps == steps[0])[0]
    assert sorted(steps) == list(range(7))
    # from where it starts, the chain may grow at both ends of the series, but never jumps over a member
    for k in range(start + 1, 7):
        assert min(abs(steps[k] - s) for s in steps[:k]) == 1
    flat = aligned.reshape(7, -1)
    likeness = np.corrcoef(flat)[np.argsort(steps)][:, np.argsort(steps)]
    expected = np.corrcoef(images.reshape(7, -1))
    assert np.abs(likeness - expected).max() < 0.1


def test_a_single_average_is_a_chain():
    order, aligned, moved = ordering.chain(blobs(1), Plan(BOX, 0.42 * BOX, 6))
    assert order.tolist() == [0] and aligned.shape == (1, BOX, BOX)
    assert moved["angle"] == 0 and not moved["mirror"]


def test_references_are_spread_over_the_averages():
    images = np.repeat(blobs(3, seed=3), 4, axis=0)
    images += 0.05 * blobs(12, seed=4)
    chosen = references.choose(images, 3, 20)
    assert {k // 4 for k in chosen} == {0, 1, 2}
    assert references.choose(images, 0, 20).tolist() == list(range(12))
    assert references.choose(images, 50, 20).tolist() == list(range(12))


def test_the_references_nearest_to_a_class_are_its_own_average_and_those_least_apart():
    rng = np.random.default_rng(5)
    points, classes = rng.normal(size=(30, 4)).astype(np.float32), rng.permutation(30).tolist()
    chosen = list(range(0, 30, 2))
    near = references.nearest(points, classes, chosen, 6)
    for average, number in enumerate(classes):
        apart = [sum((points[average] - points[each]) ** 2) for each in chosen]
        assert sorted(sorted(range(15), key=apart.__getitem__)[:6]) == near[number].tolist()
        assert average % 2 or average // 2 in near[number]
    everything = references.nearest(points, classes, chosen, 15)
    np.testing.assert_array_equal(everything, np.arange(15)[None].repeat(30, 0))


def test_all_references_are_tried_first_and_every_few_iterations():
    counts = [
        references.count_tried({"naliref": 50, "nearrefs": 32}, iteration) for iteration in range(1, 11)
    ]
    assert counts == [50, 32, 32, 32, 50, 32, 32, 32, 50, 32]


def test_centre_of_a_planted_blob():
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    for offset in ((0, 0), (3.3, -2.1), (-1.5, 4.0)):
        image = np.exp(-((x - offset[0]) ** 2 + (y - offset[1]) ** 2) / 40).astype(np.float32)
        found = centre(image, 20)
        assert np.allclose(found, offset, atol=0.2)
        assert np.allclose(centre(shifted(image, found), 20), 0, atol=0.1)


def test_an_empty_average_stays_where_it_is():
    assert (centre(np.zeros((BOX, BOX), np.float32), 20) == 0).all()


def test_centring_and_inverse_agree_in_sign():
    image = np.abs(blobs(1, seed=9))[0]
    pose = alignment(0, False, 3.0, -2.0)
    moved = undo(image[None], inverse(np.atleast_1d(pose)))[0]
    assert np.allclose(centre(moved, 20) - centre(image, 20), [3, -2], atol=0.3)
