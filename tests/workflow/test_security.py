"""Names are data: no shell sees them, and what cannot be a name is refused with a sentence."""

import re

import pytest
from small_project import ROOT


def test_a_checkout_a_folder_and_files_with_strange_names(particles, tmp_path):
    name = '$(touch pwned) `touch pwned`; it\'s a "name" & more'
    project = particles.copy(tmp_path / name)
    (project.folder / "data").rename(project.folder / "the 'data' $(touch pwned)")
    data = "the 'data' $(touch pwned)"
    config = (
        f"input={data}/particles.mrcs",
        f"exclude={data}/exclude.txt",
        "apix=7",
        "ctf=none",
        f"path={name}",
    )
    project.run(*config, flags=("--until", "input_fp"))
    assert (project.folder / name / "input_fp.hdf").exists()
    assert not list(tmp_path.rglob("pwned")) and not list(ROOT.glob("pwned"))
    entry = (project.folder / name / "particles.lst").read_text().splitlines()[3]
    assert entry.split("\t")[1].strip().endswith("particles.mrcs")


@pytest.mark.parametrize("path", ["a{b}", "{chunk}", "a\x1b[2Jb"])
def test_names_that_cannot_be(particles, path):
    done = particles.call(f"path={path}")
    assert done.returncode == 1 and "Traceback" not in done.stdout
    said = r"^path is .*, but (the name of a file or folder here cannot have|it must be text)"
    assert re.search(said, done.stdout, re.M)


def test_no_step_runs_a_shell_or_unpickles():
    rules = "".join(path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk"))
    assert not re.search(r"^\s*(shell|run):", rules, re.M)
    for path in (ROOT / "workflow/scripts").rglob("*.py"):
        text = path.read_text()
        assert not re.search(
            r"\b(pickle|eval|exec|os\.system|os\.popen|yaml\.load|shell=True)\b\(?(?=\()", text
        ), path
        assert "allow_pickle=True" not in text
