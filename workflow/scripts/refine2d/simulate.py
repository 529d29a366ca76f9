"""Simulated particles with known truth: the demo's complex and the benchmark's.

A molecule is a sum of 3D Gaussians. Its projection along any direction is a sum of 2D Gaussians, so images
are exact: no volume, no interpolation, and shifts are part of the projection.

Conventions: the rotation matrix `A` of (rot, tilt, psi) takes molecule coordinates to the image frame (ZYZ
Euler angles as in RELION); its third row is the viewing axis. A particle lies at pixel `box // 2 + shift`, so
its `rlnOriginXAngst` is `-shift * apix`. Protein is bright.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np
from numba import njit

from refine2d.ctf import CtfTable, ctf
from refine2d.euler import euler_matrices
from refine2d.files import atomic
from refine2d.molecules import Molecule, molecule
from refine2d.stacks import mrc
from refine2d.stacks.star_text import write_star

SUPPORT = 5.0  # standard deviations; a Gaussian is 4e-6 of its peak there
PADDING = 1.5  # the CTF acts on a larger box, so that what it spreads out of the image does not fold back
RARE = 20.0  # degrees from the z axis within which the frequent views of 'rare' lie
PILOT = 256  # particles whose signal variance sets the scale, whatever the number asked for
BATCH = 64
BEAD, BRIGHT = 25.0, 30.0  # radius of gold in A; its grey value in deviations of the noise


@dataclass(frozen=True)
class Simulation:
    """Everything that determines a simulated stack, to the bit and one image at a time.

    `snr` is the variance of the CTF-modulated signal over the whole box by the variance of the noise;
    shifts are uniform in +-`max_shift` px in x and y; `defocus` and `astigmatism` (U - V) are ranges in
    A; `views` is 'uniform', 'preferred' (side views, end-on views and a few tilts) or 'rare' (nine of ten within 20
    degrees of the z axis, the others anywhere); `uneven` adds what white noise lacks: colour, a ramp, another grey
    level and contrast in each image. `others` are molecules as frequent as `molecule`, `junk` is the share of
    particles that are none: noise alone, ice, or two molecules in one box. `gold` is the share of images that have a
    bead of gold somewhere, beside their particle. Without `transfer` there is no CTF.
    """

    molecule: str
    n: int
    box: int
    apix: float
    snr: float
    seed: int
    max_shift: float = 4.0
    defocus: tuple[float, float] = (12000.0, 28000.0)
    astigmatism: tuple[float, float] = (300.0, 1000.0)
    voltage: float = 300.0
    cs: float = 2.7
    ac: float = 0.1
    views: str = "uniform"
    uneven: bool = False
    others: tuple[str, ...] = ()
    junk: float = 0.0
    gold: float = 0.0
    transfer: bool = True

    @property
    def molecules(self) -> tuple[str, ...]:
        """Names of all molecules; a particle's kind is its place among them."""
        return self.molecule, *self.others


DEMO = Simulation("barrel", n=2000, box=72, apix=3.5, snr=0.08, seed=20, views="preferred", uneven=True)
BENCHMARK = Simulation("ribosome", n=5000, box=64, apix=4.9, snr=0.08, seed=1)


@dataclass(frozen=True)
class Truth:
    """Of n particles: rot, tilt, psi (n,) in degrees, shift (n, 2) as x, y in px, CTF parameters, kind (n,).

    A kind is the molecule's number, or -1 for junk.
    """

    rot: np.ndarray
    tilt: np.ndarray
    psi: np.ndarray
    shift: np.ndarray
    ctf: CtfTable
    kind: np.ndarray

    @property
    def rotations(self) -> np.ndarray:
        """Rotation matrices (n, 3, 3), molecule to image frame."""
        return euler_matrices(self.rot, self.tilt, self.psi)

    @property
    def axes(self) -> np.ndarray:
        """Viewing axes (n, 3), unit vectors in the molecule's frame."""
        return self.rotations[:, 2]


