"""The loops of the exhaustive search: a batch of particles side by side, one in each lane of a vector."""

from typing import NamedTuple

import numpy as np

from ..jit import njit
from ..simd import LANES, bits, fill, fill_from, larger, load, multiply_add, store

# Angles or harmonics whose cosine and sine sums are in registers at a time, as many as AVX2 has room for; `_sums` and
# what calls it are written out for three.
EACH = 3
LOWEST = np.int32(-(2**31))


class Grid(NamedTuple):
    """What is alike for all particles and references.

    Parameters
    ----------
    ramps : ndarray
        (shifts, rings, half, 2) float32, cosine and sine of the phase that a shift brings, on half of each ring.
    analysis : ndarray
        (blocks, quarter, 2, EACH) float32, cosine and sine of EACH harmonics, times two, at the angles of a quarter
        turn, both of its ends included: blocks of even harmonics, then those of odd ones.
    synthesis : ndarray
        (blocks, harmonics, 2, EACH) float32, cosine and sine of each harmonic at EACH angles of a quarter turn; the
        last block may go beyond it.
    places : ndarray
        (angles of all blocks, 4) int, where the scores of each angle, and those that it gives in the other three
        quarter turns, stand among those of a template.
    even : int
        Even harmonics, which come first wherever harmonics stand in a row.
    innermost : ndarray
        (harmonics,) int, the first ring that matters to each harmonic.
    likely : ndarray
        (shifts,) float32, what each shift's scores gain.
    mark : int32
        The lowest bits of a score, which give way to the shift's number.
    """

    ramps: np.ndarray
    analysis: np.ndarray
    synthesis: np.ndarray
    places: np.ndarray
    even: int
    innermost: np.ndarray
    likely: np.ndarray
    mark: np.int32


@njit(nogil=True, cache=True)
def try_all(samples, templates, grid, best):
    """The best shift of each reference, mirror and angle.

    The lowest bits of each score's mantissa give way to the shift's number, so that one maximum, of integers, finds
    both. Where all shifts have scores below zero it is their lowest: there is no peak.

    Parameters
    ----------
    samples : ndarray
        (rings, half, 2, LANES) float32, real and imaginary parts of the particles on half of each ring.
    templates : ndarray
        (R, harmonics, 2, rings) float32, cosine and sine sums of the references.
    grid : Grid
    best : ndarray
        (R, mirrors, angles, LANES) int32, filled with the bits of the marked scores.
    """
    references, mirrors, angles, _ = best.shape
    _, harmonics, _, rings = templates.shape
    even, part = grid.even, harmonics * LANES
    folded = np.empty((4, grid.analysis.shape[1], LANES), np.float32)
    spectra = np.empty((harmonics, 2, rings, LANES), np.float32)
    products = np.empty((2, 2, harmonics, LANES), np.float32)
    unmarked = fill(np.int32(~grid.mark))
    best[:] = LOWEST
    for s in range(len(grid.likely)):
        number = fill(np.int32(s))
        for r in range(rings):
            _fold(samples, grid.ramps, s, r, folded)
            _analyse(folded, grid, r, spectra)
        for r in range(references):
            _multiply(spectra, templates, grid, r, products)
            for m in range(mirrors):
                cos_at, sin_at = 2 * m * part, (2 * m + 1) * part
                # harmonic 0 counts alike at all angles
                store(products, cos_at, load(products, cos_at) + fill(grid.likely[s]))
                row = (r * mirrors + m) * angles * LANES
                for block in range(len(grid.synthesis)):
                    wave = block * harmonics * 2 * EACH
                    e = _sums(grid.synthesis, wave, products, cos_at, sin_at, even)
                    wave, odd_cos, odd_sin = (
                        wave + even * 2 * EACH,
                        cos_at + even * LANES,
                        sin_at + even * LANES,
                    )
                    o = _sums(grid.synthesis, wave, products, odd_cos, odd_sin, harmonics - even)
                    a = block * EACH
                    _keep(best, row, grid.places, a, e[0], e[3], o[0], o[3], unmarked, number)
                    _keep(best, row, grid.places, a + 1, e[1], e[4], o[1], o[4], unmarked, number)
                    _keep(best, row, grid.places, a + 2, e[2], e[5], o[2], o[5], unmarked, number)


