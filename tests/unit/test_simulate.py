"""Simulated particles: exact projections, the signal-to-noise ratio asked for, the same bits in any order."""

from dataclasses import asdict, replace
from itertools import islice

import mrcfile
import numpy as np
import pytest
import starfile
from hypothesis import given, settings
from hypothesis import strategies as st

from refine2d import simulate
from refine2d.molecules import symmetry

SMALL = replace(simulate.BENCHMARK, n=200, box=48, apix=6.5)
angle = st.floats(-360, 360)


@given(angle, angle, angle)
@settings(max_examples=20, deadline=None)
def test_a_projection_is_the_integral_along_the_viewing_axis(rot: float, tilt: float, psi: float) -> None:
    molecule = simulate.Molecule(
        np.array([[6.0, -9, 4], [-5, 2, 12], [0, 7, -8]]), np.array([4.0, 5, 6]), np.array([1.0, 2, 3])
    )
    matrix = simulate.euler_matrices(rot, tilt, psi)
    shift, box, apix = np.array([1.25, -0.5]), 24, 3.0
    image = simulate.project(molecule, matrix, shift, box, apix)[0]

    along = np.arange(-60, 60, 1.0)
    grid = (np.arange(box) - box // 2) * apix
    z, y, x = np.meshgrid(along, grid - shift[1] * apix, grid - shift[0] * apix, indexing="ij")
    points = np.stack([x, y, z], -1) @ matrix[0]  # image frame back to the molecule's
    density = sum(
        mass * np.exp(-((points - centre) ** 2).sum(-1) / 2 / sigma**2) / (2 * np.pi * sigma**2) ** 1.5
        for centre, sigma, mass in zip(molecule.centres, molecule.sigma, molecule.mass, strict=True)
    )
    np.testing.assert_allclose(image, density.sum(0), atol=1e-5 * image.max())


def test_euler_angles_follow_relion() -> None:
    rot, tilt, psi = 25.0, 70.0, -40.0
    matrix = simulate.euler_matrices(rot, tilt, psi)[0]
    a, b = np.deg2rad([rot, tilt])
    np.testing.assert_allclose(
        matrix[2], [np.cos(a) * np.sin(b), np.sin(a) * np.sin(b), np.cos(b)], atol=1e-12
    )
    c, s = np.cos(np.deg2rad(psi)), np.sin(np.deg2rad(psi))
    unturned = simulate.euler_matrices(rot, tilt, 0)[0]
    np.testing.assert_allclose(matrix[:2], [[c, s], [-s, c]] @ unturned[:2], atol=1e-12)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)


def test_views_cover_the_sphere_evenly_and_shifts_the_square() -> None:
    known = simulate.truth(replace(SMALL, n=3000))
    second_moments = np.einsum("ni,nj->ij", known.axes, known.axes) / 3000
    np.testing.assert_allclose(second_moments, np.eye(3) / 3, atol=0.03)
    assert np.abs(known.shift).max() <= SMALL.max_shift
    np.testing.assert_allclose(known.shift.std(axis=0), 2 * SMALL.max_shift / np.sqrt(12), rtol=0.05)


@pytest.mark.parametrize("snr", [0.02, 0.5])
def test_the_signal_to_noise_ratio_is_the_one_asked_for(snr: float) -> None:
    sim = replace(SMALL, snr=snr)
    known = simulate.truth(sim)
    clean = simulate.signal_scale(sim) * simulate.signal(sim, known)
    noise = np.stack(list(simulate.images(sim))) - clean
    assert clean.var(axis=(1, 2)).mean() / noise.var() == pytest.approx(snr, rel=0.05)
    assert noise.std() == pytest.approx(1, rel=0.01)
    assert abs((noise * clean).mean()) < 0.01


def test_a_particle_depends_on_the_seed_and_its_number_alone() -> None:
    few, many = replace(SMALL, n=3), replace(SMALL, n=150)
    first = list(islice(simulate.images(many), 3))
    np.testing.assert_array_equal(list(simulate.images(few)), first)
    assert not np.array_equal(next(simulate.images(replace(few, seed=2))), first[0])


