"""A Slurm cluster of this machine, where Slurm is installed; `tests/slurm/cluster` says what it needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
from small_project import Project, write_particles

CLUSTER, CONFIGURATION = Path(__file__).with_name("cluster"), Path("/etc/slurm/slurm.conf")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A running cluster with the partitions ci and hi, the second preempting the first."""
    if not os.environ.get("REFINE2D_SLURM"):
        pytest.skip("these take minutes: REFINE2D_SLURM=1 python -m pytest tests/slurm")
    path = os.pathsep.join((os.environ["PATH"], "/usr/sbin"))
    missing = [name for name in PROGRAMS if not shutil.which(name, path=path)]
    if missing or os.geteuid():
        pytest.skip(f"no Slurm that can be started here: {', '.join(missing) or 'only root can'}")
    if CONFIGURATION.exists() and "ClusterName=ci\n" not in CONFIGURATION.read_text():
        pytest.skip("this machine belongs to a Slurm cluster already")
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="the executor's plugin is not installed")
    folder, environment = str(tmp_path_factory.mktemp("slurm")), os.environ | {"PATH": path}
    try:
        subprocess.run([str(CLUSTER), "start", folder], check=True, env=environment)
        yield
    finally:
        subprocess.run([str(CLUSTER), "stop", folder], check=True)


@pytest.fixture(scope="session")
def particles(tmp_path_factory) -> Project:
    """A project without a run."""
    folder = tmp_path_factory.mktemp("project")
    write_particles(folder / "data")
    return Project(folder)


@pytest.fixture(scope="session")
def local(particles, tmp_path_factory) -> Project:
    """A project with a run that this machine made without Slurm."""
    project = particles.copy(tmp_path_factory.mktemp("local") / "project")
    project.run("iter=1")
    return project
