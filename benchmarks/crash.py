"""Kill a tiny run over and over, and count what came of it: python benchmarks/crash.py --scratch DIR [--kills 100]

Workflow, jobs, or all processes get SIGKILL, SIGTERM or SIGINT at random moments; between, files are damaged or get
time stamps of another day. Each time the same command goes on, and the finished run is compared with one that nothing
interrupted.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests/workflow"))
sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))

from interrupting import Tally, interrupt
from small_project import Project, write_particles


def main() -> None:
    """Print how many interruptions of each kind there were, and what came of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scratch", type=Path, required=True, help="a folder for the runs")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.scratch.mkdir(parents=True)
    write_particles(options.scratch / "data")
    particles = Project(options.scratch)
    whole = particles.copy(options.scratch / "whole")
    whole.run()
    tally, runs = Tally(), 0
    while tally.rounds.total() < options.kills:
        runs += 1
        project = Project(options.scratch / f"run_{runs:03d}")
        project.folder.mkdir()
        (project.folder / "data").symlink_to("../data")
        interrupt(project, whole.results(), options.seed + runs, options.kills, tally)
        print(f"{tally.rounds.total()} interruptions, {len(tally.different)} files differ", flush=True)
    for kind, count in sorted(tally.rounds.items()):
        print(f"{count:4d}  {kind}")
    print(f"{tally.rounds.total()} interruptions of {runs} runs, seed {options.seed}")
    print(f"{tally.lost} jobs were in hand, {tally.twice} finished ones were done twice")
    print(f"{len(tally.missing)} files had been damaged after their last use, and were made again by name")
    print(f"{len(tally.different)} files differ from those of an uninterrupted run {tally.different}")


if __name__ == "__main__":
    main()
