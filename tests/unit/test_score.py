"""The scores: perfect classes are ideal, random ones random, and planted poses are recovered."""

import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import score

from refine2d import fourier, simulate, transforms
from refine2d.molecules import symmetry
from refine2d.stacks import hdf

SIM = replace(simulate.BENCHMARK, n=3000, box=48, apix=6.5)


@pytest.fixture(scope="module")
def known() -> simulate.Truth:
    return simulate.truth(SIM)


def nearest_of(axes: np.ndarray, k: int) -> np.ndarray:
    """Classes of about equal area: the nearest of k points spread evenly on the half sphere."""
    height = 1 - (np.arange(k) + 0.5) / k
    angle = np.pi * (3 - np.sqrt(5)) * np.arange(k)
    ring = np.sqrt(1 - height**2)
    points = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], 1)
    return np.abs(axes @ points.T).argmax(1)


def test_ideal_spread_agrees_with_random_points_in_a_cap() -> None:
    rng = np.random.default_rng(3)
    for k in (20, 50):
        cap = 1 - rng.uniform(size=(2, 40000)) / k
        phi = rng.uniform(0, 2 * np.pi, (2, 40000))
        ring = np.sqrt(1 - cap**2)
        a, b = np.stack([ring * np.cos(phi), ring * np.sin(phi), cap], 2)
        drawn = np.median(np.rad2deg(np.arccos((a * b).sum(1))))
        assert score.ideal_spread(k) == pytest.approx(drawn, rel=0.015)


def test_perfect_classes_have_nearly_the_ideal_spread(known) -> None:
    found = score.spread(known.axes, nearest_of(known.axes, 30))
    assert found == pytest.approx(score.ideal_spread(30), rel=0.1)


