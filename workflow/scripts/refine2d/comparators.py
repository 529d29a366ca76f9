"""How alike a particle and a reference are, by name: log-likelihood gain and the comparators of EMAN2.

Those of `DOT` are sums over Fourier space of particle times reference, each filtered or normalised beforehand, less a
penalty: the search engine tries them on all poses. The others are worked out for a pair that is aligned already. Larger
is better for all of them; EMAN2's signs are the other way round. All but ``ml`` see the particle with its phases
flipped back, or defoci would cancel.
"""

from dataclasses import dataclass, field

import numpy as np

from .fourier import ft, ift, radius, ring_index, ring_mean, ring_size, ring_sum, spread_rings
from .names import Named
from .particles import ParticleStore
from .search.plan import Plan
from .transforms import undo

DOT = ("ml", "ccc", "dot", "sqeuclidean", "frc")
TINY = 1e-12


@dataclass(frozen=True)
class Comparator:
    """A comparator for images of one box.

    Attributes
    ----------
    name : str
        One of `names.COMPARATORS`.
    box : int
    first, last : int
        Rings that are compared.
    mask_radius : float
        Pixels; where those in real space compare.
    params : dict
    """

    name: str
    box: int
    first: int
    last: int
    mask_radius: float
    params: dict = field(default_factory=dict)

    @property
    def is_dot(self) -> bool:
        """Whether the search engine can try it on all poses."""
        return self.name in DOT

    @property
    def zeromask(self) -> bool:
        """Whether a pair is compared only where the reference is not 0, which a search cannot do."""
        return bool(self.params.get("zeromask"))

    def particles(self, store: ParticleStore, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Particles as the search engine takes them.

        Parameters
        ----------
        store : ParticleStore
        rows : ndarray
            (n,) int.

        Returns
        -------
        y : ndarray
            (n, L, L // 2 + 1) complex64.
        c2 : ndarray
            (n, rings) float32, what the power of a reference is punished with.
        """
        if self.name == "ml":
            return store.matched(rows)
        return self._filtered(store.corrected(rows), store, rows)

    def _filtered(
        self, images: np.ndarray, store: ParticleStore, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Images of these particles, phases flipped back, as the search engine takes them."""
        y = ft(images) * self._band()
        power = ring_sum(np.abs(y) ** 2, self.box)
        c2 = np.zeros(power.shape, np.float32)
        if self.name == "frc":
            scale = _inverse_root(power)
            if self.params.get("snrweight"):
                snr = store.matched(rows)[1] * (self._rings() > 0)
                scale *= snr / np.maximum(snr.mean(1, keepdims=True), TINY)
            return y * spread_rings(scale.astype(np.float32), self.box), c2
        if self._unit():
            y *= _inverse_root(power.sum(1)).astype(np.float32)[:, None, None]
        elif self.name == "sqeuclidean":
            c2[:, self.first : self.last + 1] = 1
        return y, c2

    def references(self, images: np.ndarray) -> np.ndarray:
        """References as the search engine takes them: (R, L, L) float32."""
        if self.name == "ml" or not (self._unit() or self.name == "frc"):
            return images
        transforms = ft(images) * self._band()
        power = ring_sum(np.abs(transforms) ** 2, self.box)
        if self.name != "frc":
            scale = np.float32(_inverse_root(power.sum(-1)))[..., None, None]
            return ift(transforms * scale, self.box)
        weight = self._rings() * (ring_size(self.box) if self.params.get("nweight", True) else 1)
        if self.params.get("ampweight"):
            weight = weight * np.sqrt(power / ring_size(self.box))
        weight = weight / np.maximum(weight.sum(-1, keepdims=True), TINY)
        return ift(transforms * spread_rings(np.float32(_inverse_root(power) * weight), self.box), self.box)

    def scores(
        self, store: ParticleStore, rows: np.ndarray, poses: np.ndarray, references: np.ndarray
    ) -> np.ndarray:
        """Likeness of particles and references in given poses.

        Parameters
        ----------
        store : ParticleStore
        rows : ndarray
            (n,) int.
        poses : ndarray
            (n,) ALIGNMENT.
        references : ndarray
            (n, L, L) float32, the reference of each particle.

        Returns
        -------
        ndarray
            (n,) float32; larger is better.
        """
        if self.is_dot and not self.zeromask:
            y, c2 = self.particles(store, rows)
            return self._dots(undo(ift(y * self._band(), self.box), poses), c2, references)
        aligned = undo(store.corrected(rows), poses)
        if self.zeromask:
            aligned *= references != 0
        if self.is_dot:
            y, c2 = self._filtered(aligned, store, rows)
            return self._dots(ift(y, self.box), c2, references)
        weight = store.matched(rows)[1] if self._needs_snr() else None
        return PAIRS[self.name](self, aligned, references, weight).astype(np.float32)

    def _dots(self, aligned: np.ndarray, c2: np.ndarray, references: np.ndarray) -> np.ndarray:
        """Dot products of aligned particles, filtered, and their references, less the penalty."""
        prepared = self.references(references)
        power = ring_sum(np.abs(ft(prepared)) ** 2, self.box)
        power[:, 0] = power[:, self.last + 1 :] = 0
        alike = (aligned * prepared).sum((1, 2), dtype=np.float64)
        return (alike - 0.5 * (c2 * power).sum(1)).astype(np.float32)

    def _unit(self) -> bool:
        """Whether particle and reference are brought to unit length."""
        by_request = {"dot": "normalize", "sqeuclidean": "normto"}.get(self.name)
        return self.name == "ccc" or bool(by_request and self.params.get(by_request))

    def _needs_snr(self) -> bool:
        return bool(self.params.get("snrweight") or self.params.get("ctfweight"))

    def _rings(self) -> np.ndarray:
        """1 for the rings that are compared: (rings,) float64."""
        ring = np.arange(self.box // 2 + 1)
        return ((ring >= self.first) & (ring <= self.last)).astype(float)

    def _band(self) -> np.ndarray:
        """The same on the half plane, float32."""
        ring = ring_index(self.box)
        return ((ring >= self.first) & (ring <= self.last)).astype(np.float32)


def comparator(named: Named, plan: Plan, apix: float) -> Comparator:
    """The comparator of a name.

    Parameters
    ----------
    named : Named
        ``minres`` and ``maxres`` are resolutions in A.
    plan : Plan
        Box, mask and band of the search.
    apix : float
        Working pixel size, A.
    """
    field_of_view = plan.box * apix
    first, last = 1, plan.fine_rings
    if named.params.get("minres", 0) > 0:
        first = max(first, int(np.ceil(field_of_view / named.params["minres"])))
    if named.params.get("maxres", 0) > 0:
        last = min(last, int(field_of_view / named.params["maxres"]))
    first = min(first, last)
    return Comparator(named.name, plan.box, max(1, first), max(1, last), plan.mask_radius, named.params)


# ---- Pairs ---------------------------------------------------------------------
# Aligned particles (n, L, L), their references (n, L, L), and their SNR curves (n, rings) where one is needed.


def _phase(by, aligned, references, snr):
    """Minus the mean phase difference in radians, weighted by the amplitude of the reference."""
    a, b = ft(aligned), ft(references)
    weight = np.repeat(by._rings()[None], len(a), axis=0)
    if snr is not None:
        weight *= snr
    weight = spread_rings(weight, by.box) * (np.abs(b) if by.params.get("ampweight", True) else 1)
    difference = np.abs(np.angle(a * np.conj(b))) * weight
    return -ring_sum(difference, by.box).sum(1) / np.maximum(ring_sum(weight, by.box).sum(1), TINY)


def _lod(by, aligned, references, _):
    """Minus half the mean absolute difference of both at mean 0 and deviation 1 (L1 norm)."""
    a, b = (_standard(pixels) for pixels in _inside(by, aligned, references))
    return -0.5 * np.abs(a - b).mean(1)


def _quadmindot(by, aligned, references, _):
    """The worst of the four quadrants' dot products."""
    half = by.box // 2
    quadrants = [
        (slice(None), rows, columns)
        for rows in (slice(0, half), slice(half, None))
        for columns in (slice(0, half), slice(half, None))
    ]
    dots = []
    for quadrant in quadrants:
        a, b = aligned[quadrant].astype(np.float64), references[quadrant].astype(np.float64)
        dot = (a * b).sum((1, 2))
        if by.params.get("normalize"):
            dot /= np.maximum(np.sqrt((a**2).sum((1, 2)) * (b**2).sum((1, 2))), TINY)
        dots.append(dot)
    return np.min(dots, axis=0)


def _optvariance(by, aligned, references, _):
    """Minus the variance that is left after the best scale and level of the particle's (or the reference's) density."""
    if by.params.get("matchfilt"):
        a, b = ft(aligned), ft(references)
        ratio = ring_mean(np.abs(a) ** 2, by.box) / np.maximum(ring_mean(np.abs(b) ** 2, by.box), TINY)
        references = ift(b * spread_rings(np.float32(np.sqrt(ratio)), by.box), by.box)
    a, b = _inside(by, aligned, references)
    moved, fixed = (b, a) if by.params.get("invert") else (a, b)
    far = radius(by.box)[radius(by.box) <= by.mask_radius].astype(np.float64)
    weight = far if by.params.get("radweight") else np.ones_like(far)
    weight = weight / weight.sum()
    moved, fixed = moved - (moved @ weight)[:, None], fixed - (fixed @ weight)[:, None]
    slope = np.maximum((moved * fixed) @ weight, 0) / np.maximum(moved**2 @ weight, TINY)
    return -((slope[:, None] * moved - fixed) ** 2 @ weight)


def _optsub(by, aligned, references, snr):
    """Minus the share of the particle's power that is left when the reference has been taken off as well as it can be,
    ring by ring."""
    a, b = ft(aligned), ft(references)
    power = ring_sum(np.abs(a) ** 2, by.box)
    cross = np.maximum(ring_sum((np.conj(b) * a).real, by.box), 0)
    taken = cross**2 / np.maximum(ring_sum(np.abs(b) ** 2, by.box), TINY)
    weight = by._rings() * (1 if snr is None else snr)
    return -((power - taken) * weight).sum(1) / np.maximum((power * weight).sum(1), TINY)


PAIRS = {
    "phase": _phase,
    "lod": _lod,
    "quadmindot": _quadmindot,
    "optvariance": _optvariance,
    "optsub": _optsub,
}


def _inside(by, *stacks):
    """Pixels inside the mask: (n, pixels) float64 of each stack."""
    return [stack[:, radius(by.box) <= by.mask_radius].astype(np.float64) for stack in stacks]


def _standard(pixels):
    pixels = pixels - pixels.mean(1, keepdims=True)
    return pixels / np.maximum(pixels.std(1, keepdims=True), TINY)


def _inverse_root(power):
    """1 / sqrt, and 0 where there is nothing."""
    return np.where(power > TINY, 1 / np.sqrt(np.maximum(power, TINY)), 0)