def project(
    mol: Molecule, rotations: np.ndarray, shifts: np.ndarray | None, box: int, apix: float
) -> np.ndarray:
    """Noise-free projections without CTF, float32 (n, box, box), mass per A^2.

    Parameters
    ----------
    rotations : (n, 3, 3), molecule to image frame.
    shifts : (n, 2) x, y in pixels, or None for centred projections.
    """
    rotations = np.asarray(rotations, float).reshape(-1, 3, 3)
    xy = np.einsum("nij,mj->nmi", rotations[:, :2], mol.centres) / apix + box // 2
    if shifts is not None:
        xy += np.asarray(shifts, float).reshape(-1, 1, 2)
    images = np.zeros((len(rotations), box, box), np.float32)
    _splat(images, xy, mol.sigma / apix, mol.mass / apix**2)
    return images


@njit(nogil=True, cache=True, fastmath=True)
def _splat(images, xy, sigma, mass):
    n, box, _ = images.shape
    row = np.empty(box)
    for i in range(n):
        for j in range(xy.shape[1]):
            reach, scale = SUPPORT * sigma[j], -0.5 / sigma[j] ** 2
            peak = mass[j] / (2 * np.pi * sigma[j] ** 2)
            x0, x1 = max(0, int(np.ceil(xy[i, j, 0] - reach))), min(box - 1, int(xy[i, j, 0] + reach))
            y0, y1 = max(0, int(np.ceil(xy[i, j, 1] - reach))), min(box - 1, int(xy[i, j, 1] + reach))
            for x in range(x0, x1 + 1):
                row[x] = peak * np.exp(scale * (x - xy[i, j, 0]) ** 2)
            for y in range(y0, y1 + 1):
                column = np.exp(scale * (y - xy[i, j, 1]) ** 2)
                for x in range(x0, x1 + 1):
                    images[i, y, x] += column * row[x]


def truth(sim: Simulation, n: int | None = None) -> Truth:
    """The parameters of the first n particles (default: all). Particle i's depend on the seed and i alone."""
    n = sim.n if n is None else n
    draws = np.array([np.random.default_rng([sim.seed, 0, i]).uniform(size=10) for i in range(n)]).reshape(
        n, 10
    )
    side, spread, tilt, rot, psi, x, y, defocus, astigmatism, angle = draws.T
    if sim.views == "uniform":
        tilt = np.rad2deg(np.arccos(1 - 2 * tilt))
    elif sim.views == "rare":
        cap = np.where(side < 0.9, (1 - np.cos(np.deg2rad(RARE))) / 2, 1.0)
        tilt = np.rad2deg(np.arccos(1 - 2 * tilt * cap))
    else:
        standing, end_on = 90 + 14 * (spread - 0.5), 12 * np.sqrt(spread)
        tilt = np.where(side < 0.5, standing, np.where(side < 0.75, end_on, 30 + 30 * tilt))
        tilt = np.where(x * 1e3 % 1 < 0.5, tilt, 180 - tilt)
    low, high = sim.defocus
    mean, half = low + (high - low) * defocus, (np.interp(astigmatism, [0, 1], sim.astigmatism)) / 2
    constant = np.ones(n)
    table = CtfTable(
        mean + half, mean - half, 180 * angle, 0 * constant,
        sim.voltage * constant, sim.cs * constant, sim.ac * constant,
    )  # fmt: skip
    shift = sim.max_shift * (2 * np.stack([x, y], 1) - 1)
    return Truth(360 * rot, tilt, 360 * psi, shift, table, _kinds(sim, n))


def _kinds(sim: Simulation, n: int) -> np.ndarray:
    """Number of each particle's molecule, -1 for junk: int64 (n,)."""
    if not sim.junk and not sim.others:
        return np.zeros(n, np.int64)
    draws = np.array([np.random.default_rng([sim.seed, 2, i]).uniform(size=2) for i in range(n)]).reshape(
        n, 2
    )
    return np.where(draws[:, 0] < sim.junk, -1, (draws[:, 1] * len(sim.molecules)).astype(np.int64))


def select(known: Truth, rows: np.ndarray | slice) -> Truth:
    """The truth about some of the particles."""
    return Truth(
        known.rot[rows],
        known.tilt[rows],
        known.psi[rows],
        known.shift[rows],
        known.ctf[rows],
        known.kind[rows],
    )