def test_random_classes_have_a_spread_of_sixty_degrees(known) -> None:
    labels = np.random.default_rng(0).integers(0, 20, SIM.n)
    assert score.spread(known.axes, labels) == pytest.approx(60, abs=1.5)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_spread_ignores_signs_of_axes_and_names_of_classes(seed: int) -> None:
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(60, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    labels = rng.integers(-1, 5, 60)
    labels[0] = 0
    mirrored = axes * rng.choice([-1, 1], 60)[:, None]
    renamed = np.where(labels < 0, -1, rng.permutation(5)[labels])
    assert score.spread(mirrored, renamed) == pytest.approx(score.spread(axes, labels))


def test_unclassified_particles_do_not_count(known) -> None:
    labels = nearest_of(known.axes, 30)
    junk = np.random.default_rng(1).permutation(SIM.n)[:1000]
    axes = known.axes.copy()
    axes[junk], labels[junk] = [0, 0, 1], -1
    assert score.spread(axes, labels) == pytest.approx(score.ideal_spread(30), rel=0.1)


@pytest.mark.parametrize(
    "angle, mirror, shift", [(0, False, (0, 0)), (133.7, False, (2.3, -1.6)), (251.2, True, (-3.4, 0.8))]
)
def test_the_projection_is_turned_mirrored_and_shifted_onto_an_average(angle, mirror, shift) -> None:
    molecule = simulate.molecule(SIM.molecule)
    axis = np.array([0.48, -0.6, 0.64])
    frame = (
        np.diag([-1 if mirror else 1, 1, 1])
        @ simulate.euler_matrices(0, 0, angle)[0]
        @ score.view_along(axis)
    )
    average = simulate.project(molecule, frame, np.array([shift]), SIM.box, SIM.apix)[0]
    found = score.match_projection(average, molecule, -axis, SIM.apix)
    assert np.corrcoef(found.ravel(), average.ravel())[0, 1] > 0.999
    assert score.resolution(score.frc(found, average), SIM.apix) == 2 * SIM.apix


def test_resolution_is_where_agreement_ends() -> None:
    rng = np.random.default_rng(5)
    a, other = rng.normal(size=(2, 64, 64))
    shared = fourier.ring_index(64) <= 15
    b = fourier.ift(np.where(shared, fourier.ft(a), fourier.ft(other)), 64)
    assert score.resolution(score.frc(a, b), 2.0) == pytest.approx(2.0 * 64 / 15.5, rel=0.04)
    assert score.resolution(score.frc(a, other), 2.0) == 128.0


def test_alignments_that_undo_the_truth_have_no_error(known) -> None:
    k = 30
    labels = nearest_of(known.axes, k)
    alignments = true_alignments(known, labels)
    run = score.Run(labels, np.arange(SIM.n), labels >= 0, alignments)
    angle, shift = score.alignment_errors(run, known)
    assert angle < 0.5 and shift < 1e-3

    rng = np.random.default_rng(2)
    direction = rng.uniform(0, 2 * np.pi, SIM.n)
    turned = transforms.compose(alignments, transforms.alignment(rng.uniform(-4, 4, SIM.n)))
    moved = transforms.compose(
        turned, transforms.alignment(sx=1.5 * np.cos(direction), sy=1.5 * np.sin(direction))
    )
    angle, shift = score.alignment_errors(score.Run(labels, run.rows, run.kept, moved), known)
    assert angle == pytest.approx(2, abs=0.3)
    assert shift == pytest.approx(1.5, abs=0.15)


def true_alignments(known: simulate.Truth, labels: np.ndarray) -> np.ndarray:
    """What turns each particle into the frame of its class, mirrored where it is seen from behind."""
    out = transforms.alignment(np.zeros(len(labels)), sx=known.shift[:, 0], sy=known.shift[:, 1], ref=labels)
    for label in np.unique(labels):
        members = labels == label
        target = score.view_along(score.mean_axis(known.axes[members]))
        between = known.rotations[members] @ target.T
        mirror = between[:, 2, 2] < 0
        sign = np.where(mirror, -1, 1)
        out["mirror"][members] = mirror
        out["angle"][members] = (
            np.rad2deg(
                np.arctan2(
                    sign * between[:, 1, 0] - between[:, 0, 1], sign * between[:, 0, 0] + between[:, 1, 1]
                )
            )
            % 360
        )
    return out


def test_a_star_file_and_a_label_file_score_alike(known, tmp_path) -> None:
    labels = nearest_of(known.axes, 30)
    labels[::7] = -1
    (tmp_path / "labels.txt").write_text("\n".join(map(str, labels)))
    lines = [f"{i + 1}@particles.mrcs {label + 1}" for i, label in enumerate(labels)]
    header = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnClassNumber #2\n"
    shuffled = np.random.default_rng(4).permutation(SIM.n)
    (tmp_path / "run_data.star").write_text(header + "\n".join(lines[i] for i in shuffled) + "\n")
    runs = [score.read_run(tmp_path / name, SIM.apix) for name in ("labels.txt", "run_data.star")]
    spreads = [score.score(run, SIM, known)["spread (deg)"] for run in runs]
    assert spreads[0] == pytest.approx(spreads[1])
    assert spreads[0] == pytest.approx(score.spread(known.axes, labels))


def test_a_run_folder_gives_its_last_iteration_and_its_alignments_in_input_pixels(known, tmp_path) -> None:
    labels = nearest_of(known.axes, 30)
    planted = true_alignments(known, labels)
    rows = np.arange(0, SIM.n, 2)  # a run on every other particle, at half the box
    alpha, tx, ty, mirror, _ = transforms.to_eman2(planted[rows])
    weight = np.where(rows % 10 == 0, 0, 1)
    columns = (labels[rows], weight, tx, ty, alpha, mirror)
    averages = np.random.default_rng(0).normal(size=(30, 24, 24))
    for number in ("01", "02"):
        hdf.write_hdf(tmp_path / f"classmx_{number}.hdf", [np.zeros((len(rows), 1), np.float32)] * 6)
        hdf.write_hdf(tmp_path / f"classes_{number}.hdf", averages * int(number))
    hdf.write_hdf(tmp_path / "resultmx_02.hdf", [np.float32(column)[:, None] for column in columns])
    with h5py.File(tmp_path / "particles.h5", "w") as store:
        store["number"] = rows
        store.attrs["apix"] = 2 * SIM.apix

    run = score.read_run(tmp_path, SIM.apix)
    np.testing.assert_array_equal(run.labels, labels[rows])
    np.testing.assert_array_equal(run.kept, rows % 10 != 0)
    np.testing.assert_allclose(run.averages, 2 * averages, rtol=1e-6)
    figures = score.score(run, SIM, known)
    assert figures["spread (deg)"] == pytest.approx(score.spread(known.axes[rows], labels[rows]))
    assert figures["in-plane angle error (deg)"] < 0.5 and figures["shift error (px)"] < 1e-3
    assert score.read_run(tmp_path, SIM.apix, 1).labels.max() == 0


def test_symmetric_copies_of_an_axis_are_the_same_view() -> None:
    turns = symmetry("tetramer")
    axes = np.random.default_rng(5).normal(size=(40, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    copies = np.stack([axis @ turns[i % 4] for i, axis in enumerate(axes)])
    np.testing.assert_allclose(score.angles_between(axes, copies, turns).diagonal(), 0, atol=1e-4)
    near = score.view_along(np.array([0.3, 0.5, 0.8]) / np.linalg.norm([0.3, 0.5, 0.8]))[2]
    assert np.abs(score.mean_axis(near @ turns, turns) @ (near @ turns).T).max() == pytest.approx(1)


def test_molecules_and_junk_are_told_apart_by_classes() -> None:
    sim = replace(SIM, n=2000, others=("tetramer",), junk=0.2)
    known = simulate.truth(sim)
    perfect = known.kind + 1
    figures = score.score(score.Run(perfect, np.arange(sim.n), perfect >= 0), sim, known)
    assert figures["purity (%)"] == 100
    assert figures["junk in junk classes (%)"] == 100
    assert figures["good in junk classes (%)"] == 0
    assert "good suggested (%)" not in figures
    advised = score.Run(perfect, np.arange(sim.n), perfect >= 0, suggested=np.array([False, True, False]))
    figures = score.score(advised, sim, known)
    share = (known.kind == 0).sum() / (known.kind >= 0).sum()
    assert figures["good suggested (%)"] == pytest.approx(100 * share)
    assert figures["junk suggested (%)"] == 0
    mixed = np.arange(sim.n) % 5
    figures = score.score(score.Run(mixed, np.arange(sim.n), mixed >= 0), sim, known)
    assert figures["purity (%)"] == pytest.approx(50, abs=5)
    assert figures["junk in junk classes (%)"] == 0


def test_rare_views_in_a_class_of_their_own_are_found() -> None:
    sim = replace(SIM, n=2000, views="rare")
    known = simulate.truth(sim)
    rare = np.rad2deg(np.arccos(np.abs(known.axes[:, 2]))) > simulate.RARE
    name = "rare views in classes of their own (%)"
    for labels, share in ((rare.astype(int), 100), (np.arange(sim.n) % 3, 0)):
        figures = score.score(score.Run(labels, np.arange(sim.n), labels >= 0), sim, known)
        assert figures[name] == share
