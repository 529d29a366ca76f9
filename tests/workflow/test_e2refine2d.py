"""The command line of e2refine2d: what it writes, what it says, and the typical line on a real stack."""

import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import yaml
from small_project import ROOT, SMALL

import e2refine2d
from refine2d import options, run, simulate
from refine2d.extent import SETTINGS
from refine2d.fourier import ft, ring_sum
from refine2d.names import KINDS
from refine2d.stacks.hdf import read_hdf, read_headers, write_hdf
from refine2d.tables import read_classmx

LINE = re.search(r"^e2refine2d\.py (--iter=6.*)$", (ROOT / "docs/e2refine2d.md").read_text(), re.MULTILINE)[1]


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    """A folder with an HDF stack."""
    folder = tmp_path_factory.mktemp("hdf")
    header = {"apix_x": SMALL.apix, "apix_y": SMALL.apix}
    write_hdf(folder / "inputparticles.hdf", list(simulate.images(SMALL)), [header] * SMALL.n)
    return folder


def call(folder, line, code=0):
    """What the command line prints; its exit code has to be `code`."""
    command = [sys.executable, str(ROOT / "e2refine2d.py"), *shlex.split(line)]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == code, done.stdout
    assert "Traceback" not in done.stdout
    return done.stdout


def config(folder, path="r2d_01"):
    return yaml.safe_load((folder / path / "e2refine2d.yaml").read_text())


def names_here(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.match("*/.snakemake/*")}


@pytest.fixture(scope="module")
def classic(stack):
    """The typical line, run with fewer iterations and classes than it says; what it printed."""
    return call(stack, f"{LINE} --iter=1 --ncls=8 --parallel=thread:2")


def test_the_typical_line_makes_averages(classic, stack):
    assert "Iteration 1: 120 particles in 8 classes" in classic
    classes = read_hdf(stack / "r2d_01/classes_01.hdf")
    assert len(classes) == 8 and classes.std(axis=(1, 2)).min() > 0
    vectors = read_hdf(stack / "r2d_01/input_01_proj.hdf")[0][:, 4:]
    assert vectors.shape[1] == 5
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    assert len(read_hdf(stack / "r2d_01/aliref_01.hdf")) == 7


def test_the_shipped_config_is_that_line(classic, stack):
    shipped = yaml.safe_load((ROOT / "config/e2refine2d.yaml").read_text())
    assert config(stack) | {"iter": 6, "ncls": 48} == shipped


def test_resume_goes_on_and_changes_hold_from_there_on(classic, stack):
    before = (stack / "r2d_01/classes_01.hdf").read_bytes()
    printed = call(stack, "--resume --iter=2 --classaverager=median --simcmp=ml -P thread:2")
    assert "From iteration 2 on: simcmp=ml, classaverager=median" in printed
    assert yaml.safe_load((stack / "r2d_01/options.yaml").read_text()) == [
        {"from": 2, "simcmp": "ml", "classaverager": "median"}
    ]
    assert (stack / "r2d_01/classes_01.hdf").read_bytes() == before
    assert len(read_hdf(stack / "r2d_01/classes_02.hdf")) == 8
    assert not (stack / "r2d_01/classes_03.hdf").exists()
    source = [header["source_class"] for header in read_headers(stack / "r2d_01/allrefs_02.hdf")]
    assert sorted(source) == list(range(8))
    again = call(stack, "--resume --ncls=5", code=1)
    assert again == "ncls cannot change when a run is resumed: leave it out, or start another run.\n"


