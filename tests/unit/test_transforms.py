"""Planted transforms through every convention."""

import naive
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refine2d import transforms

angles = st.floats(-720, 720)
shifts = st.floats(-20, 20)
scales = st.floats(0.5, 2)
alignments = st.builds(transforms.alignment, angles, st.booleans(), shifts, shifts, scale=scales)
points = st.tuples(shifts, shifts)


def particle_point(alignment, point):
    """Where the reference's point lies in the particle, by the definition."""
    x, y = point
    x = -x if alignment["mirror"] else x
    a, scale = np.deg2rad(float(alignment["angle"])), alignment["scale"]
    return np.array(
        [
            scale * (np.cos(a) * x - np.sin(a) * y) + alignment["sx"],
            scale * (np.sin(a) * x + np.cos(a) * y) + alignment["sy"],
        ]
    )


def eman2_point(alpha, tx, ty, mirror, scale, point):
    """Where EMAN2 brings the particle's point."""
    x, y = scale * np.array(point)
    a = np.deg2rad(alpha)
    moved = np.array([np.cos(a) * x + np.sin(a) * y + tx, -np.sin(a) * x + np.cos(a) * y + ty])
    return moved * [-1, 1] if mirror else moved


def near(a, b):
    return np.allclose(a, b, atol=2e-3)


def test_the_known_eman2_transform():
    assert np.allclose(eman2_point(30, 5, 2, 1, 1, (10, 3)), (-15, 0), atol=0.5)
    alignment = transforms.from_eman2(30, 5, 2, 1)
    x, y = eman2_point(30, 5, 2, 1, 1, (10, 3))
    assert near(particle_point(alignment, (x, y)), (10, 3))


@given(alignments, points)
def test_eman2_brings_the_particle_onto_the_reference(alignment, point):
    assert near(eman2_point(*transforms.to_eman2(alignment), particle_point(alignment, point)), point)


@given(alignments, st.floats(0.5, 8))
def test_eman2_round_trip_between_pixel_sizes(alignment, binning):
    back = transforms.from_eman2(*transforms.to_eman2(alignment, binning), binning)
    assert near(particle_point(back, (3, 7)), particle_point(alignment, (3, 7)))
    _, *shift, _, _ = transforms.to_eman2(alignment, binning)
    _, *shift1, _, _ = transforms.to_eman2(alignment)
    assert np.allclose(shift, binning * np.array(shift1))


@given(alignments, points, st.floats(0.5, 8))
def test_relion_shifts_then_rotates_onto_the_reference_or_its_mirror_image(alignment, point, apix):
    psi, origin_x, origin_y, flip = transforms.to_relion(alignment, apix)
    assert -180 < psi <= 180
    x, y = particle_point(alignment, point) + np.array([origin_x, origin_y]) / apix
    c, s = np.cos(np.deg2rad(psi)), np.sin(np.deg2rad(psi))
    shown = alignment["scale"] * np.array([-point[0] if flip else point[0], point[1]])
    assert near((c * x - s * y, s * x + c * y), shown)


@given(st.builds(transforms.alignment, angles, st.booleans(), shifts, shifts), st.floats(0.5, 8))
def test_relion_round_trip(alignment, apix):
    back = transforms.from_relion(*transforms.to_relion(alignment, apix), apix)
    assert near(particle_point(back, (3, 7)), particle_point(alignment, (3, 7)))
    assert back["mirror"] == alignment["mirror"]


@given(alignments, alignments, points)
def test_composition_is_one_map_after_the_other(first, second, point):
    both = transforms.compose(first, second)
    assert near(particle_point(both, point), particle_point(first, particle_point(second, point)))


@given(alignments, points)
def test_inverse(alignment, point):
    assert near(particle_point(transforms.inverse(alignment), particle_point(alignment, point)), point)


@given(angles)
def test_stored_angles_lie_in_one_turn(angle):
    assert 0 <= transforms.alignment(angle)["angle"] < 360


