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
