"""Local search in the full band: from a coarse pose to a fraction of a pixel and of a degree."""

import numba as nb
import numpy as np

from .plan import FINE_PER_COARSE, Plan
from .templates import Band

GRID = 2  # shift grid points a pixel


def ramps(plan: Plan, band: Band) -> np.ndarray:
    """Phase ramps of all shifts on the grid: (2, shifts, kf + 1) float32, cosine and sine."""
    reach = GRID * (int(plan.maxshift) + 3)
    shift = np.arange(-reach, reach + 1) / GRID
    phase = 2 * np.pi / plan.box * np.outer(shift, np.arange(plan.fine_rings + 1))
    return np.stack([np.cos(phase), np.sin(phase)]).astype(np.float32)


def refine(plan, band, ramp, templates, first, y, penalty, peaks, out) -> None:
    """Improve the peaks whose reference is among the templates.

    Parameters
    ----------
    plan : Plan
    band : Band
    ramp : ndarray
        From `ramps`.
    templates : ndarray
        (R, fine_angles // 2, 2, coefficients) float32, from `templates.rotated`.
    first : int
        Number of the first of these references.
    y : ndarray
        (n, box, box // 2 + 1) complex64, matched-filtered transforms.
    penalty : ndarray
        (n, references) float32, half the templates' power in the particle's band and noise.
    peaks : ndarray
        (n, nbest, 4) int32: reference, mirror, coarse angle, coarse shift.
    out : ndarray
        (n, nbest) ALIGNMENT, filled where the reference is one of these.
    """
    start = np.rint(plan.shifts[peaks[..., 3]] * GRID).astype(np.int32)
    angle = peaks[..., 2] * FINE_PER_COARSE
    result = np.empty((*peaks.shape[:2], 4), np.float32)
    reach = np.float32((min(plan.maxshift, plan.reach) + 0.5) * GRID)
    _refine(
        band.gather(y),
        band.start,
        band.ky,
        ramp,
        templates,
        first,
        penalty,
        peaks,
        angle,
        start,
        reach,
        plan.rotate,
        plan.translate,
        plan.moves,
        result,
    )
    mine = (peaks[..., 0] >= first) & (peaks[..., 0] < first + len(templates))
    rows = out[mine]
    rows["ref"], rows["mirror"] = peaks[..., 0][mine], peaks[..., 1][mine] == 1
    rows["score"], steps = result[mine, 0], result[mine, 1]
    rows["angle"] = np.mod(steps * np.float32(360 / plan.fine_angles), np.float32(360))
    rows["sx"], rows["sy"] = result[mine, 2] / GRID, result[mine, 3] / GRID
    out[mine] = rows