def test_arrays_keep_reference_and_score():
    several = transforms.alignment([10, 20], [True, False], [1, 2], [3, 4], ref=[5, 6], score=[7, 8])
    for changed in (
        transforms.compose(several, transforms.alignment(30)),
        transforms.inverse(several),
        transforms.rescale(several, 2),
    ):
        assert changed["ref"].tolist() == [5, 6]
        assert changed["score"].tolist() == [7, 8]
    assert transforms.rescale(several, 2.5)["sx"].tolist() == [2.5, 5]
    assert several["sx"].tolist() == [1, 2]


@pytest.mark.parametrize("box", [12, 13])
@pytest.mark.parametrize("out_box", [12, 15, 8])
def test_undo_equals_its_naive_twin(box, out_box):
    rng = np.random.default_rng(1)
    images = rng.standard_normal((4, box, box))
    moves = [0, 33, 201, 359], [0, 1, 0, 1], [0, 2.3, -4.7, 9], [0, -1.1, 3.2, 0.5]
    several = transforms.alignment(*moves, scale=[1, 0.9, 1.2, 1])
    expected = [
        naive.undo(image, *(a[name] for name in ("angle", "mirror", "sx", "sy", "scale")), out_box)
        for image, a in zip(images, several, strict=True)
    ]
    assert np.allclose(transforms.undo(images, several, out_box), expected, atol=1e-4)


@pytest.mark.parametrize("box", [16, 17])
def test_whole_moves_are_exact(box):
    image = np.random.default_rng(2).standard_normal((1, box, box)).astype(np.float32)
    inner = slice(1 - box % 2, None)  # the pixels that a turn about the centre pixel keeps inside
    same = transforms.undo(image, transforms.alignment([0]))
    mirrored = transforms.undo(image, transforms.alignment([0], True))
    turned = transforms.undo(image, transforms.alignment([90]))
    shifted = transforms.undo(image, transforms.alignment([0], False, [2], [-1]))
    assert np.allclose(same, image, atol=1e-6)
    assert np.allclose(mirrored[0, :, inner], image[0, :, inner][:, ::-1], atol=1e-5)
    assert np.allclose(turned[0, inner, inner], np.rot90(image[0, inner, inner], 1), atol=1e-4)
    assert np.allclose(shifted[0, 1:, :-2], image[0, :-1, 2:], atol=1e-6)


def molecule(box, place, width=2.0):
    """Three unequal blobs; `place` maps their points to pixels about the centre."""
    y, x = np.mgrid[:box, :box] - box // 2
    image = np.zeros((box, box))
    for weight, point in ((1, (6, 1)), (0.6, (-3, 5)), (0.4, (-1, -7))):
        px, py = place(point)
        image += weight * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * width**2))
    return image


@given(
    angles, st.booleans(), st.floats(-4, 4), st.floats(-4, 4), st.floats(0.8, 1.2), st.sampled_from([48, 49])
)
@settings(max_examples=25, deadline=None)
def test_undo_brings_a_planted_particle_onto_its_reference(angle, mirror, sx, sy, scale, box):
    alignment = transforms.alignment([angle], mirror, sx, sy, scale=scale)
    particle = molecule(box, lambda point: particle_point(alignment[0], point), 2.0 * scale)
    reference = molecule(box, lambda point: point)
    assert np.abs(transforms.undo(particle[None], alignment)[0] - reference).max() < 0.02


def test_a_pose_that_is_no_number_harms_no_other():
    images = np.random.default_rng(2).standard_normal((3, 20, 20)).astype(np.float32)
    poses = transforms.alignment([10.0, np.nan, 30.0], False, [0, np.nan, 1e30], 0)
    alone = transforms.undo(images[[0]], poses[[0]])
    brought = transforms.undo(images, poses)
    np.testing.assert_array_equal(brought[0], alone[0])
    assert not brought[2].any()


def test_undo_wants_an_alignment_for_each_image():
    with pytest.raises(ValueError, match="2 images, but 1 alignments"):
        transforms.undo(np.zeros((2, 8, 8)), transforms.alignment([0]))
