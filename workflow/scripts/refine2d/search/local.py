"""Local search in the full band: from a coarse pose to a fraction of a pixel and of a degree."""

import numpy as np

from ..jit import njit
from .plan import FINE_PER_COARSE, Plan
from .templates import Band

GRID = 2  # shift grid points a pixel


def ramps(plan: Plan, band: Band) -> np.ndarray:
    """Phase ramps of all shifts on the grid: (2, shifts, kf + 1) float32, cosine and sine."""
    reach = GRID * (int(plan.maxshift) + 3)
    shift = np.arange(-reach, reach + 1) / GRID
    phase = 2 * np.pi / plan.box * np.outer(shift, np.arange(plan.fine_rings + 1))
    return np.stack([np.cos(phase), np.sin(phase)]).astype(np.float32)


class Walk:
    """Where the local searches of some particles are: one for each of their peaks.

    Parameters
    ----------
    plan : Plan
    peaks : ndarray
        (n, m, 4) int32: reference, mirror, coarse angle, coarse shift.

    Attributes
    ----------
    ref, mirror : ndarray
        (n, m) int32.
    place : ndarray
        (n, m, 3) int32: fine angle, x and y in grid points, as the mirrored particle has them where `mirror` is 1: a
        mirrored reference against the particle is the reference against the mirrored particle.
    score : ndarray
        (n, m) float32.
    """

    def __init__(self, plan: Plan, peaks: np.ndarray):
        self.ref, self.mirror = np.ascontiguousarray(peaks[..., 0]), np.ascontiguousarray(peaks[..., 1])
        shift = np.rint(plan.shifts[peaks[..., 3]] * GRID)
        place = np.stack([peaks[..., 2] * FINE_PER_COARSE, shift[..., 0], shift[..., 1]], axis=-1)
        place[self.mirror == 1, :2] *= -1
        self.place, self.score = place.astype(np.int32), np.full(self.ref.shape, -np.inf, np.float32)

    def keep(self, few: int) -> None:
        """Go on with the `few` best of each particle."""
        best = np.argsort(-self.score, axis=1, kind="stable")[:, :few]
        self.ref, self.mirror = (np.take_along_axis(a, best, axis=1) for a in (self.ref, self.mirror))
        self.place = np.take_along_axis(self.place, best[..., None], axis=1)
        self.score = np.take_along_axis(self.score, best, axis=1)


