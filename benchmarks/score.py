"""Score any 2D classification of simulated particles against the truth.

    python benchmarks/score.py --truth scratch/data/truth.h5 scratch/run
    python benchmarks/score.py --truth scratch/data/truth.h5 Class2D/job001/run_it025_data.star
    python benchmarks/score.py --truth scratch/data/truth.h5 labels.txt --averages averages.mrcs

A run is a run folder of this workflow (its last iteration, or `--iteration`), a RELION particle STAR
file, or a text file with a class number on each line (-1 for none).

`spread` is the median angle between the viewing axes of two members of a class, each particle counting
once; the sign of an axis is ignored, since opposite views are mirror images, and so are turns of the molecule's
symmetry. Ideal is what has to be told apart of the half sphere, cut into K equal caps. `FRC` compares each average with
the noise-free projection at its members' mean axis, after rotation, mirror and shift, in the whole box. A class
is of the molecule, or the junk, that most of its members are; figures of poses are of these members.
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import h5py
import mrcfile
import numpy as np
import starfile

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow" / "scripts"))
from refine2d import fourier, simulate, transforms
from refine2d.molecules import symmetry
from refine2d.stacks import hdf

ALONE = np.eye(3)[None]


@dataclass
class Run:
    """A classification: class of each particle (-1: none), and what else the run's files tell.

    rows (n,): truth row of each particle; kept (n,): it is in its class's average; alignments (n,) in input
    pixels; averages (K, L, L) with their pixel size in A; suggested (K,): the run suggests to keep the class.
    """

    labels: np.ndarray
    rows: np.ndarray
    kept: np.ndarray
    alignments: np.ndarray | None = None
    averages: np.ndarray | None = None
    apix: float | None = None
    suggested: np.ndarray | None = None


def read_run(path: str | Path, input_apix: float, iteration: int | None = None) -> Run:
    """Read a run folder, a STAR file or a text file of labels."""
    path = Path(path)
    if path.is_dir():
        return _read_folder(path, iteration)
    if path.suffix == ".star":
        return _read_star(path, input_apix)
    labels = np.loadtxt(path, dtype=int, ndmin=1)
    return Run(labels, np.arange(len(labels)), labels >= 0)


def _read_folder(folder: Path, iteration: int | None) -> Run:
    done = sorted(int(p.stem.split("_")[1]) for p in folder.glob("classmx_[0-9]*.hdf"))
    number = done[-1] if iteration is None else iteration
    result = folder / f"resultmx_{number:02d}.hdf"
    table = hdf.read_hdf(result if result.exists() else folder / f"classmx_{number:02d}.hdf")[:, :, 0]
    label, weight, dx, dy, alpha, flip = table[:6]
    with h5py.File(folder / "particles.h5") as store:
        rows, apix = store["number"][:], float(store.attrs["apix"])
    averages = folder / (f"classes_{number:02d}.hdf" if number else "classes_init.hdf")
    quality = folder / f"quality_{number:02d}.tsv"
    suggested = np.loadtxt(quality, str, skiprows=1, ndmin=2)[:, -1] == "keep" if quality.exists() else None
    return Run(
        label.astype(int),
        rows,
        (label >= 0) & (weight > 0),
        transforms.from_eman2(alpha, dx, dy, flip) if result.exists() else None,
        hdf.read_hdf(averages),
        apix,
        suggested,
    )


def _read_star(path: Path, input_apix: float) -> Run:
    blocks = starfile.read(path, always_dict=True)
    table = blocks.get("particles", next(reversed(blocks.values())))
    labels = table["rlnClassNumber"].to_numpy(int) - 1
    rows = table["rlnImageName"].str.split("@").str[0].astype(int).to_numpy() - 1
    alignments = None
    if "rlnAnglePsi" in table:
        old = "rlnOriginX" in table  # in pixels, before RELION 3.1
        x, y = (
            table[f"rlnOrigin{axis}" + ("" if old else "Angst")] * (input_apix if old else 1) for axis in "XY"
        )
        flip = table.get("rlnIsFlip", np.zeros(len(table)))
        alignments = transforms.from_relion(table["rlnAnglePsi"].to_numpy(), x, y, flip, input_apix)
    run = Run(labels, rows, labels >= 0, alignments)
    beside = [
        path.with_name(path.name.replace("_data.star", "_classes.mrcs")),
        path.with_name("classes.mrcs"),
    ]
    for stack in beside:
        if stack.suffix == ".mrcs" and stack.exists():
            run.averages, run.apix = read_averages(stack)
            break
    return run


def read_averages(path: str | Path) -> tuple[np.ndarray, float]:
    """Averages (K, L, L) and their pixel size in A from an MRC stack."""
    with mrcfile.open(path, permissive=True) as file:
        data = np.array(file.data, np.float32)
        return data.reshape(-1, *data.shape[-2:]), float(file.voxel_size.x)


def angles_between(axes: np.ndarray, others: np.ndarray, symmetry: np.ndarray = ALONE) -> np.ndarray:
    """Angles (n, m) in degrees between axes (n, 3) and (m, 3) whose signs and symmetric copies are alike."""
    cosine = np.max([np.abs(axes @ turn @ others.T) for turn in symmetry], axis=0)
    return np.rad2deg(np.arccos(np.minimum(cosine, 1)))


def spread(axes: np.ndarray, labels: np.ndarray, symmetry: np.ndarray = ALONE) -> float:
    """Median angle in degrees between two members of a class, each particle counting once; 0 if alone."""
    angles, weights = [], []
    for label in np.unique(labels[labels >= 0]):
        members = axes[labels == label]
        if len(members) == 1:
            pairs = np.zeros(1)
        else:
            pairs = angles_between(members, members, symmetry)[np.triu_indices(len(members), 1)]
        angles.append(pairs)
        weights.append(np.full(len(pairs), len(members) / len(pairs)))
    return weighted_median(np.concatenate(angles), np.concatenate(weights))


def ideal_spread(k: int) -> float:
    """The spread of K equal caps that cover the half sphere, in degrees (their overlap and gaps ignored)."""
    n = 2000
    height = 1 - (np.arange(n) + 0.5) / n / k  # equal areas of the cap
    golden = np.pi * (3 - np.sqrt(5)) * np.arange(n)
    ring = np.sqrt(1 - height**2)
    return spread(np.stack([ring * np.cos(golden), ring * np.sin(golden), height], 1), np.zeros(n, int))


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """The smallest value at which half the weight is reached."""
    order = np.argsort(values)
    total = np.cumsum(np.asarray(weights, float)[order])
    return float(np.asarray(values)[order][np.searchsorted(total, total[-1] / 2)])


def mean_axis(axes: np.ndarray, symmetry: np.ndarray = ALONE) -> np.ndarray:
    """The unit vector (3,) that is nearest to all axes (n, 3), signs ignored, each in its best symmetric copy."""
    if len(symmetry) > 1:
        middle = axes[np.median(angles_between(axes, axes, symmetry), axis=1).argmin()]
        copies = axes @ symmetry  # (m, n, 3)
        axes = copies[np.abs(copies @ middle).argmax(0), np.arange(len(axes))]
    return np.linalg.eigh(axes.T @ axes)[1][:, -1]


def view_along(axis: np.ndarray) -> np.ndarray:
    """A rotation matrix (3, 3), molecule to image frame, whose viewing axis is `axis`."""
    tilt, rot = np.rad2deg(np.arccos(np.clip(axis[2], -1, 1))), np.rad2deg(np.arctan2(axis[1], axis[0]))
    return simulate.euler_matrices(rot, tilt, 0)[0]


def match_projection(
    average: np.ndarray, molecule: simulate.Molecule, axis: np.ndarray, apix: float
) -> np.ndarray:
    """The noise-free projection (L, L) along `axis` (or against it), turned and shifted onto the average."""
    box, view = len(average), view_along(axis)
    weight = _band(box)
    target = np.conj(fourier.ft(average)) * weight

    def best(frames: np.ndarray) -> tuple[float, int, np.ndarray]:
        f = fourier.ft(simulate.project(molecule, frames, None, box, apix))
        power = np.sqrt(fourier.ring_sum(np.abs(f) ** 2 * weight, box).sum(-1))
        maps = fourier.ift(target * f, box) / power[:, None, None]
        # the map is cc(u) = sum average(x) projection(x + u): the projection has to move by -u
        i, y, x = np.unravel_index(maps.argmax(), maps.shape)
        shift = -(np.array([x, y]) - box // 2 + _peak(maps[i], y, x))
        return float(maps[i, y, x]), i, shift

    def frame(angle: float, mirror: bool) -> np.ndarray:
        turn = simulate.euler_matrices(0, 0, angle)[0]
        return turn @ np.diag([-1 if mirror else 1, 1, 1]) @ view

    angles = np.arange(0, 360, 4.0)
    coarse = [best(np.stack([frame(a, mirror) for a in angles])) for mirror in (False, True)]
    mirror = coarse[1][0] > coarse[0][0]
    angle, step = angles[coarse[mirror][1]], 2.0
    while step > 0.1:
        trial = angle + step * np.arange(-1, 2)
        _, i, shift = best(np.stack([frame(a, mirror) for a in trial]))
        angle, step = trial[i], step / 2
    return simulate.project(molecule, frame(angle, mirror), shift[None], box, apix)[0]


def _band(box: int) -> np.ndarray:
    """Rings 1 to 0.6 Nyquist: what an average and its projection are matched by."""
    ring = fourier.ring_index(box)
    return ((ring > 0) & (ring <= 0.3 * box)).astype(np.float32)


def _peak(m: np.ndarray, y: int, x: int) -> np.ndarray:
    """Offset (x, y) of the maximum from pixel (y, x), by a parabola in each direction."""
    box = len(m)
    offset = []
    for low, high in ((m[y, x - 1], m[y, (x + 1) % box]), (m[y - 1, x], m[(y + 1) % box, x])):
        curve = low + high - 2 * m[y, x]
        offset.append((low - high) / (2 * curve) if curve < 0 else 0.0)
    return np.array(offset)


def frc(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Fourier ring correlation of two images (L, L): (L // 2 + 1,)."""
    box = len(a)
    fa, fb = fourier.ft(a), fourier.ft(b)
    cross = fourier.ring_sum((fa * np.conj(fb)).real, box)
    power = fourier.ring_sum(np.abs(fa) ** 2, box) * fourier.ring_sum(np.abs(fb) ** 2, box)
    return cross / np.sqrt(np.maximum(power, 1e-30))


