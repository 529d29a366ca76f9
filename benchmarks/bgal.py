"""Classify the real beta-galactosidase particles and compare with the averages that RELION's Class2D made.

    python benchmarks/bgal.py --data DATA --scratch scratch
    python benchmarks/bgal.py --data DATA --run scratch/bgal
    python benchmarks/bgal.py --data DATA --scratch scratch --relion

A particle counts if its class average correlates with one of RELION's at 0.7 or more: best rotation, mirror and
shift up to 12 px, inside a circular mask of 200 A on RELION's average. In both, all rings to 20 A have the same
power: as they are, the first two, which are the outline, have nine tenths of it. These averages are of all 9,191
particles of that job; `--relion` runs Class2D on the same 1,620 that refine2d has, with as many classes.
"""

import argparse
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import scipy.fft
import starfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow" / "scripts"))
import run as benchmark
import score
from class2d import ITERATIONS, class2d

from refine2d import fourier, transforms

CONFIG = {"ncls": 32, "iter": 6, "ctf": "none", "apix": 3.54}
MASK_DIAMETER, MAX_SHIFT = 200.0, 12  # A, px
RESOLUTION, FIRST = 20.0, 2  # A; Fourier pixels: what is compared is from this ring to that resolution
THRESHOLDS = (0.6, 0.7, 0.8)


def flattened(images: np.ndarray, apix: float) -> np.ndarray:
    """Images (n, L, L) whose rings within what is compared all have the same power, and no others."""
    box, coefficients = images.shape[-1], fourier.ft(images)
    power = fourier.ring_sum(np.abs(coefficients) ** 2, box)
    ring = np.arange(power.shape[-1])
    compared = (ring >= FIRST) & (ring <= box * apix / RESOLUTION) & (power > 0)
    gain = np.sqrt(np.where(compared, 1 / np.where(power > 0, power, 1), 0))
    return fourier.ift(coefficients * fourier.spread_rings(gain.astype(np.float32), box), box)


def best_correlations(
    averages: np.ndarray, references: np.ndarray, apix: float, step: float = 3.0, fine: int = 5
) -> np.ndarray:
    """Correlation coefficients (n, m) of averages (n, L, L) with references (m, L, L) in their best pose.

    Every angle (`step` degrees), mirror and whole-pixel shift at half the sampling, which the resolution
    allows, and then the `fine` best references of each average at the full sampling, in whole degrees and
    pixels around there.
    """
    averages, references = (flattened(images, apix) for images in (averages, references))
    half = references.shape[-1] // 4 * 2
    factor = references.shape[-1] / half
    small, small_references = fourier.crop(averages, half), fourier.crop(references, half)
    poses = [(angle, mirror) for mirror in (False, True) for angle in np.arange(0, 360, step)]
    best = np.full((len(averages), len(references)), -1.0)
    pose = np.zeros((*best.shape, 2))
    for angle, mirror in poses:
        found = _correlate(_turned(small, angle, mirror), small_references, apix * factor, MAX_SHIFT / factor)
        better = found > best
        best[better], pose[better] = found[better], (angle, mirror)
    for i, average in enumerate(averages):
        for j in np.argsort(-best[i])[:fine]:
            trial = np.arange(-step, step + 1) + pose[i, j, 0]
            turned = np.concatenate([_turned(average[None], angle, bool(pose[i, j, 1])) for angle in trial])
            best[i, j] = _correlate(turned, references[j : j + 1], apix, MAX_SHIFT).max()
    return best


def _turned(images: np.ndarray, angle: float, mirror: bool) -> np.ndarray:
    return transforms.undo(images, transforms.alignment(np.full(len(images), angle), mirror))


def _correlate(images: np.ndarray, references: np.ndarray, apix: float, reach: float) -> np.ndarray:
    """Largest correlation coefficient (n, m) over shifts up to `reach` px, inside the mask."""
    box = references.shape[-1]
    size = box + 2 * int(np.ceil(reach))  # zeros around, so that nothing wraps into the mask
    mask = (fourier.radius(box) < min(MASK_DIAMETER / apix / 2, box / 2)).astype(np.float32)
    inside = mask.sum()
    centred = (references - (references * mask).sum((1, 2), keepdims=True) / inside) * mask
    norm = np.sqrt((centred**2).sum((1, 2)))

    def transform(stack: np.ndarray) -> np.ndarray:
        return scipy.fft.rfft2(stack, s=(size, size))

    mask_ft, image_ft = np.conj(transform(mask)), transform(images)
    total = scipy.fft.irfft2(image_ft * mask_ft, s=(size, size))
    squares = scipy.fft.irfft2(transform(images**2) * mask_ft, s=(size, size))
    deviation = np.sqrt(np.maximum(squares - total**2 / inside, 1e-6 * squares.max((1, 2), keepdims=True)))
    offset = np.fft.fftfreq(size) * size
    near = np.hypot(offset[:, None], offset) <= reach + 1e-6
    reference_ft = np.conj(transform(centred))
    out = np.empty((len(images), len(references)))
    for i in range(len(images)):
        products = scipy.fft.irfft2(image_ft[i] * reference_ft, s=(size, size))
        out[i] = (products[:, near] / deviation[i][near]).max(1) / norm
    return out


