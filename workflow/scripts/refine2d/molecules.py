"""Molecules to simulate, as sums of 3D Gaussians."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from refine2d.euler import about_z


@dataclass(frozen=True)
class Molecule:
    """Gaussians: centres (m, 3) in A, standard deviations sigma (m,) in A, masses (m,)."""

    centres: np.ndarray
    sigma: np.ndarray
    mass: np.ndarray


@lru_cache
def molecule(name: str) -> Molecule:
    """A molecule by name, its centre of mass at the origin.

    'barrel' (the demo's, D7), 'ribosome' (the benchmark's, C1, 250 A), 'ratcheted' (the same with its small subunit
    turned by 12 degrees and its head by 25), 'tetramer' (D2, 180 A), 'ice0' to 'ice7' (what is no molecule).
    """
    if name.startswith("ice"):
        built = _ice(int(name[3:]))
    else:
        built = {"barrel": _barrel, "ribosome": _ribosome, "ratcheted": _ratcheted, "tetramer": _tetramer}[
            name
        ]()
    centre = np.average(built.centres, axis=0, weights=built.mass)
    return Molecule(built.centres - centre, built.sigma, built.mass)


def symmetry(name: str) -> np.ndarray:
    """Rotations (m, 3, 3) that leave a molecule as it is."""
    turns = {"barrel": 7, "tetramer": 2}.get(name, 1)
    around = about_z(2 * np.pi * np.arange(turns) / turns)
    return around if turns == 1 else np.concatenate([around, around @ np.diag([1.0, -1, -1])])


def _barrel() -> Molecule:
    """Four stacked rings of seven subunits around a channel, two of each kind: a proteasome's build (D7)."""
    rng = np.random.default_rng(7)
    inner = np.add(_subunit(rng), [42.0, 0, 20.5])
    outer = np.add(_subunit(rng) * [1.1, 1, 0.95], [39.0, 0, 56.5])
    lid = rng.normal([19.0, 0, 64.0], [3, 3, 3], (12, 3))
    half = np.concatenate([inner, outer @ about_z(np.array([0.08]))[0], lid])
    half = np.concatenate([half @ turn for turn in about_z(2 * np.pi * np.arange(7) / 7)])
    centres = np.concatenate([half, half * [1, -1, -1]])
    return Molecule(centres, np.full(len(centres), 3.6), np.ones(len(centres)))


def _subunit(rng: np.random.Generator) -> np.ndarray:
    """Centres (m, 3) of a 30 A domain: helices as rods in two layers around a denser core."""
    rods = []
    for layer in (-1, 1):
        for place in (-9, 0, 9):
            direction = np.array([1, 0.2 * layer, 0.25 * rng.normal()])
            direction /= np.linalg.norm(direction)
            middle = np.array([0, place, 10.0 * layer]) + rng.normal(0, 1.5, 3)
            rods.append(middle + np.linspace(-12, 12, 9)[:, None] * direction)
    core = rng.normal(0, [8, 7, 5], (36, 3))
    return np.concatenate([*rods, core])


def _ribosome(ratchet: float = 0.0, swivel: float = 0.0) -> Molecule:
    """A C1 particle of 250 A: two subunits and a cleft, double helices, small dense domains, two stalks.

    The small subunit is turned by `ratchet` degrees about the long axis, its head by `swivel` more.
    """
    rng = np.random.default_rng(70)
    lobes = [  # centre, semi-axes (A), double helices, globular domains, degrees it is turned by
        ([0, 0, 28], [104, 92, 74], 105, 24, 0),  # large subunit
        ([12, -6, -68], [76, 46, 36], 30, 12, ratchet),  # small subunit's body
        ([-66, 22, -62], [36, 34, 32], 12, 6, ratchet + swivel),  # its head
        ([72, 44, 54], [32, 20, 18], 5, 3, 0),  # stalks
        ([-70, -52, 44], [22, 32, 18], 4, 2, 0),
    ]
    helices, domains, axis_points = [], [], np.full((1, 3), 1e3)
    for centre, semi_axes, n_helices, n_domains, turn in lobes:
        turned = about_z(np.deg2rad([turn]))[0].T
        for _ in range(n_helices):
            for _ in range(40):  # tries to find a free place
                axis, length = _direction(rng), rng.uniform(30, 70)
                middle = centre + 0.9 * _in_ball(rng) * semi_axes
                points = middle + np.linspace(-length / 2, length / 2, 9)[:, None] * axis
                inside = np.all((((points - centre) / semi_axes) ** 2).sum(1) < 1.1)
                if inside and np.linalg.norm(points[:, None] - axis_points, axis=2).min() > 15:
                    axis_points = np.concatenate([axis_points, points])
                    helices.append(_double_helix(rng, middle, axis, length) @ turned)
                    break
        for _ in range(n_domains):
            middle = centre + _in_ball(rng) * semi_axes
            domain = middle + rng.normal(0, rng.uniform(5, 9), (rng.integers(12, 30), 3))
            domains.append(domain @ turned)
    helix, protein = np.concatenate(helices), np.concatenate(domains)
    return Molecule(
        np.concatenate([helix, protein]),
        np.concatenate([np.full(len(helix), 4.2), np.full(len(protein), 4.6)]),
        np.concatenate([np.full(len(helix), 1.6), np.full(len(protein), 0.9)]),
    )


def _ratcheted() -> Molecule:
    return _ribosome(ratchet=12.0, swivel=25.0)


def _tetramer() -> Molecule:
    """Four subunits of three domains each about three twofold axes: beta-galactosidase's build."""
    rng = np.random.default_rng(4)
    places = np.array([[52.0, 26, 18], [30, 12, 30], [24, 34, 8]])
    subunit = np.concatenate(
        [_subunit(rng) @ about_z(rng.uniform(0, 6.28, 1))[0] + place for place in places]
    )
    centres = np.concatenate([subunit * sign for sign in ([1, 1, 1], [-1, -1, 1], [-1, 1, -1], [1, -1, -1])])
    return Molecule(centres, np.full(len(centres), 3.8), np.ones(len(centres)))


def _ice(seed: int) -> Molecule:
    """A lump without structure, of 60 to 200 A."""
    rng = np.random.default_rng([8, seed])
    extent = rng.uniform(15, 50)
    return Molecule(rng.normal(0, extent, (40, 3)), rng.uniform(6, 16, 40), np.full(40, 60.0))


def _double_helix(
    rng: np.random.Generator, middle: np.ndarray, axis: np.ndarray, length: float
) -> np.ndarray:
    """Centres along an A-form double helix: radius 9 A, pitch 29 A, one every 5.6 A on each strand."""
    side = np.cross(axis, _direction(rng))
    side /= np.linalg.norm(side)
    up = np.cross(axis, side)
    along = np.arange(-length / 2, length / 2, 5.6)
    turn = 2 * np.pi * along / 29 + rng.uniform(0, 2 * np.pi)
    strands = [
        middle + along[:, None] * axis + 9 * (np.cos(t)[:, None] * side + np.sin(t)[:, None] * up)
        for t in (turn, turn + 2.4)
    ]
    return np.concatenate(strands)


def _direction(rng: np.random.Generator) -> np.ndarray:
    vector = rng.normal(size=3)
    return vector / np.linalg.norm(vector)


def _in_ball(rng: np.random.Generator) -> np.ndarray:
    return _direction(rng) * rng.uniform() ** (1 / 3)