def resolution(curve: np.ndarray, apix: float) -> float:
    """Where an FRC curve first falls below 0.5, in A (Nyquist if it never does)."""
    box = 2 * (len(curve) - 1)
    below = np.flatnonzero(curve[1:] < 0.5)
    if not len(below):
        return 2 * apix
    ring = below[0] + 1
    if ring == 1:
        return box * apix
    ring -= (0.5 - curve[ring]) / (curve[ring - 1] - curve[ring])
    return float(box * apix / ring)


def average_resolutions(
    run: Run, known: simulate.Truth, kinds: np.ndarray, molecules: tuple[str, ...]
) -> tuple[np.ndarray, np.ndarray]:
    """FRC 0.5 in A of the average of each class that is a molecule's, and the number of its members."""
    found, counts = [], []
    for label in np.flatnonzero(kinds >= 0):
        mine = (run.labels == label) & run.kept & (known.kind == kinds[label])
        average, name = run.averages[label], molecules[kinds[label]]
        if not mine.any() or np.ptp(average) == 0:
            continue
        axis = mean_axis(known.axes[mine], symmetry(name))
        projection = match_projection(average, simulate.molecule(name), axis, run.apix)
        found.append(resolution(frc(average, projection), run.apix))
        counts.append(mine.sum())
    return np.array(found), np.array(counts)