def test_protein_is_bright_where_the_ctf_lets_it() -> None:
    near_focus = replace(SMALL, defocus=(3000, 3000), astigmatism=(0, 0), ac=1.0, cs=0.0, max_shift=0.0)
    known = simulate.truth(near_focus, 20)
    clean = simulate.signal(near_focus, known)
    flat = simulate.project(simulate.molecule("ribosome"), known.rotations, None, 48, 6.5)
    assert np.corrcoef(clean.ravel(), flat.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("name", ["barrel", "ribosome"])
def test_molecules_are_centred_and_fit_their_box(name: str) -> None:
    molecule = simulate.molecule(name)
    np.testing.assert_allclose(np.average(molecule.centres, axis=0, weights=molecule.mass), 0, atol=1e-9)
    sim = {"barrel": simulate.DEMO, "ribosome": simulate.BENCHMARK}[name]
    assert np.linalg.norm(molecule.centres, axis=1).max() < sim.apix * (sim.box / 2 - sim.max_shift)


def test_the_benchmark_molecule_has_no_symmetry() -> None:
    molecule = simulate.molecule("ribosome")
    axes = simulate.truth(SMALL, 40).rotations
    views = simulate.project(molecule, axes, None, 48, 6.5).reshape(40, -1)
    alike = np.corrcoef(views) - np.eye(40)
    assert alike.max() < 0.97
    barrel = simulate.project(
        simulate.molecule("barrel"), simulate.euler_matrices(0, 90, [0, 180]), None, 48, 6.5
    )
    assert np.corrcoef(barrel.reshape(2, -1))[0, 1] > 0.99  # while the demo's has a twofold axis


def test_the_demo_shows_its_complex_from_the_side_and_from_its_ends() -> None:
    height = np.abs(simulate.truth(simulate.DEMO).axes[:, 2])
    assert np.mean(height < np.sin(np.deg2rad(10))) > 0.4
    assert np.mean(height > np.cos(np.deg2rad(15))) > 0.2


def test_demo_images_differ_in_level_contrast_and_slope() -> None:
    images = np.stack(list(islice(simulate.images(simulate.DEMO), 100)))
    slope = images[:, :, -10:].mean((1, 2)) - images[:, :, :10].mean((1, 2))
    assert images.mean((1, 2)).std() > 0.3 and images.std((1, 2)).std() > 0.05 and slope.std() > 0.3


def test_the_files_hold_the_truth(tmp_path) -> None:
    sim = replace(SMALL, n=20)
    simulate.write_dataset(sim, tmp_path)
    known = simulate.truth(sim)
    again, read = simulate.read_truth(tmp_path / "truth.h5")
    assert again == sim
    np.testing.assert_array_equal(read.rotations, known.rotations)
    for name, column in asdict(known.ctf).items():
        np.testing.assert_array_equal(getattr(read.ctf, name), column)

    with mrcfile.open(tmp_path / "particles.mrcs") as file:
        np.testing.assert_array_equal(file.data, list(simulate.images(sim)))
        assert file.voxel_size.x == pytest.approx(sim.apix)

    blocks = starfile.read(tmp_path / "truth.star")
    table = blocks["particles"]
    np.testing.assert_allclose(table["rlnAngleTilt"], known.tilt, atol=1e-5)
    np.testing.assert_allclose(table["rlnOriginXAngst"], -known.shift[:, 0] * sim.apix, atol=1e-5)
    assert table["rlnImageName"][19] == "000020@particles.mrcs"
    assert "rlnAngleRot" not in starfile.read(tmp_path / "particles.star")["particles"]


def test_symmetric_copies_of_a_molecule_look_alike() -> None:
    for name, order in (("tetramer", 4), ("barrel", 14), ("ribosome", 1)):
        turns = symmetry(name)
        assert len(turns) == order
        view = simulate.euler_matrices(20, 50, 70)[0]
        images = simulate.project(simulate.molecule(name), view @ turns, None, 48, 6.5)
        assert np.abs(images - images[0]).max() < 1e-4 * images.max()


def test_the_ratcheted_molecule_differs_only_in_its_small_subunit() -> None:
    one, other = simulate.molecule("ribosome"), simulate.molecule("ratcheted")
    assert one.mass.sum() == other.mass.sum() and len(one.mass) == len(other.mass)
    view = simulate.euler_matrices(0, 90, 0)
    images = [simulate.project(each, view, None, 48, 6.5)[0] for each in (one, other)]
    difference = np.sqrt(np.mean((images[0] - images[1]) ** 2)) / images[0].std()
    assert 0.1 < difference < 0.7


def test_kinds_are_as_frequent_as_asked_and_change_nothing_else() -> None:
    mixed = replace(SMALL, n=4000, others=("tetramer",), junk=0.1)
    kind = simulate.truth(mixed).kind
    assert np.mean(kind == -1) == pytest.approx(0.1, abs=0.02)
    assert np.mean(kind == 0) == pytest.approx(0.45, abs=0.03)
    assert np.mean(kind == 1) == pytest.approx(0.45, abs=0.03)
    np.testing.assert_array_equal(
        simulate.truth(mixed).rotations[:50], simulate.truth(replace(SMALL, n=50)).rotations
    )
    few = replace(mixed, n=30)
    known = simulate.truth(few)
    images, clean = np.stack(list(simulate.images(few))), simulate.signal(few, known)
    noise = images - simulate.signal_scale(few) * clean
    assert noise.std() == pytest.approx(1, abs=0.02)
    for kind, name in enumerate(few.molecules):
        mine = simulate.select(known, np.flatnonzero(known.kind == kind))
        alone = simulate.signal(replace(SMALL, molecule=name), replace(mine, kind=0 * mine.kind))
        np.testing.assert_allclose(clean[known.kind == kind], alone, atol=1e-5 * np.abs(clean).max())


def test_rare_views_are_a_tenth() -> None:
    height = np.abs(simulate.truth(replace(SMALL, n=4000, views="rare")).axes[:, 2])
    beyond = height < np.cos(np.deg2rad(simulate.RARE))
    assert beyond.mean() == pytest.approx(0.1 * np.cos(np.deg2rad(simulate.RARE)), abs=0.02)


def test_without_transfer_images_are_projections_and_the_table_has_no_defocus() -> None:
    stain = replace(SMALL, n=3, transfer=False)
    known = simulate.truth(stain)
    plain = simulate.project(simulate.molecule("ribosome"), known.rotations, known.shift, 48, 6.5)
    np.testing.assert_allclose(simulate.signal(stain, known), plain, atol=1e-6)
    assert "rlnDefocusU" not in simulate.star_blocks(stain, known)["particles"]
