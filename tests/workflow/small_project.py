"""A small project, and Snakemake as a user calls it."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

from refine2d import simulate
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.star_text import write_star

ROOT = Path(__file__).parents[2]
SMALL = simulate.Simulation("barrel", n=120, box=32, apix=7.0, snr=0.5, seed=3, max_shift=2.0)
CONSTANT, NOT_FINITE, EXCLUDED = 17, 90, 101  # images of the small stack that no average may have
CONFIG = (
    "input=data/particles.star",
    "exclude=data/exclude.txt",
    "ncls=4",
    "nearrefs=3",
    "chunk=64",
    "path=run",
)
ITERATIONS = "iter=2"


class Project:
    """A folder with particles and runs.

    Attributes
    ----------
    folder : Path
    checkout : Path
        Of the workflow.
    """

    def __init__(self, folder: Path, checkout: Path = ROOT):
        self.folder, self.checkout = folder, checkout

    def command(self, *config: str, cores: int = 2, flags: tuple[str, ...] = ()) -> list[str]:
        """Snakemake's command line; options in `config` win over CONFIG."""
        given = dict(option.split("=", 1) for option in (*CONFIG, ITERATIONS, *config))
        options = [f"{name}={value}" for name, value in given.items()]
        snakefile = str(self.checkout / "Snakefile")
        return [
            sys.executable,
            "-m",
            "snakemake",
            "-s",
            snakefile,
            "--cores",
            str(cores),
            *flags,
            "--config",
            *options,
        ]

    def call(self, *config: str, cores: int = 2, flags: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
        """Run Snakemake in the project; stdout and stderr are joined in `stdout`."""
        command = self.command(*config, cores=cores, flags=flags)
        joined = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.run(command, cwd=self.folder, **joined)

    def run(self, *config: str, cores: int = 2, flags: tuple[str, ...] = ()) -> str:
        """Run Snakemake, which has to succeed; what it printed."""
        done = self.call(*config, cores=cores, flags=flags)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def planned(self, *config: str, flags: tuple[str, ...] = ()) -> dict[str, int]:
        """Jobs of each rule that a dry run lists, without `all` and the always cheap `parms`."""
        printed = self.run(*config, flags=("-n", *flags, "--quiet", "rules"))
        if "Nothing to be done" in printed:
            return {}
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\ntotal", printed, re.DOTALL)[1]
        jobs = {name: int(count) for name, count in (line.split() for line in table.splitlines())}
        return {name: count for name, count in jobs.items() if name not in ("all", "parms")}

    def results(self, path: str = "run") -> dict[str, bytes]:
        """Every file of a run but logs, by name; the report without the times it tells of."""
        files = (file for file in sorted((self.folder / path).rglob("*")) if file.is_file())
        named = {str(file.relative_to(self.folder / path)): file.read_bytes() for file in files}
        for page in named.keys() & {"report.html"}:
            named[page] = re.sub(rb'(id="times">)[^<]*', rb"\1", named[page])
        return {name: data for name, data in named.items() if not name.startswith("logs/")}

    def copy(self, folder: Path, without_run: bool = False) -> "Project":
        """A copy with the same time stamps."""
        left_out = shutil.ignore_patterns("run", ".snakemake") if without_run else None
        shutil.copytree(self.folder, folder, ignore=left_out)
        return Project(folder, self.checkout)


def write_particles(folder: Path) -> None:
    """The small stack with two damaged images, and a file that excludes a third."""
    folder.mkdir()
    images = np.stack(list(simulate.images(SMALL)))
    images[CONSTANT] = 3
    images[NOT_FINITE, 5, 5] = np.nan
    write_mrcs(folder / "particles.mrcs", images, SMALL.apix, SMALL.n, SMALL.box)
    write_star(folder / "particles.star", simulate.star_blocks(SMALL, simulate.truth(SMALL)))
    (folder / "exclude.txt").write_text(f"# dust\n{EXCLUDED}\n")
