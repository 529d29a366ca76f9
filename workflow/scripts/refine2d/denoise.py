"""Averages as references: less of their own noise, which particles would be aligned to."""

import numpy as np

from .fourier import ft, ift, ring_sum, spread_rings
from .msa import Basis, basis, coordinates


def energy(halves: np.ndarray) -> float:
    """Sum of squares of the noise in an average.

    Parameters
    ----------
    halves : ndarray
        (2, L, L) float32 averages of its halves.
    """
    return float(((halves[0] - halves[1]).astype(np.float64) ** 2).sum() / 4)


def per_component(energies: list[float]) -> float:
    """Variance that noise of such energies gives to averages along each of their principal components.

    Independent noise of K averages is spread evenly over their components, which are far fewer than its dimensions. The
    median counts, since averages of junk have ten times the noise of others.

    Parameters
    ----------
    energies : list of float
        From `energy`, one of each average; 0 where it is not known.
    """
    return float(np.median(energies)) / len(energies)


def together(averages: np.ndarray, noise: float) -> np.ndarray:
    """Averages drawn towards their mean along each principal component by the share that noise has of its variance.

    The linear estimate of least squared error from all averages together.

    Parameters
    ----------
    averages : ndarray
        (K, L, L) float32, aligned to each other.
    noise : float
        Variance of noise along any component, from `per_component`.

    Returns
    -------
    ndarray
        (K, L, L) float32.
    """
    return averages if noise == 0 else _inside(averages, basis(averages, len(averages), noise))


def by_halves(average: np.ndarray, halves: np.ndarray, space: Basis) -> np.ndarray:
    """An average drawn towards the mean inside the MSA space, and beyond it filtered by what its halves agree upon.

    Its members were aligned to images of this space, so that noise they share by that lies inside of it; beyond it
    the halves are independent, and their Fourier ring correlation (over three rings) gives the filter ``2 FRC / (1 +
    FRC)`` (Rosenthal & Henderson 2003, doi:10.1016/j.jmb.2003.07.013).

    Parameters
    ----------
    average : ndarray
        (L, L) float32, in the frame of the space, masked.
    halves : ndarray
        (2, L, L) float32 averages of its halves, masked alike.
    space : Basis
        Of images.

    Returns
    -------
    ndarray
        (L, L) float32.
    """
    box = average.shape[-1]
    beyond, one, two = ft(_beyond(np.stack([average, *halves]), space))
    products = np.stack([(one * np.conj(two)).real, np.abs(one) ** 2, np.abs(two) ** 2])
    rings = np.pad(ring_sum(products, box), ((0, 0), (1, 1)), mode="edge")
    common, *powers = rings[:, :-2] + rings[:, 1:-1] + rings[:, 2:]
    agreement = np.clip(common / np.sqrt(np.maximum(powers[0] * powers[1], 1e-30)), 0, 1)
    gain = (2 * agreement / (1 + agreement)).astype(np.float32)
    return _inside(average[None], space)[0] + ift(beyond * spread_rings(gain, box), box)


def _inside(images: np.ndarray, space: Basis) -> np.ndarray:
    kept = coordinates(images, space) * space.signal / np.where(space.eigval > 0, space.eigval, 1)
    return (space.mean + np.tensordot(kept, space.vectors, 1)).astype(np.float32)


def _beyond(images: np.ndarray, space: Basis) -> np.ndarray:
    return (images - space.mean - np.tensordot(coordinates(images, space), space.vectors, 1)).astype(
        np.float32
    )
