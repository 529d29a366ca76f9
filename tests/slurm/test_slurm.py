"""The small run on a real Slurm: the same bytes as without, whatever happens to jobs and to the command itself.

They take minutes and run when asked for: REFINE2D_SLURM=1 python -m pytest tests/slurm
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from small_project import ROOT

from refine2d.difference import compare

PATH = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
PROFILE = ("--workflow-profile", str(ROOT / "profiles/slurm"), "--jobs", "4", "--max-threads", "2")
PROFILE += ("--slurm-status-command", "squeue", "--latency-wait", "3")
PROFILE += ("--slurm-init-seconds-before-status-checks", "2")
PROFILE += ("--default-resources", "slurm_partition=ci", "mem_mb=500", "runtime=10")
ONE_JOB = ("--partition=ci", "--cpus-per-task=2", "--mem=2G", "--output=one.log", f"--export=ALL,PATH={PATH}")
MINUTES = 15

# Snakemake, but that it asks every other second what became of its jobs, where it would wait ever longer.
IMPATIENT = """
from snakemake.cli import main
from snakemake_executor_plugin_slurm import Executor
Executor.next_seconds_between_status_checks = property(lambda self: 2, lambda self, seconds: None)
main()
"""


def ask(*command, **how):
    return subprocess.run(command, check=True, capture_output=True, text=True, **how).stdout.strip()


def queue(*words):
    """Numbers of the jobs that wait or run."""
    return ask("squeue", "--noheader", "--partition=ci", "--format=%i", *words).split()


def facts(job):
    """What Slurm knows of a job."""
    return dict(word.split("=", 1) for word in ask("scontrol", "show", "job", job).split() if "=" in word)


def until(true, *what):
    """Wait for something; what it is."""
    for _ in range(MINUTES * 60):
        if found := true(*what):
            return found
        time.sleep(1)
    raise TimeoutError


class Workflow:
    """The workflow as its profile for Slurm says it, on the login node."""

    def __init__(self, project):
        self.log = project.folder / "slurm.log"
        given = project.command("iter=1")
        place = given.index("--cores")
        command = [sys.executable, "-c", IMPATIENT, *given[3:place], *PROFILE, *given[place + 2 :]]
        out = self.log.open("a")
        how = {"cwd": project.folder, "stdout": out, "stderr": out, "env": os.environ | {"PATH": PATH}}
        self.process = subprocess.Popen(command, **how)

    def running(self, but=()):
        """A job of it that runs, other than those of `but`."""

        def one():
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            return [job for job in queue("--states=running") if job not in but][-1:]

        return until(one)[0]

    def finish(self):
        assert self.process.wait(MINUTES * 60) == 0, self.log.read_text()[-3000:]


def agree(project, local):
    _, different, alone = compare(local.folder / "run", project.folder / "run")
    assert (different, alone) == ([], [])


def test_jobs_are_lost_and_the_command_is_killed(slurm, particles, local, tmp_path):
    project = particles.copy(tmp_path / "project")
    workflow = Workflow(project)

    requeued = workflow.running()
    ask("scontrol", "requeue", requeued)
    preempted = workflow.running(but=[requeued])
    ask("sbatch", "--partition=hi", "--exclusive", "--wrap=sleep 2", "--output=/dev/null")
    until(lambda: facts(preempted)["Restarts"] == "1")
    assert facts(requeued)["Restarts"] >= "1"

    cancelled = workflow.running(but=[requeued, preempted])
    ask("scancel", cancelled)
    workflow.running(but=[requeued, preempted, cancelled])
    assert facts(cancelled)["JobState"] == "CANCELLED"

    os.kill(workflow.process.pid, signal.SIGKILL)
    workflow.process.wait()
    Workflow(project).finish()
    agree(project, local)


def test_one_job_for_the_whole_run(slurm, particles, local, tmp_path):
    project = particles.copy(tmp_path / "project")
    run, given = project.folder / "run", project.command("iter=1")
    options = given[given.index("--config") + 1 :]
    submit = ("sbatch", "--parsable", *ONE_JOB, str(ROOT / "profiles/slurm/one_job.sh"), *options)

    job = ask(*submit, cwd=project.folder)
    until((run / "particles.h5").exists)
    ask("scancel", job)
    until(lambda: job not in queue())
    assert facts(job)["JobState"] == "CANCELLED"
    assert not (run / "state_01.json").exists()

    job = ask(*submit, cwd=project.folder)
    until((run / "classes_init.hdf").exists)
    ask("scancel", "--signal=TERM", "--batch", job)  # as Slurm does before the time ends
    until(lambda: job not in queue())
    assert facts(job)["Restarts"] == "1"
    agree(project, local)