def write_star(stack: Path, path: Path, apix: float) -> None:
    """Write a STAR file of the images of a stack, with what RELION asks of their optics though no CTF is used."""
    with mrcfile.mmap(stack, permissive=True) as file:
        n, box = file.data.shape[:2]
    optics = {
        "rlnOpticsGroup": [1],
        "rlnOpticsGroupName": ["all"],
        "rlnImagePixelSize": [apix],
        "rlnImageSize": [box],
        "rlnImageDimensionality": [2],
        "rlnVoltage": [200.0],
        "rlnSphericalAberration": [1.4],
        "rlnAmplitudeContrast": [0.1],
    }
    names = [f"{number:06d}@{stack.resolve()}" for number in range(1, n + 1)]
    particles = {"rlnImageName": names, "rlnOpticsGroup": [1] * n}
    starfile.write({"optics": pd.DataFrame(optics), "particles": pd.DataFrame(particles)}, path)


def report(result: Path, data: Path) -> None:
    """Print how well averages match RELION's of all particles: those of a run folder, or beside RELION's STAR file."""
    references, apix = score.read_averages(data / "relion_class2d_averages.mrcs")
    run = score.read_run(result, apix)
    averages = run.averages if result.suffix == ".star" else score.read_averages(result / "classes.mrcs")[0]
    counts = np.bincount(run.labels[run.labels >= 0], minlength=len(averages))
    correlations = best_correlations(averages, references, apix)
    best, match = correlations.max(1), correlations.argmax(1)
    for k in np.argsort(-best):
        print(f"class {k:3d}  {counts[k]:5d} particles  {best[k]:.3f} with RELION's {match[k]}")
    print(f"\nof {counts.sum()} particles, in averages that match one of RELION's:")
    for threshold in THRESHOLDS:
        matching = best >= threshold
        share, matched = 100 * counts[matching].sum() / counts.sum(), len(np.unique(match[matching]))
        averages_of = f"{matching.sum()} of {len(averages)} averages, {matched} of RELION's"
        print(f"{share:5.1f} % at {threshold} or more ({averages_of})")
    print(f"mean correlation of a particle's average {best @ counts / counts.sum():.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the particles and RELION's averages"
    )
    parser.add_argument(
        "--run", type=Path, help="score this finished run (its folder, or RELION's _data.star)"
    )
    parser.add_argument("--scratch", type=Path, help="folder to make a run in")
    parser.add_argument("--cores", type=int, default=2, help="default %(default)s")
    parser.add_argument("--set", nargs="*", default=[], metavar="OPTION=VALUE", help=f"besides {CONFIG}")
    parser.add_argument("--relion", action="store_true", help="run RELION on the same particles, too")
    options = parser.parse_args()
    if bool(options.run) == bool(options.scratch):
        parser.error("give --run or --scratch")
    if options.run:
        return report(options.run, options.data)
    config = CONFIG | benchmark.options_of(options.set)
    stack, folder = options.data / "particles.mrcs", options.scratch / "bgal"
    options.scratch.mkdir(parents=True, exist_ok=True)
    cost = benchmark.workflow(stack, folder, config, options.cores)
    print(f"\n{benchmark.cost_table(cost, folder)}\n")
    report(folder, options.data)
    if options.relion:
        star, folder = options.scratch / "particles.star", options.scratch / "bgal_relion"
        write_star(stack, star, float(config["apix"]))
        cost = class2d(star, folder, int(config["ncls"]), MASK_DIAMETER, False, options.cores)
        print(f"\nRELION, the same particles: {cost.cpu:,.0f} CPU s\n")
        report(folder / f"run_it{ITERATIONS:03d}_data.star", options.data)


if __name__ == "__main__":
    main()
