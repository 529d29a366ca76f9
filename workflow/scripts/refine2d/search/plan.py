"""What a search covers: bands, angles, shifts; fixed by box, mask, largest shift and what the aligner may do."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

COARSE_BAND = 0.15625  # cycles per pixel of the exhaustive search: 10 rings in a box of 64
LEAST_RINGS = 10  # of the exhaustive search in a small box, too
FINE_BAND = 0.4  # cycles per pixel of the local search and of the final score
COARSE_STEP = 3.0  # pixels between the shifts of the exhaustive search; the band's Nyquist limit is 3.2
NYQUIST = 0.47  # the shift step's share of box / rings; 0.5 is the band's limit
RIM = 1.0  # pixels beyond the largest shift where the exhaustive search still looks
FINE_PER_COARSE = 4  # fine angles per coarse angle
MOVES = 6  # most steps of the finest size


@dataclass(frozen=True)
class Plan:
    """Extent and sampling of an alignment search.

    Parameters
    ----------
    box : int
        Working box in pixels, even.
    mask_radius : float
        Radius of the particle's mask in working pixels; it sets the angular step.
    maxshift : float
        Largest shift in working pixels (a disc, not a square).
    mirror : bool
        Whether mirrored references are tried too.
    rotate, translate : bool
        Whether angles and shifts other than 0 are tried.
    coarse_band, band : float
        Cycles per pixel of the exhaustive search, and of the local one and the score.
    shift_step : float
        Working pixels between the shifts of the exhaustive search; the band may ask for fewer.
    angle_step : float
        Largest step of the exhaustive search's angles in degrees; the band and the mask may ask for a smaller one.
    local : bool
        Whether poses are refined after the exhaustive search.
    moves : int
        Most steps of the local search at its finest.
    reach : float
        Largest shift in working pixels that the local search moves to, if less than `maxshift`.
    shift_sigma : float
        Standard deviation, along an axis and in working pixels, of the Gaussian that shifts have a priori; infinite if
        all are as likely.
    """

    box: int
    mask_radius: float
    maxshift: float
    mirror: bool = True
    rotate: bool = True
    translate: bool = True
    coarse_band: float = COARSE_BAND
    band: float = FINE_BAND
    shift_step: float = COARSE_STEP
    angle_step: float = 360.0
    local: bool = True
    moves: int = MOVES
    reach: float = np.inf
    shift_sigma: float = np.inf

    @property
    def coarse_rings(self) -> int:
        """Radius of the exhaustive search's band in Fourier pixels."""
        if self.coarse_band < COARSE_BAND:  # as was asked for
            return max(3, round(min(self.coarse_band, self.band) * self.box))
        return max(min(LEAST_RINGS, self.fine_rings), round(min(self.coarse_band, self.band) * self.box))

    @property
    def fine_rings(self) -> int:
        """Radius of the local search's band in Fourier pixels."""
        return max(3, int(self.band * self.box))

    def highest_harmonic(self, ring: int | np.ndarray) -> np.ndarray:
        """The highest angular harmonic that a masked image can have on a ring, int; `ring` in Fourier pixels."""
        return np.ceil(2 * np.pi * ring * self.mask_radius / self.box).astype(int)

    @property
    def harmonics(self) -> int:
        """Angular harmonics of the exhaustive search, 0 included: those of its outermost ring."""
        return int(self.highest_harmonic(self.coarse_rings)) + 1

    @property
    def coarse_angles(self) -> int:
        """In-plane angles of the exhaustive search, a multiple of eight above the Nyquist limit."""
        least = max(2 * self.harmonics, int(np.ceil(360 / self.angle_step - 1e-6)))
        return 8 * -(-least // 8)

    @property
    def fine_angles(self) -> int:
        """In-plane angles of the local search's grid."""
        return FINE_PER_COARSE * self.coarse_angles

    @cached_property
    def shifts(self) -> np.ndarray:
        """Shifts of the exhaustive search: (n, 2) float32, (x, y) in working pixels.

        The local search starts from them: its first step reaches the rim of the disc from points beyond it, too.
        """
        if not self.translate:
            return np.zeros((1, 2), np.float32)
        step, reach = (
            min(self.shift_step, NYQUIST * self.box / self.coarse_rings),
            self.maxshift + (RIM if self.local else 0),
        )
        axis = step * np.arange(-np.floor(reach / step), np.floor(reach / step) + 1)
        y, x = np.meshgrid(axis, axis, indexing="ij")
        inside = np.hypot(x, y) <= reach + 1e-3
        return np.stack([x[inside], y[inside]], axis=1).astype(np.float32)

    def shift_penalty(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """How much less likely shifts are a priori than none, as a logarithm; x, y in working pixels."""
        return (x**2 + y**2) / (2 * self.shift_sigma**2)
