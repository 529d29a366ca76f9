"""Starting averages of any grey scale come to the particles' scale."""

from pathlib import Path

import numpy as np
import pytest

from refine2d.fourier import crop, soft_mask
from refine2d.given import given_averages
from refine2d.input_rows import select
from refine2d.particles import ParticleStore
from refine2d.prepare import merge, write_piece
from refine2d.search.plan import Plan
from refine2d.simulate import Simulation, signal, truth, write_dataset
from refine2d.stacks.opening import open_source

APIX = 7.0
SIMULATION = Simulation("barrel", n=80, box=48, apix=APIX, snr=2, seed=1, max_shift=1.0)
PLAN = Plan(32, 13, 3)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> ParticleStore:
    """Strong particles at a box of 32, their CTF not corrected for."""
    folder = tmp_path_factory.mktemp("given")
    write_dataset(SIMULATION, folder)
    source = open_source(str(folder / "particles.mrcs"))
    number, excluded = select(source.n)
    write_piece(folder / "00.h5", source, number, excluded, 32, 13)
    return merge([folder / "00.h5"], Path(folder, "p.h5"), source, number, np.array([APIX]), None, "none")


def views(n):
    """The first particles without their noise, in grey values of their own."""
    return signal(SIMULATION, truth(SIMULATION, n))


def test_the_grey_scale_of_the_averages_does_not_matter(store):
    averages = views(3)
    made = given_averages(averages, store, PLAN)
    scaled = given_averages((averages + 5) * np.array([100, 0.01, 3], np.float32)[:, None, None], store, PLAN)
    np.testing.assert_allclose(scaled, made, atol=1e-3 * made.max())
    norms = np.linalg.norm(made, axis=(1, 2))
    np.testing.assert_allclose(norms, norms[0], rtol=1e-5)


def test_averages_at_the_working_size_or_the_inputs_are_the_same(store):
    small = given_averages(crop(views(3), 32), store, PLAN)
    np.testing.assert_allclose(small, given_averages(views(3), store, PLAN), atol=1e-3 * small.max())


def test_the_scale_is_the_particles(store, monkeypatch):
    """Where each particle has its own view, the views have the particles' power beyond the noise."""
    first = np.arange(4)
    monkeypatch.setattr(store, "used", np.isin(np.arange(store.n), first))
    made = given_averages(views(len(first)), store, PLAN)
    mask = soft_mask(32, PLAN.mask_radius).astype(float)
    excess = ((store.images(first) * mask) ** 2).sum((1, 2)).mean() - (mask**2).sum()
    np.testing.assert_allclose((np.linalg.norm(made, axis=(1, 2)) ** 2).mean(), excess, rtol=0.2)
