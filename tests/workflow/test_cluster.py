"""The profile for any scheduler, with one that starts each job at once; the job for Kubernetes, in a dry run."""

import subprocess
import sys

import pytest
import yaml
from small_project import ROOT

SCHEDULER = """#!/bin/sh
[ "$1" = --memory ] && [ "$2" -gt 0 ] && [ "$3" = --minutes ] && [ "$4" -gt 0 ] || exit 1
shift 4
setsid "$@" > /dev/null 2>&1 &
echo $!
"""


def test_a_scheduler_of_ones_own(particles, finished, tmp_path):
    pytest.importorskip(
        "snakemake_executor_plugin_cluster_generic", reason="the executor's plugin is not here"
    )
    project = particles.copy(tmp_path / "project")
    submit = tmp_path / "submit"
    submit.write_text(SCHEDULER)
    submit.chmod(0o755)
    profile = yaml.safe_load((ROOT / "profiles/generic/config.yaml").read_text())
    command = f"{submit} --memory {{resources.mem_mb}} --minutes {{resources.runtime}}"
    profile |= {"cluster-generic-submit-cmd": command, "latency-wait": 10, "max-threads": 2, "retries": 0}
    (tmp_path / "profile").mkdir()
    (tmp_path / "profile/config.yaml").write_text(yaml.safe_dump(profile))
    project.run(flags=("--workflow-profile", str(tmp_path / "profile"), "--until", "input_fp"))
    found, wanted = project.results(), finished.results()
    assert {"particles.h5", "input_fp.hdf", "input_fp_basis.hdf"} <= found.keys()
    assert [name for name in found if name != "0_refine2d_parms.json" and found[name] != wanted[name]] == []


def test_the_command_of_the_kubernetes_job(particles):
    pod = yaml.safe_load((ROOT / "profiles/kubernetes/job.yaml").read_text())["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["workingDir"] == container["volumeMounts"][0]["mountPath"]
    command = [sys.executable, "-m", "snakemake", "-s", str(ROOT / "Snakefile"), "-n", *container["args"]]
    there = particles.folder / "data"
    done = subprocess.run(command, cwd=there, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "simmx_piece" in done.stdout + done.stderr