def signal(sim: Simulation, known: Truth) -> np.ndarray:
    """Noise-free images of known particles, CTF applied, float32 (n, box, box), scaled as `project`."""
    big = 2 * round(sim.box * PADDING / 2)
    images = np.zeros((len(known.rot), big, big), np.float32)
    for kind in np.unique(known.kind):
        rows = np.flatnonzero(known.kind == kind)
        part = select(known, rows)
        if kind < 0:
            images[rows] = [_junk(sim, select(part, slice(i, i + 1)), big) for i in range(len(rows))]
        else:
            images[rows] = project(molecule(sim.molecules[kind]), part.rotations, part.shift, big, sim.apix)
    if sim.transfer:
        spectrum = np.fft.rfft2(images) * ctf(known.ctf, big, sim.apix)
        images = np.fft.irfft2(spectrum, s=(big, big))
    low = big // 2 - sim.box // 2
    return images[:, low : low + sim.box, low : low + sim.box]


def _junk(sim: Simulation, one: Truth, box: int) -> np.ndarray:
    """What a picker takes for a particle: nothing, ice, or two molecules side by side; float32 (box, box)."""
    own = int(one.ctf.defocus_u[0] * 1e3)  # stands for the particle's number, which is not known here
    rng = np.random.default_rng([sim.seed, 3, own])
    kind = rng.integers(3)
    if kind == 0:
        return np.zeros((box, box), np.float32)
    if kind == 1:
        return project(molecule(f"ice{rng.integers(8)}"), one.rotations, one.shift, box, sim.apix)[0]
    pair = euler_matrices(*rng.uniform(0, 360, (3, 2)))
    angle, apart = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.3) * sim.box
    shifts = apart * np.array([[np.cos(angle), np.sin(angle)], [-np.cos(angle), -np.sin(angle)]])
    return project(molecule(sim.molecule), pair, shifts, box, sim.apix).sum(0)


@lru_cache
def signal_scale(sim: Simulation) -> float:
    """The factor that gives the signal a variance of `snr` where the noise has 1."""
    pilot = truth(sim, PILOT)
    particles = signal(sim, select(pilot, np.flatnonzero(pilot.kind >= 0))).var(axis=(1, 2), dtype=float)
    return float(np.sqrt(sim.snr / particles.mean())) if len(particles) else 1.0


def images(sim: Simulation, known: Truth | None = None) -> Iterator[np.ndarray]:
    """The particle images one by one, float32 (box, box)."""
    known = truth(sim) if known is None else known
    scale = signal_scale(sim)
    for start in range(0, sim.n, BATCH):
        part = select(known, slice(start, start + BATCH))
        for i, clean in enumerate(signal(sim, part), start):
            rng = np.random.default_rng([sim.seed, 1, i])
            image = scale * clean + _noise(rng, sim) + _gold(sim, i)
            yield (_uneven(rng, image) if sim.uneven else image).astype(np.float32)


def has_gold(sim: Simulation, number: int) -> bool:
    """Whether an image has a bead of gold in it."""
    return np.random.default_rng([sim.seed, 4, number]).uniform() < sim.gold


def _gold(sim: Simulation, number: int) -> np.ndarray | float:
    if not has_gold(sim, number):
        return 0.0
    x, y = np.random.default_rng([sim.seed, 5, number]).uniform(0.2, 0.8, 2) * sim.box
    row, column = np.indices((sim.box, sim.box))
    return BRIGHT * (np.hypot(column - x, row - y) * sim.apix < BEAD)


def _noise(rng: np.random.Generator, sim: Simulation) -> np.ndarray:
    noise = rng.standard_normal((sim.box, sim.box), dtype=np.float32)
    if not sim.uneven:
        return noise
    colour = _colour(sim.box, sim.apix)
    return np.fft.irfft2(np.fft.rfft2(noise) * colour, s=noise.shape)


