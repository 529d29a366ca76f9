"""Averages by what particles show at any angle: planted pictures come back from few particles."""

import numpy as np
import pytest
from test_averaging import BOX, PLAN, Store, likeness, particles, picture

from refine2d import averaging, steerable
from refine2d.averagers import Averager
from refine2d.fourier import ft, ift, ring_index
from refine2d.msa import Projector
from refine2d.steerable import SteerableAverager, steerable_basis
from refine2d.transforms import alignment, undo

IMAGE, NOISE = picture(), 1.0
RADIUS = PLAN.mask_radius


@pytest.fixture(scope="module")
def known():
    """Particles of one picture, their poses, and the steerable basis of them."""
    images, poses, transfer = particles(IMAGE, 600, noise=NOISE, reach=0.0)
    store = Store(images, transfer, NOISE)
    return store, poses, steerable_basis(store, np.arange(600), RADIUS)


def low(image):
    """The image without what is beyond the rings of the basis."""
    return ift(ft(image) * (ring_index(BOX) <= 16), BOX)


def inside(space, image):
    """Share of an image's power that the basis holds."""
    image = low(image).ravel()
    held = space.vectors.reshape(len(space.vectors), -1) @ image
    return (held @ held) / (image @ image)


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("angle", [0.0, 50.0, 123.0])
def test_the_picture_is_in_the_basis_at_any_angle(known, angle, mirror):
    assert inside(known[2], undo(IMAGE[None], alignment([angle], mirror))[0]) > 0.93


def test_another_picture_is_not(known):
    assert inside(known[2], picture(7)) < 0.82


def test_all_that_particles_show_is_variance_about_zero(known):
    space = known[2]
    power = (low(IMAGE) ** 2).sum()
    assert not space.mean.any()
    assert space.eigval.sum() == pytest.approx(power, rel=0.25)


def test_one_particle_shows_more_than_by_the_power_of_rings(known):
    store, poses, space = known
    alike = {}
    for name, averager in (
        ("rings", Averager()),
        ("steerable", SteerableAverager(projector=Projector(space))),
    ):
        how = averaging.Recipe(averager)
        groups = np.arange(20)[:, None]
        made = [
            averaging.class_average(store, rows, poses[rows], PLAN, 0, 1.0, False, 0.0, how)
            for rows in groups
        ]
        alike[name] = np.mean([likeness(each.image, IMAGE) for each in made])
    assert 1 - alike["steerable"] < 0.3 * (1 - alike["rings"])


def test_an_average_is_the_likeliest_image_under_the_basis(known):
    """Against the normal equations in full, of coefficients of images instead of vectors."""
    store, poses, space = known
    averager = SteerableAverager(projector=Projector(space))
    total, weight = averaging.accumulate(averaging.Members(store, np.arange(5)), poses[:5], np.ones(5, bool))
    found = averager.finish(total, weight, 0.0)
    flat = space.vectors.reshape(len(space.vectors), -1).astype(float)
    spectra = ft(space.vectors)
    ring = np.minimum(ring_index(BOX), BOX // 2)
    weighted = ift(spectra * weight.sum(0)[ring] * (ring_index(BOX) <= BOX // 2), BOX).reshape(len(flat), -1)
    variance = np.maximum(space.eigval, 1e-12)
    coefficients = np.linalg.solve(flat @ weighted.T + np.diag(1 / variance), flat @ total.sum(0).ravel())
    assert found == pytest.approx(
        (coefficients @ flat).reshape(BOX, BOX), abs=2e-3 * float(np.abs(found).max())
    )


def test_turned_copies_are_enough_however_few_the_particles():
    images, _, transfer = particles(IMAGE, 40, noise=NOISE, reach=0.0)
    space = steerable_basis(Store(images, transfer, NOISE), np.arange(40), RADIUS)
    assert inside(space, undo(IMAGE[None], alignment([77.0], True))[0]) > 0.93


def test_each_particle_is_turned_however_many_they_are(known, monkeypatch):
    taken = []
    monkeypatch.setattr(steerable, "LEAST", 50)
    monkeypatch.setattr(steerable, "MOST", 100)
    monkeypatch.setattr(steerable, "eigenimages", lambda store, rows, *_, **__: taken.extend(rows))
    steerable_basis(known[0], np.arange(600), RADIUS)
    assert taken == list(range(600))