def first_step(plan, band, ramp, templates, first, y, penalty, walk: Walk, rows: slice) -> None:
    """The largest step of each search whose reference is among the templates; sets its place and score.

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
    walk : Walk
    rows : slice
        Rows of `walk` that the particles have.
    """
    _go(plan, band, ramp, templates, first, y, penalty, walk, rows, FINE_PER_COARSE // 2, GRID, 0)


def polish(plan, band, ramp, templates, first, y, penalty, walk: Walk, rows: slice, out: np.ndarray) -> None:
    """Smallest steps until the centre is best, then between the grid's points.

    Arguments are those of `first_step`; `out` (n, m) ALIGNMENT is filled where the reference is among the templates.
    """
    result = _go(plan, band, ramp, templates, first, y, penalty, walk, rows, 1, 1, plan.moves)
    mine = (walk.ref[rows] >= first) & (walk.ref[rows] < first + len(templates))
    found = out[mine]
    found["ref"], found["mirror"] = walk.ref[rows][mine], walk.mirror[rows][mine] == 1
    found["score"], steps = result[mine, 0], result[mine, 1]
    found["angle"] = np.mod(steps * np.float32(360 / plan.fine_angles), np.float32(360))
    found["sx"], found["sy"] = result[mine, 2] / GRID, result[mine, 3] / GRID
    out[mine] = found


def _go(plan, band, ramp, templates, first, y, penalty, walk, rows, turn, move, most) -> np.ndarray:
    """Steps of one size until the centre is best, `most` + 1 at most; (n, m, 4) float32, what `_walk` gives."""
    reach = np.float32((min(plan.maxshift, plan.reach) + 0.5) * GRID)
    fixed = band.start, band.ky, ramp, reach, plan.rotate, plan.translate
    state = walk.ref[rows], walk.mirror[rows], walk.place[rows], walk.score[rows]
    result = np.empty((*state[0].shape, 4), np.float32)
    _walk(*fixed, templates, first, band.gather(y), penalty, *state, turn, move, most, result)
    return result


@njit(nogil=True, cache=True, fastmath=True)
def _walk(
    start,
    ky,
    ramp,
    reach,
    rotate,
    translate,
    templates,
    first,
    y,
    penalty,
    ref,
    mirror,
    place,
    score,
    turn,
    move,
    most,
    result,
):
    """Moves `place`, sets `score`; `result` has score, angle and shift of the vertex around the last place but one."""
    particle = np.empty(y.shape[1:], np.float32)
    around = np.empty((3, 3, 3), np.float32)
    for i in range(ref.shape[0]):
        for m in range(ref.shape[1]):
            r = ref[i, m] - first
            if r < 0 or r >= templates.shape[0]:
                continue
            _mirrored(y[i], start, mirror[i, m], particle)
            at, less = place[i, m], penalty[i, ref[i, m]]
            for _ in range(most + 1):
                a, x, yy = at
                top = _step(
                    start, ky, ramp, reach, rotate, translate, templates[r], particle, turn, move, at, around
                )
                score[i, m] = top - less
                if at[0] == a and at[1] == x and at[2] == yy:
                    break
            da, ga = _parabola(around[0, 1, 1], around[1, 1, 1], around[2, 1, 1])
            dy, gy = _parabola(around[1, 0, 1], around[1, 1, 1], around[1, 2, 1])
            dx, gx = _parabola(around[1, 1, 0], around[1, 1, 1], around[1, 1, 2])
            if not rotate:
                da = ga = np.float32(0)
            if not translate:
                dx = gx = dy = gy = np.float32(0)
            flip = -1 if mirror[i, m] == 1 else 1
            result[i, m, 0] = around[1, 1, 1] + ga + gy + gx - less
            result[i, m, 1] = flip * (a + da * turn)
            result[i, m, 2], result[i, m, 3] = flip * (x + dx * move), yy + dy * move


@njit(nogil=True, cache=True, fastmath=True)
def _step(start, ky, ramp, reach, rotate, translate, template, particle, turn, move, at, score):
    """Go to the best of 3 x 3 x 3 places around; its score."""
    half = template.shape[0]
    for d in range(3):
        t = (at[0] + (d - 1) * turn) % (2 * half)
        conjugate = np.float32(-1 if t >= half else 1)
        _grid(particle, template[t % half], conjugate, start, ky, ramp, at[1], at[2], move, score[d])
    top, ta, ty, tx = score[1, 1, 1], 1, 1, 1
    for d in range(3):
        for j in range(3):
            for k in range(3):
                allowed = (rotate or d == 1) and (translate or (j == 1 and k == 1))
                px, py = at[1] + (k - 1) * move, at[2] + (j - 1) * move
                if allowed and score[d, j, k] > top and px * px + py * py <= reach * reach:
                    top, ta, ty, tx = score[d, j, k], d, j, k
    at[0] += (ta - 1) * turn
    at[1] += (tx - 1) * move
    at[2] += (ty - 1) * move
    return top


@njit(nogil=True, cache=True, fastmath=True)
def _mirrored(y, start, mirror, out):
    rows = start.size - 1
    for r in range(rows):
        source = start[rows - 1 - r] if mirror == 1 else start[r]
        sign = np.float32(-1 if mirror == 1 else 1)
        for k in range(start[r + 1] - start[r]):
            out[0, start[r] + k] = y[0, source + k]
            out[1, start[r] + k] = sign * y[1, source + k]


@njit(nogil=True, cache=True, fastmath=True)
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


@njit(nogil=True, cache=True)
def _parabola(before, at, after):
    """Offset in steps and gain of the vertex through three equidistant values."""
    curve = before - 2 * at + after
    if curve >= 0:
        return np.float32(0), np.float32(0)
    offset = min(np.float32(0.5), max(np.float32(-0.5), np.float32(0.5) * (before - after) / curve))
    return offset, np.float32(-0.25) * (before - after) * offset