def alignment_errors(
    run: Run, known: simulate.Truth, counted: np.ndarray | None = None
) -> tuple[float, float]:
    """Median in-plane angle (degrees) and shift (input px) by which members miss their class's consensus.

    Particles (n,) bool are `counted`, by default those in averages. An alignment turns a particle's true frame
    into the frame of its class: members of a class should agree on it.
    """
    counted = run.kept if counted is None else counted
    angles, shifts = [], []
    frames = known.rotations
    for label in np.unique(run.labels[run.labels >= 0]):
        members = np.flatnonzero((run.labels == label) & counted)
        if len(members) < 2:
            continue
        a = run.alignments[members]
        back = simulate.euler_matrices(0, 0, a["angle"].astype(float))  # R(angle) transposed
        back[a["mirror"], 0] *= -1
        rows = (back @ frames[members])[:, :2]
        seen = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], 1)
        consensus = _consensus(seen)
        relative = seen @ consensus.T
        twist = np.arctan2(relative[:, 0, 1] - relative[:, 1, 0], relative[:, 0, 0] + relative[:, 1, 1])
        offset = known.shift[members] - np.stack([a["sx"], a["sy"]], 1)
        offset = np.einsum("nij,nj->ni", back[:, :2, :2], offset)
        angles.append(np.abs(np.rad2deg(twist)))
        shifts.append(np.hypot(*(offset - np.median(offset, axis=0)).T))
    return float(np.median(np.concatenate(angles))), float(np.median(np.concatenate(shifts)))


