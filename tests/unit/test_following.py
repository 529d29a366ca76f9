import naive
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from refine2d.following import movers, origins, shared


def test_a_class_comes_from_the_one_with_its_members():
    before = np.repeat(np.arange(6), [10, 20, 30, 40, 50, 60])
    new = np.array([3, 0, 5, 1, 4, 2])
    assert origins(before, new[before], 6).tolist() == np.argsort(new).tolist()


def test_of_a_class_that_is_split_the_larger_part_goes_on_and_the_other_takes_the_place_left_over():
    before = np.repeat([0, 1, 2], [90, 20, 30])
    now = np.repeat([2, 1, 0], [50, 40 + 20, 30])  # 1 took the rest of 0 and all of 1
    assert origins(before, now, 3).tolist() == [2, 1, 0]
    now = np.repeat([1, 0, 2, 2], [50, 40, 20, 30])  # 0 is a part of the old 0 alone
    assert origins(before, now, 3).tolist() == [1, 0, 2]


def test_equal_ones_go_by_their_numbers_and_particles_of_no_class_count_nowhere():
    before = np.array([0, 1, 0, 1, -1, -1, -1, 2])
    now = np.array([0, 0, 1, 1, 2, 2, 2, -1])
    assert origins(before, now, 3).tolist() == [0, 1, 2]
    assert origins(np.full(8, -1), now, 3).tolist() == [0, 1, 2]


@given(st.integers(0, 2**32 - 1), st.integers(1, 9), st.integers(0, 200))
def test_origins_are_the_naive_ones(seed, classes, n):
    before, now = np.random.default_rng(seed).integers(-1, classes, (2, n)).astype(np.int32)
    found = origins(before, now, classes)
    assert found.tolist() == naive.origins(before, now, classes)
    assert sorted(found) == list(range(classes))


def test_particles_whose_class_has_another_number_now_have_not_changed_it():
    before = np.repeat([0, 1, 2, -1], [10, 20, 30, 5])
    now = np.array([2, 0, 1, -1])[before]
    assert movers(before, now, 3) == 0
    now[[0, 15, 64]] = 1  # of two classes, and of none
    now[1] = -1
    assert movers(before, now, 3) == 3
    assert movers(np.full(65, -1), now, 3) == (now >= 0).sum()


def test_the_members_that_classes_share_are_counted_the_most_first():
    before = np.array([0, 0, 0, 1, 1, -1, 1, 1], np.int32)
    now = np.array([2, 2, 2, 0, 0, 0, 1, -1], np.int32)
    assert shared(before, now).tolist() == [[0, 2, 3], [1, 0, 2], [1, 1, 1]]


def test_a_million_particles():
    rng = np.random.default_rng(0)
    before, new = rng.integers(0, 2000, 10**6).astype(np.int32), rng.permutation(2000)
    now = np.where(rng.random(10**6) < 0.5, new[before], rng.integers(0, 2000, 10**6)).astype(np.int32)
    assert (origins(before, now, 2000)[new] == np.arange(2000)).all()