@njit(nogil=True, inline="always")
def _fold(samples, ramps, shift, ring, out):
    """Shifted samples of a ring, in the sums and differences of angles a and half - a that its harmonics take.

    Real parts have even harmonics only, and imaginary parts odd ones: (4, quarter, LANES), what even cosines, even
    sines, odd cosines and odd sines are multiplied with.
    """
    rings, half, _, _ = samples.shape
    part = out.shape[1] * LANES
    sample, ramp = ring * half * 2 * LANES, (shift * rings + ring) * half * 2
    for a in range(out.shape[1]):
        at = a * LANES
        even, odd = _shifted(samples, sample, ramps, ramp, a)
        if 0 < a < out.shape[1] - 1:
            even_back, odd_back = _shifted(samples, sample, ramps, ramp, half - a)
            store(out, at, even + even_back)
            store(out, at + part, even - even_back)
            store(out, at + 2 * part, odd - odd_back)
            store(out, at + 3 * part, odd + odd_back)
        else:  # the ends of a quarter turn are their own other sides
            store(out, at, even)
            store(out, at + part, even)
            store(out, at + 2 * part, odd)
            store(out, at + 3 * part, odd)


@njit(nogil=True, inline="always")
def _shifted(samples, sample, ramps, ramp, a):
    x, y = load(samples, sample + 2 * a * LANES), load(samples, sample + (2 * a + 1) * LANES)
    cos, sin = fill_from(ramps, ramp + 2 * a), fill_from(ramps, ramp + 2 * a + 1)
    return x * cos - y * sin, x * sin + y * cos