def _consensus(rotations: np.ndarray) -> np.ndarray:
    """Mean rotation of the better half, those nearest to the member that is nearest to most others."""
    trace = np.einsum("nij,mij->nm", rotations, rotations)
    core = trace[np.median(trace, axis=1).argmax()].argsort()[len(rotations) // 2 :]
    u, _, v = np.linalg.svd(rotations[core].sum(0))
    return u @ np.diag([1, 1, np.linalg.det(u @ v)]) @ v


def kinds_of_classes(labels: np.ndarray, kind: np.ndarray, count: int) -> np.ndarray:
    """What most members of each class are: (count,) int, a molecule's number or -1 for junk; -2 for an empty class."""
    votes = np.zeros((count, kind.max(initial=0) + 2), int)
    np.add.at(votes, (labels[labels >= 0], kind[labels >= 0] + 1), 1)
    return np.where(votes.any(1), votes.argmax(1) - 1, -2)


def score(run: Run, sim: simulate.Simulation, known: simulate.Truth) -> dict[str, float]:
    """All figures of a run, by name."""
    known = simulate.select(known, run.rows)
    counts = np.bincount(run.labels[run.labels >= 0])
    k = len(run.averages) if run.averages is not None else len(counts)
    kinds = kinds_of_classes(run.labels, known.kind, k)
    own = (run.labels >= 0) & (kinds[run.labels] == known.kind)
    share = counts[counts > 0] / counts.sum()
    figures = {
        "particles": len(run.labels),
        "particles in classes": int(counts.sum()),
        "classes asked for": k,
        "classes with members": len(share),
        "largest class (%)": 100 * share.max(),
        "effective classes": float(np.exp(-(share * np.log(share)).sum())),
    }
    if sim.snr == 0:
        return figures
    for name, kept in (("spread", own), ("spread of kept members", own & run.kept)):
        figures |= _spreads(name, known, np.where(kept, run.labels, -1), sim.molecules, k)
    if run.averages is not None:
        figures["FRC 0.5 (A)"] = weighted_median(*average_resolutions(run, known, kinds, sim.molecules))
    unlike = [number for number, name in enumerate(sim.molecules) if len(symmetry(name)) == 1]
    posed = own & run.kept & np.isin(known.kind, unlike)
    if run.alignments is not None and posed.any():
        angle, shift = alignment_errors(run, known, posed)
        figures |= {"in-plane angle error (deg)": angle, "shift error (px)": shift}
    return figures | _told_apart(run, sim, known, kinds)


def _spreads(
    name: str, known: simulate.Truth, labels: np.ndarray, molecules: tuple[str, ...], k: int
) -> dict[str, float]:
    """Spread and ideal of the molecules' classes, which have equal shares of all; means over the particles."""
    found, ideal, counts = [], [], []
    for kind, molecule in enumerate(molecules):
        mine = (known.kind == kind) & (labels >= 0)
        if mine.any():
            turns = symmetry(molecule)
            found.append(spread(known.axes[mine], labels[mine], turns))
            ideal.append(ideal_spread(k * len(turns) / len(molecules)))
            counts.append(mine.sum())
    if not counts:
        return {}
    means = [float(np.average(values, weights=counts)) for values in (found, ideal)]
    figures = {f"{name} (deg)": means[0], "ideal spread (deg)": means[1]}
    return figures | ({"spread / ideal": means[0] / means[1]} if name == "spread" else {})


def _told_apart(
    run: Run, sim: simulate.Simulation, known: simulate.Truth, kinds: np.ndarray
) -> dict[str, float]:
    """Molecules, junk and rare views: how much of each is in classes of its own, in percent."""
    inside = run.labels >= 0
    of_class = np.where(inside, kinds[run.labels], -2)
    junk, figures = known.kind < 0, {}
    if sim.others:
        good = inside & ~junk & (of_class >= 0)
        figures["purity (%)"] = 100 * (of_class == known.kind)[good].mean()
    if sim.junk:
        figures["junk in junk classes (%)"] = 100 * (of_class == -1)[junk].mean()
        figures["good in junk classes (%)"] = 100 * (of_class == -1)[~junk].mean()
    if run.suggested is not None:
        kept = inside & run.suggested[run.labels]
        figures["good suggested (%)"] = 100 * kept[~junk].mean()
        if sim.junk:
            figures["junk suggested (%)"] = 100 * kept[junk].mean()
    if sim.views == "rare":
        rare = np.rad2deg(np.arccos(np.abs(known.axes[:, 2]))) > simulate.RARE
        mostly = kinds_of_classes(run.labels, rare.astype(int), len(kinds)) == 1
        figures["rare views in classes of their own (%)"] = 100 * (inside & mostly[run.labels])[rare].mean()
    return figures


def table(figures: dict[str, float]) -> str:
    """Figures as lines of text."""
    width = max(map(len, figures))
    return "\n".join(
        f"{name:{width}}  {value:10d}" if isinstance(value, int) else f"{name:{width}}  {value:10.2f}"
        for name, value in figures.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", help="run folder, particle STAR file, or text file of labels")
    parser.add_argument("--truth", required=True, help="truth.h5 of the simulation")
    parser.add_argument("--averages", help="stack of averages, if it is not found beside the run")
    parser.add_argument("--iteration", type=int, help="which iteration of a run folder (default: the last)")
    options = parser.parse_args()
    sim, known = simulate.read_truth(options.truth)
    run = read_run(options.run, sim.apix, options.iteration)
    if options.averages:
        run.averages, run.apix = read_averages(options.averages)
    print(table(score(run, sim, known)))


if __name__ == "__main__":
    main()