@lru_cache
def _colour(box: int, apix: float) -> np.ndarray:
    """Amplitudes (box, box//2+1) of noise with unit variance and three times the power below some 40 A."""
    ky, kx = np.fft.fftfreq(box, apix)[:, None], np.fft.rfftfreq(box, apix)
    power = 1 + 2 / (1 + (kx**2 + ky**2) * 40.0**2)
    full = 1 + 2 / (1 + (np.fft.fftfreq(box, apix) ** 2 + ky**2) * 40.0**2)
    return np.sqrt(power / full.mean()).astype(np.float32)


def _uneven(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Another contrast and grey level in each image, and a ramp."""
    gain, level, slope_x, slope_y = rng.normal([0, 0, 0, 0], [0.15, 0.6, 0.5, 0.5])
    along = np.linspace(-1, 1, len(image), dtype=np.float32)
    return np.exp(gain) * (image + slope_x * along + slope_y * along[:, None]) + level


def write_dataset(sim: Simulation, folder: str | Path) -> None:
    """Write particles.mrcs, particles.star (RELION 3.1), truth.star and truth.h5 into `folder`."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    known = truth(sim)
    mrc.write_mrcs(folder / "particles.mrcs", images(sim, known), sim.apix, sim.n, sim.box)
    write_star(folder / "particles.star", star_blocks(sim, known))
    write_star(folder / "truth.star", star_blocks(sim, known, poses=True))
    write_truth(folder / "truth.h5", sim, known)


def star_blocks(sim: Simulation, known: Truth, poses: bool = False) -> dict[str, dict[str, list[str]]]:
    """Columns of a RELION 3.1 STAR file as strings; with `poses` the Euler angles and origins, too."""
    optics = {
        "rlnOpticsGroup": ["1"],
        "rlnOpticsGroupName": ["opticsGroup1"],
        "rlnVoltage": [f"{sim.voltage:.6f}"],
        "rlnSphericalAberration": [f"{sim.cs:.6f}"],
        "rlnAmplitudeContrast": [f"{sim.ac:.6f}"],
        "rlnImagePixelSize": [f"{sim.apix:.6f}"],
        "rlnImageSize": [str(sim.box)],
        "rlnImageDimensionality": ["2"],
    }
    numbers = {}
    if sim.transfer:
        numbers = {
            "rlnDefocusU": known.ctf.defocus_u,
            "rlnDefocusV": known.ctf.defocus_v,
            "rlnDefocusAngle": known.ctf.angle,
        }
    if poses:
        origin = -known.shift * sim.apix
        numbers |= {
            "rlnAngleRot": known.rot,
            "rlnAngleTilt": known.tilt,
            "rlnAnglePsi": known.psi,
            "rlnOriginXAngst": origin[:, 0],
            "rlnOriginYAngst": origin[:, 1],
        }
    particles = {"rlnImageName": [f"{i:06d}@particles.mrcs" for i in range(1, sim.n + 1)]}
    particles |= {name: [f"{value:.6f}" for value in column] for name, column in numbers.items()}
    particles["rlnOpticsGroup"] = ["1"] * sim.n
    return {"optics": optics, "particles": particles}


def write_truth(path: str | Path, sim: Simulation, known: Truth) -> None:
    """Write the simulation's recipe and the particles' poses and CTF parameters to an HDF5 file."""
    with atomic(path) as unfinished, h5py.File(unfinished, "w") as file:
        file.attrs["simulation"] = json.dumps(asdict(sim))
        for name in ("rot", "tilt", "psi", "shift", "kind"):
            file[name] = getattr(known, name)
        for name, column in asdict(known.ctf).items():
            file[f"ctf/{name}"] = column


def read_truth(path: str | Path) -> tuple[Simulation, Truth]:
    """Read back what `write_truth` wrote."""
    with h5py.File(path) as file:
        recipe = json.loads(file.attrs["simulation"])
        recipe = {k: tuple(v) if isinstance(v, list) else v for k, v in recipe.items()}
        poses = {name: file[name][:] for name in ("rot", "tilt", "psi", "shift", "kind")}
        table = CtfTable(**{name: column[:] for name, column in file["ctf"].items()})
    return Simulation(**recipe), Truth(**poses, ctf=table)
