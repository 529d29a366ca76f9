"""The small run on a real Slurm: the same bytes as without, whatever happens to jobs and to the command itself.

They take long and run when asked for: REFINE2D_SLURM=1 python -m pytest tests/slurm
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from small_project import ROOT

from refine2d.difference import compare

CI = [
    "--executor",
    "slurm",
    "--jobs",
    "4",
    "--max-threads",
    "2",
    "--slurm-status-command",
    "squeue",
    "--latency-wait",
    "3",
]
CI += [
    "--slurm-init-seconds-before-status-checks",
    "6",
    "--default-resources",
    "slurm_partition=ci",
    "mem_mb=500",
    "runtime=10",
]
MINUTES = 15


def ask(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def start(project):
    """The workflow on Slurm, as its profile says it."""
    given = project.command("iter=1")
    place = given.index("--cores")
    profile = ["--workflow-profile", str(ROOT / "profiles/slurm")]
    command = [*given[:place], *profile, *CI, *given[place + 2 :]]
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    log = (project.folder / "slurm.log").open("a")
    environment = os.environ | {"PATH": path}
    return subprocess.Popen(command, cwd=project.folder, stdout=log, stderr=log, env=environment)


def running(project, workflow):
    """The number of a job that runs."""
    for _ in range(MINUTES * 60):
        assert workflow.poll() is None, (project.folder / "slurm.log").read_text()[-3000:]
        if jobs := ask("squeue", "--noheader", "--partition=ci", "--states=running", "--format=%i").split():
            return jobs[-1]
        time.sleep(1)
    raise TimeoutError


def finish(project, workflow):
    assert workflow.wait(MINUTES * 60) == 0, (project.folder / "slurm.log").read_text()[-3000:]


def agree(project, local):
    _, different, alone = compare(local.folder / "run", project.folder / "run")
    assert (different, alone) == ([], [])


@pytest.mark.parametrize("event", ["requeue", "preemption", "scancel"])
def test_a_job_is_lost(slurm, particles, local, tmp_path, event):
    project = particles.copy(tmp_path / "project")
    workflow = start(project)
    job = running(project, workflow)
    if event == "preemption":
        ask("sbatch", "--partition=hi", "--exclusive", "--wrap=sleep 5", "--output=/dev/null")
    else:
        ask(*{"requeue": ("scontrol", "requeue", job), "scancel": ("scancel", job)}[event])
    finish(project, workflow)
    agree(project, local)


def test_the_command_is_killed(slurm, particles, local, tmp_path):
    project = particles.copy(tmp_path / "project")
    workflow = start(project)
    running(project, workflow)
    os.kill(workflow.pid, signal.SIGKILL)
    workflow.wait()
    finish(project, start(project))
    agree(project, local)


def test_one_job_for_the_whole_run(slurm, particles, local, tmp_path):
    project = particles.copy(tmp_path / "project")
    given = project.command("iter=1")
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    script = str(ROOT / "profiles/slurm/one_job.sh")
    size = ["--partition=ci", "--cpus-per-task=2", "--mem=2G", "--output=one.log"]
    submit = [
        "sbatch",
        "--parsable",
        *size,
        f"--export=ALL,PATH={path}",
        script,
        *given[given.index("--config") + 1 :],
    ]
    job = subprocess.run(
        submit, cwd=project.folder, check=True, capture_output=True, text=True
    ).stdout.strip()
    while not (project.folder / "run/particles.h5").exists():
        time.sleep(1)
    ask("scontrol", "requeue", job)
    while ask("squeue", "--noheader", f"--jobs={job}", "--format=%T").strip():
        time.sleep(2)
    agree(project, local)
