"""RELION's own programs on the files of a run: they read them, and mean by them what we mean."""

import shutil
import subprocess

import mrcfile
import numpy as np
import pytest
import starfile
from small_project import SMALL

from refine2d.fourier import radius

pytestmark = pytest.mark.skipif(
    shutil.which("relion_stack_create") is None, reason="RELION's programs are not installed"
)


def relion(project, *command):
    done = subprocess.run(command, cwd=project.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def likeness(a, b):
    inside = radius(SMALL.box) < 0.4 * SMALL.box
    return np.corrcoef(a[inside], b[inside])[0, 1]


def mirrored(images):
    """Left and right exchanged about the centre pixel of an even box."""
    return np.roll(images[..., ::-1], 1, axis=-1)


def test_the_image_handler_reads_the_averages(continued):
    printed = relion(continued, "relion_image_handler", "--i", "run/classes.mrcs", "--stats")
    size = f"(x,y,z,n)= {SMALL.box} x {SMALL.box} x 1 x 1"
    for number in range(1, 5):
        assert f"{number:06d}@run/classes.mrcs : {size}" in printed
    assert f"angpix = {SMALL.apix:g}" in printed


def test_particles_transformed_by_relion_average_to_the_class_averages(continued):
    """Posed by RELION, members of each class give its average; mirrored members give it mirrored."""
    relion(
        continued,
        *("relion_stack_create", "--i", "run/particles.star", "--o", "posed", "--apply_transformation"),
    )
    posed = mrcfile.read(continued.folder / "posed.mrcs")
    particles = starfile.read(continued.folder / "run/particles.star")["particles"]
    averages = mrcfile.read(continued.folder / "run/classes.mrcs")
    assert len(posed) == len(particles)
    flipped = particles["rlnIsFlip"].to_numpy() == 1
    assert 10 < flipped.sum() < len(flipped) - 10
    posed[flipped] = mirrored(posed[flipped])
    for number, average in enumerate(averages, 1):
        members = particles["rlnClassNumber"].to_numpy() == number
        for half in (members & flipped, members & ~flipped):
            others = [a for k, a in enumerate(averages, 1) if k != number]
            mean = posed[half].mean(0)
            assert likeness(mean, average) > 0.7
            assert likeness(mean, average) > likeness(mirrored(mean), average)
            assert likeness(mean, average) > max(likeness(mean, other) for other in others)