@nb.njit(nogil=True, cache=True, fastmath=True)
def _refine(
    y,
    start,
    ky,
    ramp,
    templates,
    first,
    penalty,
    peaks,
    angle,
    shift,
    reach,
    rotate,
    translate,
    most_moves,
    result,
):
    n, nbest, _ = peaks.shape
    half = templates.shape[1]
    particle = np.empty(y.shape[1:], np.float32)
    score = np.empty((3, 3, 3), np.float32)
    trial = np.empty((3, 3), np.float32)
    for i in range(n):
        for m in range(nbest):
            ref, mirror = peaks[i, m, 0], peaks[i, m, 1]
            if ref < first or ref >= first + templates.shape[0]:
                continue
            # A mirrored reference against the particle is the reference against the mirrored particle
            flip = -1 if mirror == 1 else 1
            a, x, yy = flip * angle[i, m], flip * shift[i, m, 0], shift[i, m, 1]
            _mirrored(y[i], start, mirror, particle)
            turn, move, moves = FINE_PER_COARSE // 2, GRID, 0
            while True:
                for d in range(3):
                    t = (a + (d - 1) * turn) % (2 * half)
                    conjugate = np.float32(-1 if t >= half else 1)
                    _grid(
                        particle,
                        templates[ref - first, t % half],
                        conjugate,
                        start,
                        ky,
                        ramp,
                        x,
                        yy,
                        move,
                        trial,
                    )
                    score[d] = trial
                top, ta, ty, tx = score[1, 1, 1], 1, 1, 1
                for d in range(3):
                    if d != 1 and not rotate:
                        continue
                    for j in range(3):
                        for k in range(3):
                            if not translate and (j != 1 or k != 1):
                                continue
                            px, py = x + (k - 1) * move, yy + (j - 1) * move
                            if score[d, j, k] > top and px * px + py * py <= reach * reach:
                                top, ta, ty, tx = score[d, j, k], d, j, k
                if turn == 1 and move == 1:
                    if (ta == 1 and ty == 1 and tx == 1) or moves >= most_moves:
                        break
                    moves += 1
                a, x, yy = a + (ta - 1) * turn, x + (tx - 1) * move, yy + (ty - 1) * move
                turn, move = max(1, turn // 2), max(1, move // 2)
            da, ga = _parabola(score[0, 1, 1], score[1, 1, 1], score[2, 1, 1])
            dy, gy = _parabola(score[1, 0, 1], score[1, 1, 1], score[1, 2, 1])
            dx, gx = _parabola(score[1, 1, 0], score[1, 1, 1], score[1, 1, 2])
            if not rotate:
                da = ga = np.float32(0)
            if not translate:
                dx = gx = dy = gy = np.float32(0)
            result[i, m, 0] = score[1, 1, 1] + ga + gy + gx - penalty[i, ref]
            result[i, m, 1] = flip * (a + da)
            result[i, m, 2], result[i, m, 3] = flip * (x + dx), yy + dy


@nb.njit(nogil=True, cache=True, fastmath=True)
def _mirrored(y, start, mirror, out):
    rows = start.size - 1
    for r in range(rows):
        source = start[rows - 1 - r] if mirror == 1 else start[r]
        sign = np.float32(-1 if mirror == 1 else 1)
        for k in range(start[r + 1] - start[r]):
            out[0, start[r] + k] = y[0, source + k]
            out[1, start[r] + k] = sign * y[1, source + k]


@nb.njit(nogil=True, cache=True, fastmath=True)
def _grid(particle, template, conjugate, start, ky, ramp, x, y, move, score):
    """Correlation on 3 x 3 shifts around (x, y): sums along each row first, then over the rows."""
    centre = ramp.shape[1] // 2
    score[:] = 0
    x0, x1, x2 = centre + x - move, centre + x, centre + x + move
    for r in range(ky.size):
        begin, width = start[r], start[r + 1] - start[r]
        ar, ai = np.float32(0), np.float32(0)
        br, bi = np.float32(0), np.float32(0)
        cr, ci = np.float32(0), np.float32(0)
        for k in range(width):
            tr, ti = template[0, begin + k], conjugate * template[1, begin + k]
            pr, pi = particle[0, begin + k], particle[1, begin + k]
            zr, zi = tr * pr + ti * pi, tr * pi - ti * pr
            ar += zr * ramp[0, x0, k] - zi * ramp[1, x0, k]
            ai += zr * ramp[1, x0, k] + zi * ramp[0, x0, k]
            br += zr * ramp[0, x1, k] - zi * ramp[1, x1, k]
            bi += zr * ramp[1, x1, k] + zi * ramp[0, x1, k]
            cr += zr * ramp[0, x2, k] - zi * ramp[1, x2, k]
            ci += zr * ramp[1, x2, k] + zi * ramp[0, x2, k]
        row, sign = abs(ky[r]), np.float32(1 if ky[r] >= 0 else -1)
        for j in range(3):
            er = ramp[0, centre + y + (j - 1) * move, row]
            ei = sign * ramp[1, centre + y + (j - 1) * move, row]
            score[j, 0] += ar * er - ai * ei
            score[j, 1] += br * er - bi * ei
            score[j, 2] += cr * er - ci * ei


@nb.njit(nogil=True, cache=True)
def _parabola(before, at, after):
    """Offset in steps and gain of the vertex through three equidistant values."""
    curve = before - 2 * at + after
    if curve >= 0:
        return np.float32(0), np.float32(0)
    offset = min(np.float32(0.5), max(np.float32(-0.5), np.float32(0.5) * (before - after) / curve))
    return offset, np.float32(-0.25) * (before - after) * offset
