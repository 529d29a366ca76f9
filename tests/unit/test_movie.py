"""Movies: the main component, frames along it, a loop without a jump."""

import imageio.v3 as iio
import numpy as np
import pytest

from refine2d.errors import UserError
from refine2d.fourier import ft, nrings, soft_mask
from refine2d.report import movie
from refine2d.search.plan import Plan
from refine2d.tables import MEMBER
from refine2d.transforms import alignment, undo

BOX = 32


class Store:
    """Discs whose radius grows from one particle to the next, without CTF or noise."""

    box = BOX

    def __init__(self, radii):
        self.radii = radii

    def matched(self, rows):
        y, x = np.mgrid[:BOX, :BOX] - BOX // 2
        images = (np.hypot(x, y)[None] < self.radii[rows, None, None]).astype(np.float32)
        return ft(images), np.ones((len(rows), nrings(BOX)), np.float32)


def test_the_main_component_is_found_with_a_fixed_sign():
    rng = np.random.default_rng(0)
    along, direction = rng.normal(size=400), np.array([0.6, -0.8, 0])
    points = along[:, None] * 5 * direction + rng.normal(size=(400, 3)) * 0.1
    coordinates, explained = movie.main_component(points.astype(np.float32))
    assert (
        np.corrcoef(coordinates, along)[0, 1] < -0.99
    )  # the largest entry of the direction, -0.8, becomes positive
    assert explained > 0.99


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(1)
    radii = rng.permutation(np.linspace(3, 10, 150))
    rows = np.arange(150)
    return movie.make_frames(Store(radii), rows, alignment(np.zeros(150)), radii, 14.0, 0.5)


def test_frames_follow_the_component_and_hold_all_particles_but_for_overlap(frames):
    assert len(frames.images) == movie.FRAMES == len(frames.counts)
    assert (np.diff(frames.places) > 0).all()
    inside = frames.images.sum((1, 2))
    assert (np.diff(inside) > 0).all()
    assert frames.counts.min() >= movie.LEAST
    assert frames.counts.max() - frames.counts.min() <= 2


def test_the_movie_goes_there_and_back(frames):
    drawn = movie.draw_frames(frames, "class 3")
    assert drawn.shape == (2 * movie.FRAMES - 2, movie.SIDE + movie.CAPTION, movie.SIDE, 3)
    for k in range(1, movie.FRAMES - 1):
        np.testing.assert_array_equal(drawn[k], drawn[-k])
    assert (drawn[0] != drawn[1]).any()


@pytest.mark.parametrize("ending", ["gif", "mp4"])
def test_files_play_and_have_the_same_bytes_each_time(frames, tmp_path, ending):
    drawn = movie.draw_frames(frames, "class 3")
    for name in ("a", "b"):
        movie.write_movie(tmp_path / f"{name}.{ending}", drawn)
    assert (tmp_path / f"a.{ending}").read_bytes() == (tmp_path / f"b.{ending}").read_bytes()
    played = iio.imread(tmp_path / f"a.{ending}")
    rounds = 1 if ending == "gif" else 8
    assert len(played) == rounds * len(drawn)
    shown = (
        played[3].astype(int) if played[3].ndim == 3 else np.repeat(played[3][..., None], 3, -1).astype(int)
    )
    assert np.abs(shown[..., :3] - drawn[3]).mean() < 6


def test_members_of_several_classes_come_into_one_frame():
    y, x = np.mgrid[:BOX, :BOX] - BOX // 2
    first = (np.exp(-((x - 4) ** 2 + y**2) / 18) + 0.6 * np.exp(-(x**2 + (y + 6) ** 2) / 8)).astype(
        np.float32
    )
    first *= soft_mask(BOX, 13)
    turned = alignment([70.0], [True], [1.0], [-1.0])
    second = undo(first[None], turned)[0]
    members = np.zeros(2, MEMBER)
    members["class"], members["alignment"] = [0, 1], alignment(np.zeros(2))
    found = movie.common_frame(members, [0, 1], np.stack([first, second]), Plan(BOX, 13.0, 4.0, True))
    one, two = undo(np.stack([first, second]), found)
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.97
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] < 0.9


def test_classes_are_named_by_number_and_the_largest_is_the_default():
    sizes = np.array([3, 9, 4])
    assert movie.read_numbers("", sizes) == [1]
    assert movie.read_numbers("2, 0,2", sizes) == [2, 0]
    for text in ("3", "-1", "one"):
        with pytest.raises(UserError, match="movie_classes names"):
            movie.read_numbers(text, sizes)
