"""Footprints know the view, and neither its place, its turn, its hand nor its defocus."""

import naive
import numpy as np
import pytest

from refine2d import fourier, invariants
from refine2d.ctf import CtfTable, ctf

BOX, RADIUS = 48, 16
kinds = pytest.mark.parametrize("kind", invariants.KINDS)


def view(number, angle=0.0, mirror=False, sx=0.0, sy=0.0, box=BOX):
    """A projection-like image: blobs of one random constellation a view."""
    rng = np.random.default_rng(1000 + number)
    points, weights = rng.uniform(-7, 7, (12, 2)), rng.uniform(0.5, 1.5, 12)
    a = np.deg2rad(angle)
    points = points * [-1 if mirror else 1, 1] @ [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]] + [sx, sy]
    y, x = np.mgrid[:box, :box] - box // 2
    blobs = np.exp(
        -((x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2) / (2 * 1.5**2)
    )
    return np.tensordot(weights, blobs, 1)


def test_harmonics_equal_their_naive_twin():
    image = view(0) + np.random.default_rng(1).standard_normal((BOX, BOX))
    mask = fourier.soft_mask(BOX, RADIUS, edge_px=0.06 * BOX)
    rings = range(2, 11)
    expected = naive.harmonics(image, mask, rings, 32, 8)
    assert np.allclose(
        invariants.footprints(image[None], RADIUS).reshape(9, 8), expected, rtol=1e-3, atol=1e-4
    )


@kinds
def test_no_move_changes_a_footprint(kind):
    moves = [{}, {"angle": 73}, {"mirror": True}, {"sx": 2.5, "sy": -1.7}]
    moves.append({"angle": -140, "mirror": True, "sx": -2, "sy": 3})
    moved = invariants.footprints(np.stack([view(0, **move) for move in moves]), RADIUS, kind)
    others = invariants.footprints(np.stack([view(number) for number in range(1, 9)]), RADIUS, kind)
    change = np.linalg.norm(moved - moved[0], axis=1).max()
    assert change < 0.1 * np.linalg.norm(others - moved[0], axis=1).min()


@kinds
def test_neighbours_share_the_view_and_not_the_defocus(kind):
    rng = np.random.default_rng(3)
    n, views = 240, 6
    number, turn, mirror = rng.integers(0, views, n), rng.uniform(0, 360, n), rng.random(n) < 0.5
    shift = rng.uniform(-2, 2, (n, 2))
    clean = np.stack([view(number[i], turn[i], mirror[i], *shift[i]) for i in range(n)])
    defocus = rng.uniform(12000, 28000, n)
    transfer = ctf(CtfTable(defocus, defocus, 0, 0, 300, 2.7, 0.1), BOX, 4.9)
    signal = fourier.ift(fourier.ft(clean) * transfer, BOX)
    images = signal / signal.std() + rng.standard_normal(signal.shape)
    corrected = fourier.ift(fourier.ft(images) * np.sign(transfer), BOX)

    prints = invariants.footprints(corrected, 13, kind)
    distance = np.linalg.norm(prints[:, None] - prints[None], axis=2) + np.where(np.eye(n), np.inf, 0)
    nearest = distance.argmin(axis=1)
    quarter = np.argsort(np.argsort(defocus)) * 4 // n
    assert np.mean(number[nearest] == number) > 0.7  # chance: 0.17
    assert np.mean(quarter[nearest] == quarter) < 0.4  # chance: 0.25


@kinds
@pytest.mark.parametrize("box", [32, 64])
def test_shapes_and_empty_images(kind, box):
    prints = invariants.footprints(np.zeros((70, box, box)), box / 3, kind)
    rings = round(invariants.BAND * box) - invariants.FIRST_RING + 1
    if kind == "harmonic":
        assert prints.shape == (70, rings * invariants.HARMONICS)
    assert prints.dtype == np.float32
    assert not prints.any()


def test_unknown_kind():
    with pytest.raises(ValueError, match="unknown footprint"):
        invariants.footprints(np.zeros((1, BOX, BOX)), RADIUS, "toeprint")
