"""How good a class average looks, from features that can be said in a sentence, and what to keep by them."""

import os
from dataclasses import dataclass, fields

import numpy as np

from .files import atomic
from .fourier import ft, nrings, plane_weights, radius, ring_index
from .frc import resolution

KEEP = 0.65  # least score of a class that is suggested

# A feature counts 0 up to the first value, 1 from the second on; then its weight in the geometric mean.
RAMPS = {
    "size": (0.2, 1.0, 2),
    "detail": (0.3, 0.7, 2),
    "centring": (0.25, 0.08, 1),
    "contrast": (1.5, 3.0, 2),
    "roundness": (0.3, 0.7, 1),
}
MEANING = {
    "size": "particles, of the mean class's",
    "detail": "mean FRC of the class's halves up to the resolution that the best tenth of the classes reaches",
    "centring": "distance of the contrast's centre of mass from the centre, of the mask's radius",
    "contrast": "deviation of the grey values inside the mask, of that at its rim",
    "roundness": "evenness over all directions of what is finer than the resolution: 1 for noise, 0 for streaks",
}
LEAST = 0.05  # what a feature counts at least, so that none decides alone
FIRST = 2  # the rings below hold the particle's outline alone


@dataclass
class Quality:
    """Features of K classes, float64 (K,) each; `MEANING` says what they are."""

    size: np.ndarray
    detail: np.ndarray
    centring: np.ndarray
    contrast: np.ndarray
    roundness: np.ndarray

    @property
    def parts(self) -> dict[str, np.ndarray]:
        """What each feature counts, 0 to 1: (K,) by name."""
        return {
            name: np.clip((getattr(self, name) - bad) / (good - bad), 0, 1)
            for name, (bad, good, _) in RAMPS.items()
        }

    @property
    def score(self) -> np.ndarray:
        """Weighted geometric mean of the parts, (K,) from 0 to 1."""
        logs = np.log(np.maximum(list(self.parts.values()), LEAST))
        return np.exp(np.average(logs, axis=0, weights=[weight for _, _, weight in RAMPS.values()]))

    @property
    def keep(self) -> np.ndarray:
        """Suggested classes, bool (K,)."""
        return self.score >= KEEP

    def rows(self) -> list[dict[str, float]]:
        """For each class its features and score."""
        columns = {field.name: getattr(self, field.name) for field in fields(self)} | {"score": self.score}
        return [
            dict(zip(columns, map(float, row), strict=True)) for row in zip(*columns.values(), strict=True)
        ]


def write_quality(
    path: str | os.PathLike, quality: Quality, sizes: np.ndarray, resolution: np.ndarray
) -> None:
    """Write a table with tabs: class, particles, resolution (A), features, score, and whether it is suggested."""
    with atomic(path) as temporary, open(temporary, "w", newline="\n") as file:
        rows, keep = quality.rows(), quality.keep
        print("class", "particles", "resolution_A", *rows[0], "suggested", sep="\t", file=file)
        for k, row in enumerate(rows):
            values = (f"{value:.4f}" for value in row.values())
            suggested = "keep" if keep[k] else "junk"
            print(k, sizes[k], f"{resolution[k]:.2f}", *values, suggested, sep="\t", file=file)


def measure(averages: np.ndarray, sizes: np.ndarray, frc: np.ndarray, mask_radius: float) -> Quality:
    """Features of class averages.

    Parameters
    ----------
    averages : float32 array (K, L, L)
    sizes : int array (K,)
        Particles.
    frc : float array (K, rings)
        Fourier ring correlation of each class's halves.
    mask_radius : float
        Pixels.
    """
    box = averages.shape[-1]
    reach = np.array([resolution(curve, 1.0) for curve in frc])  # pixels
    best = np.clip(round(box / np.quantile(reach, 0.1)), FIRST + 1, frc.shape[1])
    each = [
        (centring(image, mask_radius), contrast(image, mask_radius), roundness(image, box / at))
        for image, at in zip(averages, reach, strict=True)
    ]
    return Quality(sizes / max(np.mean(sizes), 1e-9), frc[:, FIRST:best].mean(1), *np.array(each).T)


def centring(image: np.ndarray, mask_radius: float) -> float:
    """Distance of the centre of mass of the squared grey values from the image centre, of the mask's radius."""
    axis = np.arange(len(image)) - len(image) // 2
    mass = np.where(radius(len(image)) < mask_radius, image.astype(np.float64) ** 2, 0)
    x, y = (mass * axis).sum(), (mass * axis[:, None]).sum()
    return float(np.hypot(x, y) / max(mass.sum(), 1e-30) / mask_radius)


def contrast(image: np.ndarray, mask_radius: float) -> float:
    """Deviation of grey values within 0.7 of the mask's radius over that in its outermost quarter; 0 if flat."""
    far = radius(len(image))
    inside, rim = image[far < 0.7 * mask_radius], image[(far > 0.75 * mask_radius) & (far < mask_radius)]
    return float(inside.std() / rim.std()) if rim.std() > 0 else 0.0


def roundness(image: np.ndarray, ring: float) -> float:
    """How evenly the power from a ring on is spread over directions, 0 to 1.

    One less the length of the second circular moment of the power, each ring counting alike.
    """
    box, rings = len(image), nrings(len(image)) + 1
    index = ring_index(box).ravel()
    power = (np.abs(ft(image)) ** 2 * plane_weights(box)).ravel()
    ky, kx = np.fft.fftfreq(box)[:, None], np.fft.rfftfreq(box)[None]
    double = 2 * np.arctan2(ky, kx).ravel()
    total, cosine, sine = (
        np.bincount(index, power * part, rings)[min(int(np.ceil(ring)), int(0.35 * box)) : int(0.45 * box)]
        for part in (1, np.cos(double), np.sin(double))
    )
    filled = total > 0
    if not filled.any():
        return 0.0
    return float(1 - np.hypot((cosine[filled] / total[filled]).mean(), (sine[filled] / total[filled]).mean()))
