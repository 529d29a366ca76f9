"""Movies of a class: its particles along their main component, a frame for each stretch of it."""

import os
from dataclasses import dataclass

import imageio.v3 as iio
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from refine2d.files import atomic
from refine2d.fourier import ft, ift, nrings, ring_mean, soft_mask, spread_rings, stretched
from refine2d.options import class_numbers
from refine2d.particles import ParticleStore
from refine2d.report.sprites import greys
from refine2d.search.align import References, align
from refine2d.search.plan import Plan
from refine2d.transforms import compose, undo

FRAMES = 16  # at most; there and back they make 30
BLOCK = 256  # particles in memory at a time
LEAST = 12  # particles in a frame
SIDE, CAPTION = 256, 40  # px
RATE = 10  # frames a second
PAPER, INK, FAINT, ACCENT = 18, 236, 138, (86, 180, 233)
X264 = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-map_metadata", "-1"]


@dataclass
class Frames:
    """Sub-averages along a component.

    Attributes
    ----------
    images : float32 array (F, L, L)
    counts : int array (F,)
        Particles in each.
    places : float array (F,)
        Their mean coordinate.
    explained : float
        Share of the particles' variance along the component.
    """

    images: np.ndarray
    counts: np.ndarray
    places: np.ndarray
    explained: float


def read_numbers(text: str, sizes: np.ndarray) -> list[int]:
    """The classes that the option `movie_classes` names, the largest class if it is empty."""
    return class_numbers(text, len(sizes)) if text else [int(np.argmax(sizes))]


def common_frame(members: np.ndarray, numbers: list[int], averages: np.ndarray, plan: Plan) -> np.ndarray:
    """Alignments of the members of some classes to the first of these classes.

    Parameters
    ----------
    members : MEMBER array
    numbers : list of int
        The classes.
    averages : float32 array (K, L, L)
        Of all classes.
    plan : Plan

    Returns
    -------
    ALIGNMENT array (n,)
    """
    alignments = members["alignment"].copy()
    reference = References(plan, averages[numbers[:1]])
    for number in numbers[1:]:
        y = ft(averages[number : number + 1])
        flat = np.ones((1, y.shape[-1]), np.float32)
        (to_first,) = align(reference, y, flat, nbest=1)[:, 0]
        mine = members["class"] == number
        alignments[mine] = compose(alignments[mine], to_first)
    return alignments


def main_component(coefficients: np.ndarray) -> tuple[np.ndarray, float]:
    """Coordinates of particles along the direction in which they differ most.

    Parameters
    ----------
    coefficients : array (n, d)
        In the MSA space.

    Returns
    -------
    coordinates : float64 array (n,)
        The sign is fixed: the largest entry of the direction is positive.
    explained : float
        Share of the variance.
    """
    mean = coefficients.mean(0, dtype=np.float64)
    blocks = [coefficients[first : first + BLOCK] for first in range(0, len(coefficients), BLOCK)]
    _, s, directions = np.linalg.svd(sum((block - mean).T @ (block - mean) for block in blocks))
    first = directions[0] * np.sign(directions[0][np.abs(directions[0]).argmax()])
    coordinates = np.concatenate([(block - mean) @ first for block in blocks])
    return coordinates, float(s[0] / max(s.sum(), 1e-300))


def make_frames(
    store: ParticleStore,
    rows: np.ndarray,
    alignments: np.ndarray,
    coordinates: np.ndarray,
    mask_radius: float,
    explained: float,
) -> Frames:
    """Averages of the particles in stretches of a component that overlap by half.

    Parameters
    ----------
    store : ParticleStore
    rows : int array (n,)
    alignments : ALIGNMENT array (n,)
        To a common frame.
    coordinates : array (n,)
    mask_radius : float
        Working pixels.
    explained : float
    """
    order = np.lexsort((rows, coordinates))
    count = int(np.clip(len(rows) * 2 // LEAST - 1, 2, FRAMES))
    edges = np.linspace(0, len(rows), count + 2).round().astype(int)
    stretches = [order[edges[i] : edges[i + 2]] for i in range(count)]
    sums = [_sums(store, rows[mine], alignments[mine]) for mine in stretches]
    total, weight = (sum(parts) for parts in zip(*sums, strict=True))
    safe = np.maximum(weight, 1e-12)
    signal = np.maximum((ring_mean(np.abs(ft(total)) ** 2, store.box) - safe) / safe**2, 1e-12)
    mask = soft_mask(store.box, min(mask_radius, store.box // 2 - 3))
    images = [
        ift(
            ft(total) * spread_rings(np.where(weight > 0, 1 / (weight + 1 / signal), 0), store.box), store.box
        )
        * mask
        for total, weight in sums
    ]
    return Frames(
        np.stack(images),
        np.array([len(mine) for mine in stretches]),
        np.array([coordinates[mine].mean() for mine in stretches]),
        explained,
    )


def _sums(store: ParticleStore, rows: np.ndarray, alignments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Aligned matched-filtered particles, (L, L), and their weight C^2 / s2, (rings,): float64 sums."""
    total, weight = np.zeros((store.box, store.box)), np.zeros(nrings(store.box))
    for first in range(0, len(rows), BLOCK):
        block = slice(first, first + BLOCK)
        y, c2 = store.matched(rows[block])
        total += undo(ift(y, store.box), alignments[block]).sum(0, dtype=np.float64)
        weight += stretched(c2, alignments["scale"][block]).sum(0, dtype=np.float64)
    return total, weight


def draw_frames(frames: Frames, title: str) -> np.ndarray:
    """Frames there and back, so that the movie loops without a jump: uint8 (2 F - 2, height, width, 3).

    All have one scale of grey; below are the frame's particles and a mark at its place along the component.
    """
    tiles = greys(frames.images, frames.images.shape[-1], together=True)
    low, span = frames.places.min(), max(np.ptp(frames.places), 1e-9)
    drawn = [
        _frame(tile, f"{title}   {count} particles", (place - low) / span)
        for tile, count, place in zip(tiles, frames.counts, frames.places, strict=True)
    ]
    return np.stack(drawn + drawn[-2:0:-1])


def _frame(tile: np.ndarray, text: str, place: float) -> np.ndarray:
    frame = Image.new("RGB", (SIDE, SIDE + CAPTION), (PAPER,) * 3)
    frame.paste(Image.fromarray(tile).resize((SIDE, SIDE), Image.Resampling.BICUBIC), (0, 0))
    draw = ImageDraw.Draw(frame)
    draw.text((8, SIDE + 12), text, (INK,) * 3, ImageFont.load_default(12), anchor="lm")
    left, right, y = 12, SIDE - 12, SIDE + 30
    draw.line((left, y, right, y), (FAINT,) * 3, 2)
    x = left + place * (right - left)
    draw.ellipse((x - 5, y - 5, x + 5, y + 5), ACCENT)
    return np.asarray(frame)


def write_movie(path: str | os.PathLike, frames: np.ndarray) -> None:
    """Write a .gif, which loops for ever, or an .mp4 of eight rounds; the same frames give the same bytes."""
    with atomic(path) as temporary:
        if temporary.suffix == ".gif":
            iio.imwrite(temporary, frames, plugin="pillow", duration=1000 // RATE, loop=0)
        else:
            rounds = np.concatenate([frames] * 8)
            settings = {
                "fps": RATE,
                "codec": "libx264",
                "pixelformat": "yuv420p",
                "macro_block_size": 8,
                "quality": 8,
            }
            iio.imwrite(temporary, rounds, plugin="FFMPEG", output_params=X264, **settings)
