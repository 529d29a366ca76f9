"""Local search in the full band: from a coarse pose to a fraction of a pixel and of a degree."""

from functools import lru_cache

import numpy as np

from ..jit import njit
from .plan import FINE_PER_COARSE, Plan
from .templates import Band

GRID = 2  # shift grid points a pixel


def ramps(plan: Plan, band: Band) -> np.ndarray:
    """Phase ramps of all shifts on the grid, along x and y: (2, shifts, 2, coefficients) float32, cosine and sine."""
    reach = GRID * (int(plan.maxshift) + 3)
    shift = 2 * np.pi / plan.box * np.arange(-reach, reach + 1) / GRID
    phase = np.stack([np.outer(shift, band.kx), np.outer(shift, band.ky)])
    return np.stack([np.cos(phase), np.sin(phase)], axis=2).astype(np.float32)


@lru_cache(maxsize=8)
def waves(band: Band, move: int) -> np.ndarray:
    """What a shift of `move` grid points is to the band, along x, y and both diagonals.

    Returns
    -------
    ndarray
        (8, coefficients) float32: cosine and sine of each.
    """
    x, y = (2 * np.pi / band.box * move / GRID * k for k in (band.kx, band.ky))
    return np.concatenate([[np.cos(p), np.sin(p)] for p in (x, y, x + y, x - y)]).astype(np.float32)


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
    unlikely = np.float32(plan.shift_penalty(1 / GRID, 0))
    fixed = band.mirrored, ramp, waves(band, move), reach, plan.rotate, plan.translate, unlikely
    state = walk.ref[rows], walk.mirror[rows], walk.place[rows], walk.score[rows]
    result = np.empty((*state[0].shape, 4), np.float32)
    _walk(*fixed, templates, first, band.gather(y), penalty, *state, turn, move, most, result)
    return result


@njit(nogil=True, cache=True, fastmath=True)
def _walk(
    mirrored,
    ramp,
    waves,
    reach,
    rotate,
    translate,
    unlikely,
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
    both, centred = np.empty((2, *y.shape[1:]), np.float32), np.empty(y.shape[1:], np.float32)
    around = np.empty((3, 3, 3), np.float32)
    for i in range(ref.shape[0]):
        both[0] = y[i]
        for k in range(mirrored.size):
            both[1, 0, k], both[1, 1, k] = y[i, 0, mirrored[k]], -y[i, 1, mirrored[k]]
        for m in range(ref.shape[1]):
            r = ref[i, m] - first
            if r < 0 or r >= templates.shape[0]:
                continue
            at, less = place[i, m], penalty[i, ref[i, m]]
            for _ in range(most + 1):
                a, x, yy = at
                _centred(both[mirror[i, m]], ramp, x, yy, centred)
                _scores(templates[r], centred, waves, a, turn, around)
                _expect(unlikely, x, yy, move, around)
                top = _step(around, reach, rotate, translate, turn, move, at)
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
def _centred(y, ramp, x, yy, out):
    """The particle moved back by the shift (x, yy)."""
    centre = ramp.shape[1] // 2
    along_x, along_y = ramp[0, centre + x], ramp[1, centre + yy]
    for k in range(y.shape[1]):
        c, s, u, v = along_x[0, k], along_x[1, k], along_y[0, k], along_y[1, k]
        real, imag = c * u - s * v, c * v + s * u
        out[0, k], out[1, k] = y[0, k] * real - y[1, k] * imag, y[0, k] * imag + y[1, k] * real


@njit(nogil=True, cache=True, fastmath=True)
def _scores(template, particle, waves, angle, turn, score):
    """Correlation at three angles and 3 x 3 shifts around."""
    half = template.shape[0]
    for d in range(3):
        t = (angle + (d - 1) * turn) % (2 * half)
        conjugate = np.float32(-1 if t >= half else 1)
        _shifts(
            template[t % half, 0], template[t % half, 1], conjugate, particle[0], particle[1], waves, score[d]
        )


@njit(nogil=True, cache=True, fastmath=True)
def _shifts(tr, ti, conjugate, pr, pi, waves, score):
    """Correlation at 3 x 3 shifts: an even and an odd sum for each pair of opposite ones, in one pass."""
    same = xe = xo = ye = yo = ue = uo = ve = vo = np.float32(0)
    for k in range(tr.size):
        zr, zi = tr[k] * pr[k] + conjugate * ti[k] * pi[k], tr[k] * pi[k] - conjugate * ti[k] * pr[k]
        same += zr
        xe += zr * waves[0, k]
        xo += zi * waves[1, k]
        ye += zr * waves[2, k]
        yo += zi * waves[3, k]
        ue += zr * waves[4, k]
        uo += zi * waves[5, k]
        ve += zr * waves[6, k]
        vo += zi * waves[7, k]
    score[1, 0], score[1, 1], score[1, 2] = xe + xo, same, xe - xo
    score[0, 1], score[2, 1] = ye + yo, ye - yo
    score[0, 0], score[2, 2] = ue + uo, ue - uo
    score[2, 0], score[0, 2] = ve + vo, ve - vo


@njit(nogil=True, cache=True, fastmath=True)
def _expect(unlikely, x, yy, move, score):
    """Take from the scores around (x, yy) what a grid point's shift costs times the shifts' squares."""
    for j in range(3):
        for k in range(3):
            px, py = x + (k - 1) * move, yy + (j - 1) * move
            for d in range(3):
                score[d, j, k] -= unlikely * (px * px + py * py)


@njit(nogil=True, cache=True, fastmath=True)
def _step(score, reach, rotate, translate, turn, move, at):
    """Go to the best of 3 x 3 x 3 places around; its score."""
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


@njit(nogil=True, cache=True)
def _parabola(before, at, after):
    """Offset in steps and gain of the vertex through three equidistant values."""
    curve = before - 2 * at + after
    if curve >= 0:
        return np.float32(0), np.float32(0)
    offset = min(np.float32(0.5), max(np.float32(-0.5), np.float32(0.5) * (before - after) / curve))
    return offset, np.float32(-0.25) * (before - after) * offset
