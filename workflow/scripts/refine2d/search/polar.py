"""Fourier transforms on rings: from the Cartesian half plane to angular harmonics.

On a ring the real function ``Re F + Im F`` (Hartley's) holds all of a real image's transform, and the sum over
the ring of the product of two such functions is ``Re sum conj(T) Y``. A rotation shifts it, so all in-plane angles
of one reference cost one multiplication a harmonic: the Fourier form of the classical polar alignment (Penczek,
Radermacher & Frank, Ultramicroscopy 40 (1992) 33, doi:10.1016/0304-3991(92)90233-A).
"""

from functools import cached_property, lru_cache

import numpy as np

from .plan import Plan

JINC = 8192  # entries of a table


class Rings:
    """Sampling of half-plane transforms on rings of integer radius, and its angular harmonics.

    Parameters
    ----------
    plan : Plan
        Sets rings, angles and harmonics.
    """

    def __init__(self, plan: Plan):
        self.plan, box = plan, plan.box
        self.n = plan.coarse_rings
        self.half = plan.coarse_angles // 2
        reach = self.n + 2
        ky, kx = np.mgrid[-reach : reach + 1, 0 : reach + 1]
        inside = (np.hypot(kx, ky) <= reach) & ((kx > 0) | (ky > 0))
        self.kx, self.ky = kx[inside], ky[inside]
        theta = np.pi * np.arange(self.half) / self.half
        radius = np.arange(1, self.n + 1)
        self.qx = np.outer(np.cos(theta), radius)
        self.qy = np.outer(np.sin(theta), radius)
        plus = self._window(self.qx.ravel() - self.kx[:, None], self.qy.ravel() - self.ky[:, None], box)
        minus = self._window(self.qx.ravel() + self.kx[:, None], self.qy.ravel() + self.ky[:, None], box)
        self._to_real = (plus + minus).astype(np.float32)
        self._to_imag = (plus - minus).astype(np.float32)

    @staticmethod
    def _window(qx: np.ndarray, qy: np.ndarray, box: int) -> np.ndarray:
        """Transform of the disc inscribed in the box: what interpolates between Fourier pixels."""
        radius = box / 2 - 1
        x = 2 * np.pi * radius * np.hypot(qx, qy) / box
        return 2 * np.pi * (radius / box) ** 2 * _jinc(x)

    def sample(self, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Real and imaginary part on the upper half of each ring.

        Parameters
        ----------
        y : ndarray
            (n, box, box // 2 + 1) complex64, unitary half-plane transforms.

        Returns
        -------
        real, imag : ndarray
            (n, half, rings) float32.
        """
        f = y[:, self.ky, self.kx]
        real = np.ascontiguousarray(f.real) @ self._to_real
        imag = np.ascontiguousarray(f.imag) @ self._to_imag
        shape = (len(y), self.half, self.n)
        return real.reshape(shape), imag.reshape(shape)

    @cached_property
    def ramps(self) -> np.ndarray:
        """Phase ramps of the plan's shifts on the rings: (shifts, rings, half, 2) float32, cosine and sine."""
        sx, sy = self.plan.shifts.T[:, :, None, None]
        phase = (2 * np.pi / self.plan.box) * (self.qx.T * sx + self.qy.T * sy)
        return np.ascontiguousarray(np.stack([np.cos(phase), np.sin(phase)], axis=-1), np.float32)

    @cached_property
    def orders(self) -> tuple[np.ndarray, np.ndarray]:
        """Even and odd harmonics; the real part has only the even ones, the imaginary part only the odd."""
        h = np.arange(self.plan.harmonics)
        return h[::2], h[1::2]

    @cached_property
    def innermost(self) -> np.ndarray:
        """The first ring, counted from 0, that matters to each harmonic, even ones first: (harmonics,) int.

        Rings within have harmonics two below at most, by `Plan.highest_harmonic`. Of a molecule's power they hold some
        millionths, of masked noise's a few thousandths.
        """
        highest = self.plan.highest_harmonic(np.arange(1, self.n + 1)) + 1
        return np.searchsorted(highest, np.concatenate(self.orders))

    @cached_property
    def _analysis(self) -> tuple[np.ndarray, np.ndarray]:
        theta = np.pi * np.arange(self.half) / self.half
        waves = []
        for orders in self.orders:
            phase = np.outer(orders, theta)
            waves.append(
                2 * np.stack([np.cos(phase), np.sin(phase)], 1).reshape(-1, self.half).astype(np.float32)
            )
        return tuple(waves)

    def harmonics(self, real: np.ndarray, imag: np.ndarray) -> np.ndarray:
        """Angular harmonics of ring samples.

        Parameters
        ----------
        real, imag : ndarray
            (n, half, rings) float32, from `sample`.

        Returns
        -------
        ndarray
            (n, harmonics, 2, rings) float32: cosine and sine sums over the full circle, even harmonics first.
        """
        parts = [
            (wave @ part).reshape(len(part), -1, 2, self.n)
            for wave, part in zip(self._analysis, (real, imag), strict=True)
        ]
        return np.concatenate(parts, axis=1)


def _jinc(x: np.ndarray) -> np.ndarray:
    """J1(x) / x, to 4e-6, from a table of Bessel's integral: SciPy, which has it, loads for a quarter of a second."""
    at = max(x.max(), 1) * np.linspace(1e-3, 1, JINC) ** 2
    angle = np.pi * (np.arange(int(at[-1]) + 20) + 0.5) / (int(at[-1]) + 20)
    bessel = np.cos(angle - at[:, None] * np.sin(angle)).mean(1)
    return np.interp(x, at, bessel / at)


@lru_cache(maxsize=4)
def rings_of(plan: Plan) -> Rings:
    """The rings of a plan, made once: their matrices take longer than a small class."""
    return Rings(plan)