def test_the_next_free_number_is_taken(classic, stack):
    printed = call(stack, "--input=inputparticles.hdf --ncls=5 --check")
    assert "5 classes, 8 iterations, in r2d_02. Nothing was done." in printed
    assert not (stack / "r2d_02").exists()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--ncls=4", "input is missing: give --input=particles.hdf."),
        ("--input=bdb:set#1", "e2proc2d.py bdb:set#1 particles.hdf"),
        ("--input=nowhere.hdf", "input is nowhere.hdf, but there is no such file."),
        ("--input=nowhere.lst", "input is nowhere.lst, but there is no such file."),
        ("--input=inputparticles.hdf --ncls=90", "ncls is 90, too many for 120 particles"),
        ("--input=inputparticles.hdf --simcp=ccc", "There is no option --simcp: did you mean --simcmp?"),
        ("--input=inputparticles.hdf --threads=4", "There is no option --threads: give --parallel=thread:4"),
        ("--input=inputparticles.hdf --version", "There is no option --version: run.json in a run's folder"),
        ("inputparticles.hdf", "'inputparticles.hdf' belongs to no option"),
        ("--input=inputparticles.hdf --simcmp=fcr", "there is no such comparator: the nearest is frc."),
        ("--input=inputparticles.hdf --classkeep=1.5", "a fraction is at most 1"),
        ("--input=inputparticles.hdf --parallel=dc:localhost:9990", "give thread:4 for four cores"),
        ("--input=inputparticles.hdf --parallel=thread:0", "give thread:4 for four cores"),
        ("--resume --path=nowhere", "nowhere holds no run to resume"),
    ],
)
def test_mistakes_are_sentences_and_nothing_is_written(stack, line, said):
    before = names_here(stack)
    printed = call(stack, line, code=1)
    assert said in printed and len(printed.strip().splitlines()) == 1
    assert names_here(stack) == before


