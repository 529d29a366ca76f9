"""Run the benchmark: simulate, classify with the workflow, score; one table in the end.

    python benchmarks/run.py --scratch scratch
    python benchmarks/run.py --scratch scratch --n 2000 --set ncls=20 iter=8

CPU seconds and memory are those of snakemake and all its jobs, as the kernel counts them.
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow" / "scripts"))
import score

from refine2d import simulate, usage
from refine2d.report.times import read_times

ROOT = Path(__file__).resolve().parent.parent
CONFIG = {"ncls": 50, "iter": 6, "mask_diameter": 270}


@dataclass
class Cost:
    """Wall seconds, CPU seconds of all processes, and the peak memory in MB of the largest one."""

    wall: float
    cpu: float
    memory: float


def measure(command: list[str], **more) -> tuple[int, Cost]:
    """Run a command; its exit status and what it and all that it waited for cost. `more` is for `subprocess.Popen`."""
    start = time.perf_counter()
    process = subprocess.Popen(command, **more)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall, cpu = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
    return process.returncode, Cost(wall, cpu, usage.ru_maxrss / 1024)


def workflow(particles: Path, folder: Path, config: dict[str, object], cores: int) -> Cost:
    """Run the workflow on `particles` into `folder` and say what it cost.

    Raises
    ------
    SystemExit
        When the workflow fails.
    """
    config = config | {"input": particles.resolve(), "path": folder.resolve()}
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--cores",
        str(cores),
    ]
    command += [
        "--quiet",
        "progress",
        "rules",
        "--config",
        *(f"{name}={value}" for name, value in config.items()),
    ]
    status, cost = measure(command, cwd=folder.parent)
    if status:
        sys.exit("The workflow failed; what it said stands above.")
    return cost


def at_work(folder: Path) -> float:
    """Seconds in which at least one job of a run was at work: a job's log is last written when it ends."""
    logs = [path for path in (folder / "logs").glob("*.log") if usage.read(path)]
    ends = [path.stat().st_mtime for path in logs]
    jobs = sorted((end - usage.read(path).seconds, end) for path, end in zip(logs, ends, strict=True))
    total, until = 0.0, 0.0
    for start, end in jobs:
        total += max(0.0, end - max(start, until))
        until = max(until, end)
    return total


def cost_table(cost: Cost, folder: Path) -> str:
    """The costs as lines of text: the whole run, then step by step."""
    lines = [
        f"wall {cost.wall:.0f} s, CPU {cost.cpu:.0f} s, largest process {cost.memory:.0f} MB",
        f"a job at work for {at_work(folder):.1f} s",
        "",
        f"{'step':24}{'CPU s':>8}{'wall s':>8}{'MB':>8}",
    ]
    steps = sorted(read_times(folder), key=lambda step: -step["cpu"])
    lines += ["{step:24}{cpu:8.1f}{seconds:8.1f}{memory:8.0f}".format(**step) for step in steps]
    return "\n".join(lines)


def options_of(words: list[str]) -> dict[str, str]:
    """Options from words like `ncls=20`."""
    return dict(word.split("=", 1) for word in words)


def main() -> None:
    default = simulate.BENCHMARK
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scratch", type=Path, required=True, help="folder for particles and run")
    parser.add_argument("--n", type=int, default=default.n, help="particles (default %(default)s)")
    parser.add_argument("--snr", type=float, default=default.snr, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=default.seed, help="of the simulation")
    parser.add_argument("--cores", type=int, default=2, help="default %(default)s")
    parser.add_argument("--name", default="run", help="the run's folder in the scratch folder")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE", help=f"besides {CONFIG}")
    options = parser.parse_args()
    sim = replace(default, n=options.n, snr=options.snr, seed=options.seed)
    data, folder = options.scratch / f"data_{sim.n}_{sim.snr}_{sim.seed}", options.scratch / options.name
    if not (data / "truth.h5").exists():
        simulate.write_dataset(sim, data)
    cost = workflow(data / "particles.star", folder, CONFIG | options_of(options.set), options.cores)
    sim, known = simulate.read_truth(data / "truth.h5")
    print(f"\n{cost_table(cost, folder)}\n")
    print(score.table(score.score(score.read_run(folder, sim.apix), sim, known)))


if __name__ == "__main__":
    main()