@njit(nogil=True, inline="always")
def _analyse(folded, grid, ring, out):
    """Cosine and sine sums of one ring's harmonics, into (harmonics, 2, rings, LANES)."""
    _, quarter, _ = folded.shape
    for odd in range(2):
        first, stop = (grid.even, len(out)) if odd else (0, grid.even)
        block = -(-grid.even // EACH) if odd else 0
        cos_at, sin_at = 2 * odd * quarter * LANES, (2 * odd + 1) * quarter * LANES
        for h in range(first, stop, EACH):
            if grid.innermost[h] > ring:
                break
            sums = _sums(grid.analysis, block * quarter * 2 * EACH, folded, cos_at, sin_at, quarter)
            block += 1
            _put(out, h, ring, sums[0], sums[3])
            if h + 1 < stop:
                _put(out, h + 1, ring, sums[1], sums[4])
            if h + 2 < stop:
                _put(out, h + 2, ring, sums[2], sums[5])


@njit(nogil=True, inline="always")
def _put(spectra, harmonic, ring, cos, sin):
    rings = spectra.shape[2]
    at = (2 * harmonic * rings + ring) * LANES
    store(spectra, at, cos)
    store(spectra, at + rings * LANES, sin)


@njit(nogil=True, inline="always")
def _multiply(spectra, templates, grid, reference, out):
    """Sums over rings: (mirrors, 2, harmonics, LANES), cosine and sine parts of each harmonic of the correlation.

    A mirrored reference has the same products with other signs.
    """
    harmonics, _, rings, _ = spectra.shape
    part, across = harmonics * LANES, rings * LANES
    none = fill(np.float32(0))
    for h in range(harmonics):
        cc, ss, cs, sc = none, none, none, none
        template, particle = (reference * harmonics + h) * 2 * rings, 2 * h * across
        for r in range(grid.innermost[h], rings):
            at = particle + r * LANES
            cos, sin = fill_from(templates, template + r), fill_from(templates, template + rings + r)
            c, s = load(spectra, at), load(spectra, at + across)
            cc, ss = multiply_add(cos, c, cc), multiply_add(sin, s, ss)
            cs, sc = multiply_add(cos, s, cs), multiply_add(sin, c, sc)
        at = h * LANES
        store(out, at, cc + ss)
        store(out, at + part, cs - sc)
        if h < grid.even:
            store(out, at + 2 * part, cc - ss)
            store(out, at + 3 * part, cs + sc)
        else:
            store(out, at + 2 * part, ss - cc)
            store(out, at + 3 * part, none - cs - sc)


@njit(nogil=True, inline="always")
def _sums(waves, wave, values, cos_at, sin_at, count):
    """Sums over `count` values times EACH cosines, and over as many others times EACH sines."""
    none = fill(np.float32(0))
    a, b, c, d, e, f = none, none, none, none, none, none
    for _ in range(count):
        x, y = load(values, cos_at), load(values, sin_at)
        a = multiply_add(fill_from(waves, wave), x, a)
        b = multiply_add(fill_from(waves, wave + 1), x, b)
        c = multiply_add(fill_from(waves, wave + 2), x, c)
        d = multiply_add(fill_from(waves, wave + 3), y, d)
        e = multiply_add(fill_from(waves, wave + 4), y, e)
        f = multiply_add(fill_from(waves, wave + 5), y, f)
        wave += 2 * EACH
        cos_at += LANES
        sin_at += LANES
    return a, b, c, d, e, f


@njit(nogil=True, inline="always")
def _keep(best, row, places, a, even_cos, even_sin, odd_cos, odd_sin, unmarked, number):
    """The scores at an angle of the first quarter turn, and those that it gives in the other three."""
    cos, sin = even_cos + odd_cos, even_sin + odd_sin
    _larger(best, row + places[a, 0], cos + sin, unmarked, number)
    _larger(best, row + places[a, 1], cos - sin, unmarked, number)
    cos, sin = even_cos - odd_cos, even_sin - odd_sin
    _larger(best, row + places[a, 2], cos - sin, unmarked, number)
    _larger(best, row + places[a, 3], cos + sin, unmarked, number)


@njit(nogil=True, inline="always")
def _larger(best, place, score, unmarked, number):
    store(best, place, larger(load(best, place), bits(score) & unmarked | number))


@njit(nogil=True, cache=True)
def pick(best, penalty, mark, out):
    """Best peaks of each particle.

    Parameters
    ----------
    best : ndarray
        (R, mirrors, angles, LANES) int32, from `try_all`; overwritten.
    penalty : ndarray
        (R, LANES) float32, what each reference's scores lose.
    mark : int32
        The bits that hold the shift's number.
    out : ndarray
        (LANES, count, 4) int32: reference, mirror, angle index, shift index, best first; -1 where there are fewer.
    """
    references, mirrors, angles, _ = best.shape
    top = np.empty((LANES, references, mirrors), np.float32)
    highest = np.empty(LANES, np.int32)
    for r in range(references):
        for m in range(mirrors):
            row = (r * mirrors + m) * angles * LANES
            most = load(best, row)
            for a in range(1, angles):
                most = larger(most, load(best, row + a * LANES))
            store(highest, 0, most)
            for i in range(LANES):
                if highest[i] >= 0:
                    top[i, r, m] = _score(highest[i], mark) - penalty[r, i]
                else:  # the largest of integers below zero is the lowest score
                    top[i, r, m] = _highest(best[r, m, :, i], mark)[1] - penalty[r, i]
    for i in range(LANES):
        for k in range(out.shape[1]):
            t = np.argmax(top[i])
            r, m = t // mirrors, t % mirrors
            if top[i, r, m] == -np.inf:
                out[i, k] = -1
                continue
            a, _ = _highest(best[r, m, :, i], mark)
            out[i, k, 0], out[i, k, 1], out[i, k, 2], out[i, k, 3] = r, m, a, best[r, m, a, i] & mark
            for d in range(-3, 4):
                best[r, m, (a + d) % angles, i] = LOWEST
            top[i, r, m] = _highest(best[r, m, :, i], mark)[1] - penalty[r, i]


@njit(nogil=True)
def _highest(marked, mark):
    """The angle with the highest score, and that score."""
    at, highest = 0, np.float32(-np.inf)
    for a in range(marked.size):
        score = _score(marked[a], mark)
        if score > highest:
            at, highest = a, score
    return at, highest


@njit(nogil=True)
def _score(marked, mark):
    return np.float32(-np.inf) if marked == LOWEST else np.int32(marked & ~mark).view(np.float32)
