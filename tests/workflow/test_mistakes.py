"""What a user gets wrong is answered with sentences, before anything runs."""

import subprocess
import sys

import numpy as np
import pytest
from small_project import ROOT

from refine2d.stacks.mrc import write_mrcs


def refused(project, *config):
    """The sentences; nothing may have been written, and no traceback printed."""
    done = project.call(*config)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout and "Error" not in done.stdout
    sentences = [
        line for line in done.stdout.splitlines() if line and not line.startswith(("Using", "Config file"))
    ]
    assert {file.name for file in project.folder.iterdir()} <= {"data", ".snakemake", "run"}
    return sentences


def test_options(particles):
    sentences = refused(
        particles, "nclas=4", "ncls=none", "classkeep=1.5", "mirror=maybe", "exclude=nowhere.txt"
    )
    assert sorted(sentences) == sorted(
        [
            "There is no option 'nclas': did you mean 'ncls'?",
            "ncls is none, but it must be a whole number from 2 to 10000.",
            "mirror is maybe, but it must be true or false.",
            "classkeep is 1.5, but a fraction is at most 1: "
            "set classkeepsig to true if you mean standard deviations.",
            "exclude is nowhere.txt, but there is no such file.",
        ]
    )


def test_options_that_do_not_fit_the_particles(particles):
    sentences = refused(particles, "ncls=40", "maxshift=20", "mask_diameter=300")
    assert [sentence.split()[0] for sentence in sentences] == ["ncls", "mask_diameter", "maxshift"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "is empty"), (b"data_particles\n\nloop_\n_rlnDefocusU #1\n1\n", "no column rlnImageName")],
)
def test_an_input_that_cannot_be_read(particles, tmp_path, content, said):
    project = particles.copy(tmp_path / "project")
    (project.folder / "data/particles.star").write_bytes(content)
    (sentence,) = refused(project)
    assert "data/particles.star" in sentence and said in sentence


def test_a_folder_with_a_run_on_another_input(continued):
    images = np.random.default_rng(0).normal(size=(120, 32, 32)).astype(np.float32)
    write_mrcs(continued.folder / "data/particles.mrcs", images, 7.0, 120, 32)
    (sentence,) = refused(continued)
    assert "run holds a run on another input (data/particles.star, 120 images)" in sentence


def test_what_only_a_job_can_find_out_is_a_sentence_too(particles, tmp_path):
    project = particles.copy(tmp_path / "project")
    write_mrcs(project.folder / "data/flat.mrcs", np.ones((60, 32, 32), np.float32), 7.0, 60, 32)
    (project.folder / "data/exclude.txt").write_text("")
    done = project.call("input=data/flat.mrcs")
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "data/flat.mrcs: no image can be used: 60 with the same value everywhere" in done.stdout


def test_too_few_images_that_can_be_used(particles, tmp_path):
    project = particles.copy(tmp_path / "project")
    images = np.ones((60, 32, 32), np.float32)
    images[:6] = np.random.default_rng(0).normal(size=(6, 32, 32))
    write_mrcs(project.folder / "data/poor.mrcs", images, 7.0, 60, 32)
    (project.folder / "data/exclude.txt").write_text("")
    done = project.call("input=data/poor.mrcs")
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "Only 6 particles can be used, too few for 4 classes: lower ncls." in done.stdout
    assert not (project.folder / "run/simmx_01").exists()


@pytest.mark.parametrize("path", ["data/particles.star/run", "/proc/run"])
def test_a_place_where_no_run_can_be(particles, path):
    done = particles.call(f"path={path}")
    assert done.returncode == 1 and "Traceback" not in done.stdout and "Error" not in done.stdout
    assert f"path is {path}, but " in done.stdout


def test_a_config_file_that_is_no_yaml(particles, tmp_path):
    (tmp_path / "my.yaml").write_text("ncls: [4")
    done = particles.call(flags=("--configfile", str(tmp_path / "my.yaml")))
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "Config file is not valid JSON or YAML" in done.stdout


def test_the_demo_needs_no_option(tmp_path):
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-n"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Demo: simulating particle images" in done.stdout + done.stderr
