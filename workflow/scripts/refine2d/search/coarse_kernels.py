"""The loops of the exhaustive search: a batch of particles side by side, one in each lane of a vector."""

import numpy as np

from ..jit import njit
from ..simd import LANES, bits, fill, fill_from, larger, load, multiply_add, store

ANGLES = 3  # whose cosine and sine sums are in registers at a time: as many as AVX2 has room for
LOWEST = np.int32(-(2**31))


@njit(nogil=True, cache=True)
def try_all(spectra, templates, innermost, waves, even, likely, mark, best):
    """The best shift of each reference, mirror and angle.

    The lowest bits of each score's mantissa give way to the shift's number, so that one maximum finds both. A maximum
    below zero comes out lower than it is, which no peak is.

    Parameters
    ----------
    spectra : ndarray
        (harmonics, 2, shifts, rings, LANES) float32, the particles' cosine and sine sums, even harmonics first.
    templates : ndarray
        (R, harmonics, 2, rings) float32, those of the references.
    innermost : ndarray
        (harmonics,) int, the first ring that matters to each harmonic.
    waves : ndarray
        (blocks, harmonics, 2, ANGLES) float32, cosine and sine of each harmonic at the angles of a quarter turn.
    even : int
        Even harmonics.
    likely : ndarray
        (shifts,) float32, what each shift's scores gain.
    mark : int32
        The bits that hold the shift's number.
    best : ndarray
        (R, mirrors, angles, LANES) int32, filled with the bits of the marked scores.
    """
    references, mirrors, angles, _ = best.shape
    harmonics = spectra.shape[0]
    part, wave_even = harmonics * LANES, even * 2 * ANGLES
    places = _places(len(waves) * ANGLES, angles)
    products = np.empty((2, 2, harmonics, LANES), np.float32)
    score = fill(np.int32(~mark))
    best[:] = LOWEST
    for s in range(len(likely)):
        number = fill(np.int32(s))
        for r in range(references):
            _products(spectra, templates, innermost, s, r, even, products)
            for m in range(mirrors):
                cos, sin = 2 * m * part, (2 * m + 1) * part
                store(
                    products, cos, load(products, cos) + fill(likely[s])
                )  # harmonic 0 counts alike at all angles
                row = (r * mirrors + m) * angles * LANES
                for block in range(len(waves)):
                    wave = block * harmonics * 2 * ANGLES
                    e = _sums(waves, wave, products, cos, sin, even)
                    o = _sums(
                        waves,
                        wave + wave_even,
                        products,
                        cos + even * LANES,
                        sin + even * LANES,
                        harmonics - even,
                    )
                    a = block * ANGLES
                    _keep(best, row, places, a, e[0], e[3], o[0], o[3], score, number)
                    _keep(best, row, places, a + 1, e[1], e[4], o[1], o[4], score, number)
                    _keep(best, row, places, a + 2, e[2], e[5], o[2], o[5], score, number)


@njit(nogil=True)
def _places(count, angles):
    """Where each of the first angles, and those that it gives in the other quarter turns, stand: (count, 4) int."""
    places = np.empty((count, 4), np.intp)
    for a in range(count):
        places[a, 0], places[a, 1] = a, (angles - a) % angles
        places[a, 2], places[a, 3] = (angles // 2 - a) % angles, (angles // 2 + a) % angles
    return places * LANES


@njit(nogil=True, inline="always")
def _products(spectra, templates, innermost, shift, reference, even, out):
    """Sums over rings: (mirrors, 2, harmonics, LANES), cosine and sine parts of each harmonic of the correlation.

    A mirrored reference has the same products with other signs.
    """
    harmonics, _, shifts, rings, _ = spectra.shape
    size, across = harmonics * LANES, shifts * rings * LANES
    none = fill(np.float32(0))
    for h in range(harmonics):
        cc, ss, cs, sc = none, none, none, none
        template = (reference * harmonics + h) * 2 * rings
        particle = 2 * h * across + shift * rings * LANES
        for r in range(innermost[h], rings):
            at = particle + r * LANES
            cos, sin = fill_from(templates, template + r), fill_from(templates, template + rings + r)
            c, s = load(spectra, at), load(spectra, at + across)
            cc, ss = multiply_add(cos, c, cc), multiply_add(sin, s, ss)
            cs, sc = multiply_add(cos, s, cs), multiply_add(sin, c, sc)
        at = h * LANES
        store(out, at, cc + ss)
        store(out, at + size, cs - sc)
        if h < even:
            store(out, at + 2 * size, cc - ss)
            store(out, at + 3 * size, cs + sc)
        else:
            store(out, at + 2 * size, ss - cc)
            store(out, at + 3 * size, none - cs - sc)


@njit(nogil=True, inline="always")
def _sums(waves, wave, products, cos, sin, count):
    """Sums over harmonics at `ANGLES` angles: those of cosines, and those of sines."""
    none = fill(np.float32(0))
    a, b, c, d, e, f = none, none, none, none, none, none
    for _ in range(count):
        x, y = load(products, cos), load(products, sin)
        a = multiply_add(fill_from(waves, wave), x, a)
        b = multiply_add(fill_from(waves, wave + 1), x, b)
        c = multiply_add(fill_from(waves, wave + 2), x, c)
        d = multiply_add(fill_from(waves, wave + 3), y, d)
        e = multiply_add(fill_from(waves, wave + 4), y, e)
        f = multiply_add(fill_from(waves, wave + 5), y, f)
        wave += 2 * ANGLES
        cos += LANES
        sin += LANES
    return a, b, c, d, e, f


@njit(nogil=True, inline="always")
def _keep(best, row, places, a, even_cos, even_sin, odd_cos, odd_sin, score, number):
    """The scores at an angle of the first quarter turn, and those that it gives in the other three."""
    cos, sin = even_cos + odd_cos, even_sin + odd_sin
    _larger(best, row + places[a, 0], cos + sin, score, number)
    _larger(best, row + places[a, 1], cos - sin, score, number)
    cos, sin = even_cos - odd_cos, even_sin - odd_sin
    _larger(best, row + places[a, 2], cos - sin, score, number)
    _larger(best, row + places[a, 3], cos + sin, score, number)


@njit(nogil=True, inline="always")
def _larger(best, place, sum, score, number):
    store(best, place, larger(load(best, place), bits(sum) & score | number))


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
    references, mirrors, angles, n = best.shape
    top = np.empty((n, references, mirrors), np.float32)
    highest = np.empty(n, np.int32)
    for r in range(references):
        for m in range(mirrors):
            highest[:] = LOWEST
            for a in range(angles):
                for i in range(n):
                    highest[i] = max(highest[i], best[r, m, a, i])
            for i in range(n):
                top[i, r, m] = _score(highest[i], mark, penalty[r, i])
    for i in range(n):
        for k in range(out.shape[1]):
            t = np.argmax(top[i])
            r, m = t // mirrors, t % mirrors
            if top[i, r, m] == -np.inf:
                out[i, k] = -1
                continue
            a = np.argmax(best[r, m, :, i])
            out[i, k, 0], out[i, k, 1], out[i, k, 2], out[i, k, 3] = r, m, a, best[r, m, a, i] & mark
            for d in range(-3, 4):
                best[r, m, (a + d) % angles, i] = LOWEST
            top[i, r, m] = _score(best[r, m, :, i].max(), mark, penalty[r, i])


@njit(nogil=True, inline="always")
def _score(marked, mark, penalty):
    if marked == LOWEST:
        return np.float32(-np.inf)
    return np.int32(marked & ~mark).view(np.float32) - penalty
