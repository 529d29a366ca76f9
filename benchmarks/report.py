"""Size of the report and the time that it takes, for a run of any size: its tables are made up, its particles noise.

python benchmarks/report.py --scratch scratch --n 1000000 --ncls 1000 --iter 8
"""

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow" / "scripts"))

from refine2d import fourier
from refine2d.basisfile import write_basis
from refine2d.ctf import CtfTable
from refine2d.files import write_json
from refine2d.msa import basis
from refine2d.report import collect as collecting
from refine2d.report.page import write_page
from refine2d.stacks.hdf import write_hdf
from refine2d.tables import MEMBER, class_header, write_classes, write_classmx, write_projection
from refine2d.transforms import alignment

BOX, APIX, VECTORS = 64, 4.0, 64
RUN = {"input": "made up", "n_input": 0, "box": BOX, "apix": APIX, "fingerprint": "0" * 64, "version": "none"}


class Noise:
    """A store of particles that are noise."""

    box, apix, ctf_mode = BOX, APIX, "auto"

    def __init__(self, n: int):
        self.n, self.number = n, np.arange(n)
        self.used, self.bad = np.ones(n, bool), np.zeros(n, np.uint8)
        defocus = np.random.default_rng(0).uniform(1e4, 3e4, n)
        self.ctf = CtfTable(defocus, defocus, *(np.zeros(n),) * 5)

    def images(self, rows) -> np.ndarray:
        return np.random.default_rng(len(rows)).normal(size=(len(rows), BOX, BOX)).astype(np.float32)

    corrected = images


def averages(rng: np.random.Generator, count: int) -> np.ndarray:
    """Smooth random images in a mask, (count, BOX, BOX), about as rough as class averages."""
    ring = np.minimum(fourier.ring_index(BOX), BOX // 2)
    rough = fourier.ft(rng.normal(size=(count, BOX, BOX)).astype(np.float32)) / (1 + (ring / 6) ** 2)
    return fourier.ift(rough, BOX) * fourier.soft_mask(BOX, 26)


def make_run(folder: Path, n: int, ncls: int, iterations: int) -> None:
    """Write the tables of a run that the report reads."""
    rng = np.random.default_rng(1)
    images = averages(rng, ncls)
    frc = (1 / (1 + np.exp(np.arange(BOX // 2 + 1) - 16))).astype(np.float32)
    none = alignment(np.zeros(n))
    labels = rng.integers(0, ncls, n)
    for number in range(1, iterations + 1):
        moved = rng.random(n) < 0.3 / number
        labels[moved] = rng.integers(0, ncls, moved.sum())
        yy, order = f"{number:02d}", rng.permutation(ncls)
        images, labels = images[order], np.argsort(order)[labels].astype(np.int32)
        members = np.zeros(n, MEMBER)
        members["row"], members["class"], members["kept"] = np.arange(n), labels, True
        members["quality"] = rng.normal(8, 1, n)
        by_class = np.split(
            np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels, minlength=ncls))[:-1]
        )
        headers = [
            class_header(k, members[rows], frc, "particles.lst", APIX) for k, rows in enumerate(by_class)
        ]
        write_hdf(folder / f"classes_{yy}.hdf", images, headers)
        write_hdf(folder / f"allrefs_{yy}.hdf", images, [{"source_class": int(k)} for k in order])
        write_classmx(folder / f"classmx_{yy}.hdf", labels, np.ones(n), none, 1.0)
        state = {"iteration": number, "particles": n, "changed": int(moved.sum()), "converged": False}
        write_json(
            folder / f"state_{yy}.json", state | {"sizes": np.bincount(labels, minlength=ncls).tolist()}
        )
    write_classes(folder / f"classes_{yy}" / "00.hdf", images[:1], headers[:1], members)
    write_basis(folder / f"basis_{yy}.hdf", basis(images[: 4 * VECTORS], VECTORS))
    vectors = rng.normal(size=(n, min(VECTORS, ncls - 1))).astype(np.float32)
    write_projection(folder / f"input_{yy}_proj.hdf", [(vectors, none)], vectors.shape, 1.0, {})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scratch", type=Path, default=Path("scratch"))
    parser.add_argument("--n", type=int, default=1_000_000)
    parser.add_argument("--ncls", type=int, default=1000)
    parser.add_argument("--iter", type=int, default=8)
    given = parser.parse_args()
    make_run(given.scratch, given.n, given.ncls, given.iter)
    collecting.ParticleStore = lambda path: Noise(given.n)
    start = time.perf_counter()
    values = {"iter": given.iter, "classcmp": "ml"}
    listed = {name: [(0, given.iter, value)] for name, value in values.items()}
    report = collecting.collect(given.scratch, given.iter, 200.0, RUN, listed)
    write_page(given.scratch / "report.html", report, [])
    size = (given.scratch / "report.html").stat().st_size / 1e6
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"{size:.1f} MB in {time.perf_counter() - start:.1f} s, {memory:.0f} MB of memory at most")


if __name__ == "__main__":
    main()
