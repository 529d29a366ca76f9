"""Averages by name: what each particle is multiplied by, how the sums become an image, or a rule for each pixel.

Particles are summed after their alignment is undone. All but those that weight by the CTF itself take particles with
their phases flipped back, or defoci would cancel.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .ctf import ring_power
from .fourier import ft, ift, nrings, ring_mean, spread_rings
from .frc import frc
from .names import Named

FLOOR = 1e-3  # least signal power of a ring, as a share of the pooled one
ROUNDS = 10  # of the iterative averager
WIDTH = 2.0  # pixels; deviation of the window in which localweight compares
TINY = 1e-12


@dataclass(frozen=True)
class Averager:
    """An averager.

    Attributes
    ----------
    name : str
        One of `names.AVERAGERS`.
    params : dict
    """

    name: str = "wiener"
    params: dict = field(default_factory=dict)

    @property
    def is_sum(self) -> bool:
        """Whether the average is made of sums; if not, it needs the aligned images themselves."""
        return self.name in FINISH

    @property
    def needs_halves(self) -> bool:
        """Whether it compares the sums of two halves."""
        return FINISH.get(self.name) is _filtered

    @property
    def whitens(self) -> bool:
        """Whether particles are divided by the noise power."""
        return self.name not in PLAIN

    def weighting(self, transfer: np.ndarray, premultiplied: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the transforms of particles are multiplied by, and each ring's weight in the sum.

        Parameters
        ----------
        transfer : ndarray
            (n, L, L // 2 + 1) float32 CTF.
        premultiplied : ndarray
            (n,) bool: multiplied by the CTF already.

        Returns
        -------
        factor : ndarray
            (n, L, L // 2 + 1) float32.
        weight : ndarray
            (n, rings) float32.
        """
        power = ring_power(transfer)
        done = premultiplied[:, None, None]
        if self.name in PLAIN:
            return np.where(done, np.float32(1), np.sign(transfer)), np.ones_like(power)
        if self.name == "ctf.weight" or self.name == "ctf.weight.autofilt":
            return np.where(done, np.abs(transfer), transfer * np.abs(transfer)), power
        if self.name == "weightedfourier":
            box = transfer.shape[-2]
            ring = spread_rings(power.astype(np.float32), box)
            return ring * np.where(done, np.float32(1), np.sign(transfer)), power
        return np.where(done, np.float32(1), transfer), power

    def finish(self, total: np.ndarray, weight: np.ndarray, floor: np.ndarray | float) -> np.ndarray:
        """The average of two halves' sums.

        Parameters
        ----------
        total : ndarray
            (halves, L, L) float64 sums of aligned particles.
        weight : ndarray
            (halves, rings) float64 sums of the rings' weights.
        floor : ndarray or float
            Least signal power of a ring.

        Returns
        -------
        ndarray
            (L, L) float32, not masked.
        """
        return FINISH[self.name](total, weight, floor, self.params)

    def of_images(self, images: np.ndarray) -> np.ndarray:
        """The average of aligned images (n, L, L), for averagers that are no sum: (L, L) float32."""
        return OF_IMAGES[self.name](images, self.params).astype(np.float32)


def averager(named: Named) -> Averager:
    """The averager of a name."""
    return Averager(named.name, named.params)


# ---- Of sums -------------------------------------------------------------------


def wiener(total, weight, floor, params=None):
    """Sum over weight plus 1 / signal power, this from the sum's own power above the noise."""
    total, weight = total.sum(0), weight.sum(0)
    box = len(total)
    coefficients = ft(total)
    safe = np.maximum(weight, 1e-12)
    signal = np.where(weight > 0, (ring_mean(np.abs(coefficients) ** 2, box) - safe) / safe**2, 0)
    signal = np.maximum(signal, np.maximum(floor, FLOOR * FLOOR * signal.max()))
    gain = np.where(weight > 0, 1 / (safe + 1 / np.maximum(signal, 1e-12)), 0)
    return ift(coefficients * spread_rings(gain, box), box)


def _divided(total, weight, floor=0.0, params=None):
    """Sum over weight; a ring near a zero of all CTFs together counts as one with a thousandth of the mean weight."""
    total, weight = total.sum(0), weight.sum(0)
    inverse = np.where(weight > 0, 1 / np.maximum(weight, max(FLOOR * weight.mean(), TINY)), 0)
    return ift(ft(total) * spread_rings(inverse, len(total)), len(total))


def _filtered(total, weight, floor, params):
    """The same times 2 FRC / (1 + FRC) of the halves (Rosenthal & Henderson 2003, doi:10.1016/j.jmb.2003.07.013)."""
    average, box = _divided(total, weight), total.shape[-1]
    halves = [_divided(total[half : half + 1], weight[half : half + 1]) for half in range(2)]
    curve = (
        np.maximum(frc(*halves), 0)
        if weight.shape[0] == 2 and weight.min(0).max() > 0
        else np.ones(nrings(box))
    )
    return ift(ft(average) * spread_rings(np.float32(2 * curve / (1 + curve)), box), box)


def _iterated(total, weight, floor, params):
    """Landweber iterations (1951, doi:10.2307/2372313) towards the sum over weight: heavy rings come first."""
    total, weight = total.sum(0), weight.sum(0)
    share = weight / max(weight.max(), TINY)
    reached = 1 - (1 - share) ** params.get("rounds", ROUNDS)
    gain = np.where(weight > 0, reached / np.maximum(weight, TINY), 0)
    return ift(ft(total) * spread_rings(gain, len(total)), len(total))


# ---- Of images -----------------------------------------------------------------


def _localweight(images, params):
    """Mean with weights: each image's correlation with the mean around each pixel, where it is positive."""
    from scipy.ndimage import gaussian_filter  # here, since it loads slowly

    width = params.get("width", WIDTH)
    mean = images.mean(0, dtype=np.float64)
    total, weight = np.zeros_like(mean), np.zeros_like(mean)
    for image in images.astype(np.float64):
        cross = gaussian_filter(image * mean, width)
        norm = gaussian_filter(image**2, width) * gaussian_filter(mean**2, width)
        likeness = np.maximum(cross / np.sqrt(np.maximum(norm, TINY)), 1e-3)
        total += likeness * image
        weight += likeness
    return total / weight


PLAIN = ("mean", "sigma", "median", "minmax", "localweight")
FINISH: dict[str, Callable] = {
    "wiener": wiener,
    "mean": _divided,
    "ctf.weight": _divided,
    "ctf.weight.autofilt": _filtered,
    "ctf.auto": _divided,
    "ctfw.auto": _filtered,
    "weightedfourier": _divided,
    "iterative": _iterated,
}
OF_IMAGES: dict[str, Callable] = {
    "sigma": lambda images, params: images.std(0, dtype=np.float64),
    "median": lambda images, params: np.median(images, axis=0),
    "minmax": lambda images, params: images.max(0) if params.get("max", False) else images.min(0),
    "localweight": _localweight,
}
