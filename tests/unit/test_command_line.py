"""What the command line of e2refine2d makes of its flags and of the run's files."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml

import e2refine2d
from refine2d import lock, run
from refine2d.errors import UserError
from refine2d.stacks.mrc import write_mrcs

SCHEMA = yaml.safe_load(e2refine2d.SCHEMA.read_text())
INPUT = ("--input=p.mrcs", "--ncls=4")


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    """A folder with a small stack."""
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).normal(size=(60, 32, 32)).astype(np.float32)
    write_mrcs("p.mrcs", images, 5.0, 60, 32)


def prepare(*flags):
    return e2refine2d.prepare(e2refine2d.parser(SCHEMA).parse_args(flags), SCHEMA)


def started(*flags):
    """A run that was started in r1, and has done one iteration."""
    prepare(*INPUT, "--path=r1", *flags)
    run.write("r1", run.open_run("r1", e2refine2d.options.read(config("r1"), SCHEMA)))
    Path("r1/state_01.json").write_text("{}")


def config(path):
    return yaml.safe_load(Path(path, "e2refine2d.yaml").read_text())


@pytest.mark.parametrize("path", ["01", "2e1", "true"])
def test_a_path_is_text_whatever_it_looks_like(path):
    prepare(*INPUT, f"--path={path}")
    assert config(path) == {"input": "p.mrcs", "path": path, "ncls": 4}


def test_changes_that_are_a_single_mapping_are_kept_when_a_run_is_resumed():
    started()
    Path("r1/options.yaml").write_text("from: 2\nclasskeep: 0.7\n")
    prepare("--resume", "--path=r1", "--iter=2", "--classiter=2")
    changes = yaml.safe_load(Path("r1/options.yaml").read_text())
    assert changes == [{"from": 2, "classkeep": 0.7}, {"from": 2, "classiter": 2}]
    prepare("--resume", "--path=r1", "--iter=3")


def test_a_run_in_use_keeps_its_config_and_changes():
    started("--iter=1")
    before = config("r1")
    Path("r1/lock.json").write_text(lock.json.dumps(lock._owner(os.getppid())))
    for flags in ((*INPUT, "--iter=3"), ("--resume", "--iter=3", "--classiter=2")):
        with pytest.raises(UserError, match="r1 is in use by process"):
            prepare(*flags, "--path=r1")
    prepare("--resume", "--path=r1", "--check")
    assert config("r1") == before
    assert not Path("r1/options.yaml").exists()