def test_what_changes_when_a_run_is_resumed_has_to_fit_the_particles(stack, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given = {"input": str(stack / "inputparticles.hdf"), "ncls": 4}
    run.write(
        "r2d_01", run.open_run("r2d_01", options.read(given, yaml.safe_load(e2refine2d.SCHEMA.read_text())))
    )
    (tmp_path / "r2d_01/e2refine2d.yaml").write_text(yaml.safe_dump(given))
    before = names_here(tmp_path)
    said = call(tmp_path, "--resume --maxshift=30 --naliref=50 --check", code=1).splitlines()
    assert said[1:] == [
        "From iteration 1 on, maxshift is 30 pixels, but the box is 32: give at most a third of it.",
        "From iteration 1 on, naliref is 50, but there are only 4 averages (ncls).",
    ]
    assert names_here(tmp_path) == before


def test_a_written_config_that_cannot_be_read(tmp_path):
    (tmp_path / "r2d_01").mkdir()
    (tmp_path / "r2d_01/run.json").write_text("{}")
    (tmp_path / "r2d_01/e2refine2d.yaml").write_text("input: [")
    said = call(tmp_path, "--resume", code=1)
    assert said == "r2d_01/e2refine2d.yaml is not YAML: while parsing a flow node.\n"


def test_a_place_where_no_run_can_be(stack):
    said = call(stack, "--input=inputparticles.hdf --ncls=4 --path=/proc/run", code=1)
    assert said.startswith("path is /proc/run, but nothing can be written there: ")
    assert len(said.splitlines()) == 1


def test_short_forms_and_what_has_no_effect(stack):
    printed = call(
        stack, "--input=inputparticles.hdf --ncls=4 -c -v 3 -P thread:2 --dbls=x --ppid=7 --maxshift=-1"
    )
    assert "dbls has no effect here." in printed
    printed = call(stack, "--input=inputparticles.hdf --ncls=4 -c --simralign=refine:stepx=2 --shrink=0")
    assert "simralign: stepx of refine has no effect here." in printed


def test_a_stack_that_eman2_has_phase_flipped_and_a_list_of_it_are_taken_as_such(stack, tmp_path):
    images = list(read_hdf(stack / "inputparticles.hdf"))
    plain, flipped = ({"apix_x": 7.0, "ctf_phase_flipped": value} for value in (0, 1))
    for name, header in (("plain", plain), ("header", flipped), ("a__ctf_flip", plain)):
        write_hdf(tmp_path / f"{name}.hdf", images, [header] * len(images))
        said = call(tmp_path, f"--input={name}.hdf --ncls=4 --check")
        assert ("ctf is flipped" in said) == (name != "plain")
        (tmp_path / f"{name}.lst").write_text("".join(f"{i}\t{name}.hdf\n" for i in range(len(images))))
        said = call(tmp_path, f"--input={name}.lst --ncls=4 --check")
        assert ("ctf is flipped" in said) == (name != "plain")
    assert "ctf is flipped" not in call(tmp_path, "--input=header.hdf --ctf=none --ncls=4 --check")


def test_mpi_names_the_slurm_profile(stack, monkeypatch):
    """What the line hands over to, and that Snakemake takes it."""
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the executor's plugin is not here")
    handed = []
    monkeypatch.chdir(stack)
    monkeypatch.setattr(e2refine2d.os, "execv", lambda program, command: handed.append(command))
    e2refine2d.main(
        ["--input=inputparticles.hdf", "--ncls=4", "--path=on_slurm", "--parallel=mpi:40:/scratch"]
    )
    (command,) = handed
    profile, jobs = (command[command.index(flag) + 1] for flag in ("--workflow-profile", "--jobs"))
    assert (profile, jobs) == (str(ROOT / "profiles/slurm"), "40") and "--cores" not in command
    assert yaml.safe_load((ROOT / "profiles/slurm/config.yaml").read_text())["executor"] == "slurm"
    planned = subprocess.run([*command, "-n"], capture_output=True, text=True)
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "simmx_piece" in planned.stdout


def test_every_option_is_a_flag_and_has_help(stack):
    printed = call(stack, "--help")
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    for name in (*schema["properties"], "parallel", "resume", "check", "verbose", "dbls", "ppid"):
        assert f"--{name} " in printed or f"--{name}\n" in printed


def test_the_docs_name_all_names_and_say_what_an_aligner_sets():
    text = (ROOT / "docs/e2refine2d.md").read_text()
    for kind in KINDS.values():
        for name in set(kind) - {"none"}:
            assert f"`{name}`" in text
    rows = re.findall(r"^\| (`.*?) \| (yes|no) \| (yes|no) \| (yes|no) \|", text, re.MULTILINE)
    found = {name: values for first, *values in rows for name in re.findall(r"`(\w+)`", first)}
    assert found == {name: ["yes" if v else "no" for v in values] for name, values in SETTINGS.items()}


@pytest.mark.parametrize(
    "options",
    [
        (
            "simcmp=frc",
            "simaligncmp=frc",
            "simraligncmp=frc",
            "classcmp=phase",
            "classaverager=ctf.weight.autofilt",
        ),
        ("simalign=rotate_trans_flip_scale:step=0.05", "classalign=rotate_translate_scale:step=0.05"),
        ("simalign=rotate_flip", "simralign=none", "classalign=translational", "center=xform.centerofmass"),
        ("simcmp=optsub", "classcmp=optvariance", "classnormproc=normalize.toimage", "classaverager=median"),
        (
            "invariant=bispectrum",
            "automask=true",
            "centeracf=true",
            "classrefsf=true",
            "classnormproc=normalize.toimage",
        ),
    ],
)
def test_runs_by_other_names(particles, tmp_path, options):
    project = particles.copy(tmp_path / "project")
    project.run("iter=1", "resultmx=copy.hdf", *options)
    run = project.folder / "run"
    classes = read_hdf(run / "classes_01.hdf")
    assert np.isfinite(classes).all() and classes.std(axis=(1, 2)).min() > 0
    labels, _, poses = read_classmx(run / "classmx_01.hdf", 1.0)
    assert set(labels[labels >= 0]) == set(range(4))
    if "classrefsf=true" in options:
        for name in ("classes_01.hdf", "classes.hdf"):  # the box is the working size
            powers = [
                ring_sum(np.abs(ft(read_hdf(run / file))) ** 2, 32) for file in (name, "allrefs_01.hdf")
            ]
            np.testing.assert_allclose(powers[0][:, 1:12], powers[1][:, 1:12], rtol=0.02)
    if "simalign=rotate_flip" in options:
        assert not poses["sx"].any()
    if "simalign=rotate_trans_flip_scale:step=0.05" in options:
        members = read_classmx(run / "resultmx_01.hdf", 1.0)[2]
        for tried in (poses, members):
            found = set((100 / tried["scale"]).round().tolist())
            assert (
                found <= {95, 100, 105} and len(found) > 1
            )  # which of them is chance: the particles have one size
    assert (project.folder / "copy.hdf").read_bytes() == (run / "resultmx_01.hdf").read_bytes()
