"""What the page shows of a run, as plain numbers and small pictures."""

import platform
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import h5py
import numpy as np

from refine2d import normalize, outliers
from refine2d.basisfile import read_basis
from refine2d.input_rows import not_taken
from refine2d.names import parse
from refine2d.particles import ParticleStore
from refine2d.quality import MEANING, RAMPS, Quality, measure
from refine2d.report import sprites
from refine2d.report.history import Iteration, flows, read_history
from refine2d.stacks.opening import open_source
from refine2d.tables import read_members
from refine2d.transforms import undo

AVERAGES, MEMBERS = 6 << 20, 5 << 20  # bytes of pictures, before they become text
SHEETS = [
    (tile, every) for every in (1, 2, 4, 8) for tile in (96, 64, 48, 40, 32)
]  # tile, every which iteration
SAMPLES = [(12, 64), (12, 48), (8, 48), (6, 40), (4, 36), (3, 32), (2, 24), (1, 24), (0, 24)]  # members, tile
LAST_TILE = [128, 96, 64, 48, 32]
PROBES = 24  # classes that the size of pictures is estimated from
BINS = 24
POINTS, COMPONENTS = 3000, 8  # particles and coordinates in the scatter plot
EIGENIMAGES = 32
LISTED = 20  # numbers of particles left out that are listed
SCORE = (
    "how clearly a particle shows its class's average: the correlation of the two, the average seen through the "
    "particle's CTF, in standard deviations of what noise alone would give. Noise in one pose has 0 ± 1, the best of "
    "many poses a few more. It grows with the particle's size and contrast: compare particles of one set."
)
PACKAGES = ("numpy", "scipy", "numba", "h5py", "pillow", "plotly", "snakemake")


@dataclass
class Report:
    """A run as the page shows it; everything is ready for JSON. Classes are those of the last iteration."""

    title: str
    run: str
    iteration: int
    particles: int
    apix: float
    box: int
    mask: float
    score: str
    features: dict
    classes: dict
    iterations: list[dict]
    flows: list
    msa: dict
    samples: dict
    left_out: list[dict]
    facts: dict
    sheets: list[dict]
    quality: Quality = field(repr=False)

    def json(self) -> dict:
        """All but the quality object."""
        return {name: value for name, value in vars(self).items() if name != "quality"}


def collect(
    folder: str | Path, last: int, mask_diameter: float, run: dict, listed: dict, stack: str | None = None
) -> Report:
    """Gather what is known of a run.

    Parameters
    ----------
    folder : path
        The run's.
    last : int
        The iteration to report on.
    mask_diameter : float
        A.
    run : dict
        Facts of `run.Run`: input, n_input, box, apix, fingerprint, version.
    listed : dict
        Options by the iterations that they hold for (`options.listed`).
    stack : str, optional
        The last iteration's averages at full size.

    Returns
    -------
    Report
    """
    folder = Path(folder)
    history, store = read_history(folder, last), ParticleStore(folder / "particles.h5")
    now, yy = history[-1], f"{last:02d}"
    members = read_members(sorted((folder / f"classes_{yy}").glob("*.hdf")))
    averages, sizes = now.averages, now.sizes
    quality = measure(averages, sizes, now.frc, mask_diameter / 2 / store.apix)
    full = averages if stack is None else open_source(stack).images(np.arange(len(sizes)))
    return Report(
        title=f"{folder.name}: {sizes.sum():,} particles in {(sizes > 0).sum()} classes, "
        + standing(now.number, listed["iter"][0][-1], now.state["converged"]),
        run=run["fingerprint"][:16],
        iteration=now.number,
        particles=int(sizes.sum()),
        apix=now.apix,
        box=store.box,
        mask=mask_diameter,
        score=meaning_of_score(listed["classcmp"][-1][-1]),
        features={name: {"meaning": MEANING[name], "ramp": RAMPS[name]} for name in RAMPS},
        classes=_classes(now, quality, members, store),
        iterations=[_iteration(each) for each in history],
        flows=[flow.tolist() for flow in flows(history)],
        msa=_msa(folder, yy, store, now),
        samples=_samples(store, members, len(sizes)),
        left_out=left_out(store, run["n_input"], listed),
        facts=_facts(run, store, listed),
        sheets=_sheets(history, full),
        quality=quality,
    )


def _classes(now: Iteration, quality: Quality, members: np.ndarray, store: ParticleStore) -> dict:
    """Columns of numbers, a value for each class."""
    columns = {
        "size": now.sizes.tolist(),
        "kept": np.bincount(members["class"][members["kept"]], minlength=len(now.sizes)).tolist(),
        "resolution": _short(now.resolution),
        "score": _short(now.score),
        "frc": [_short(curve) for curve in now.frc],
        "scores": _histograms(members["class"], members["quality"], len(now.sizes)),
        "quality": _short(quality.score),
        "keep": quality.keep.tolist(),
        "features": {name: _short(getattr(quality, name)) for name in RAMPS},
        "parts": {name: _short(part) for name, part in quality.parts.items()},
    }
    if store.ctf is not None:
        defocus = (store.ctf.defocus_u + store.ctf.defocus_v)[members["row"]] / 2e4
        columns["defocus"] = _histograms(members["class"], defocus, len(now.sizes))
    return columns


def _histograms(labels: np.ndarray, values: np.ndarray, classes: int) -> dict:
    """Counts in bins that all classes share."""
    low, high = np.quantile(values, [0.002, 0.998])
    place = np.clip((values - low) / max(high - low, 1e-9) * BINS, 0, BINS - 1).astype(np.int64)
    counts = np.bincount(labels * BINS + place, minlength=classes * BINS).reshape(classes, BINS)
    return {"edges": _short(np.linspace(low, high, BINS + 1)), "counts": counts.tolist()}


def _iteration(each: Iteration) -> dict:
    resolution, sizes = each.resolution, each.sizes
    share = sizes / max(sizes.sum(), 1)
    return {
        "number": each.number,
        "changed": each.state["changed"] / max(each.state["particles"], 1),
        "score": _short((each.score * share).sum()),
        "entropy": _short(each.entropy),
        "largest": _short(share.max()),
        "resolution": _short(np.median(resolution)),
        "best": _short(np.quantile(resolution, 0.1)),
        "sizes": sizes.tolist(),
        "resolutions": _short(resolution),
        "scores": _short(each.score),
    }


def _msa(folder: Path, yy: str, store: ParticleStore, now: Iteration) -> dict:
    space = read_basis(folder / f"basis_{yy}.hdf")
    images = np.concatenate([space.mean[None], space.vectors[:EIGENIMAGES]])
    tiles = sprites.greys(images, 64)
    used = np.flatnonzero(store.used)
    rows = used[np.unique(np.linspace(0, len(used) - 1, POINTS).astype(np.int64))]
    count = min(COMPONENTS, len(space.vectors))
    with h5py.File(folder / f"input_{yy}_proj.hdf") as file:
        table = file["MDF/images/0/image"]
        first = table.shape[1] - len(space.vectors)
        points = np.concatenate([table[row : row + 1, first : first + count] for row in rows])
    return {
        "tile": tiles.shape[-1],
        "images": sprites.uri(sprites.webp(sprites.sheet(tiles, len(tiles)))),
        "explained": _short(space.explvarfrac),
        "points": [_short(column) for column in points.T],
        "labels": now.labels[rows].tolist(),
    }


def _samples(store: ParticleStore, members: np.ndarray, classes: int) -> dict:
    """A picture for each class: members brought onto the average above, as they came below, the best first."""
    order = np.lexsort((-members["quality"], members["class"]))
    starts = np.searchsorted(members["class"][order], np.arange(classes + 1))

    def chosen(number: int, most: int) -> np.ndarray:
        mine = order[starts[number] : starts[number + 1]]
        return (
            members[mine[np.unique(np.linspace(0, len(mine) - 1, most).astype(np.int64))]]
            if len(mine)
            else members[:0]
        )

    def picture(number: int, most: int, tile: int) -> tuple[bytes, np.ndarray]:
        mine = chosen(number, most)
        if not len(mine):
            return b"", mine
        aligned = undo(store.corrected(mine["row"]), mine["alignment"])
        both = np.concatenate([sprites.greys(aligned, tile), sprites.greys(store.images(mine["row"]), tile)])
        return sprites.webp(sprites.sheet(both, len(mine)), 60), mine

    probes = np.unique(np.linspace(0, classes - 1, PROBES).astype(int))

    def size(setting) -> float:
        return np.mean([len(picture(number, *setting)[0]) for number in probes]) * classes

    most, tile = sprites.largest(SAMPLES, size, MEMBERS)
    made = [picture(number, most, tile) for number in range(classes)]
    return {
        "tile": min(tile, store.box),
        "pictures": [sprites.uri(data) if data else "" for data, _ in made],
        "numbers": [store.number[mine["row"]].tolist() for _, mine in made],
        "qualities": [_short(mine["quality"]) for _, mine in made],
    }


def _sheets(history: list[Iteration], full: np.ndarray) -> list[dict]:
    """The averages of the iterations, a picture each; every so many iterations where there are too many."""
    classes = len(full)
    columns = int(np.ceil(np.sqrt(classes)))

    def picture(images: np.ndarray, tile: int) -> tuple[bytes, int]:
        tiles = sprites.greys(images, tile)
        return sprites.webp(sprites.sheet(tiles, columns)), tiles.shape[-1]

    probes = full[np.unique(np.linspace(0, classes - 1, PROBES).astype(int))]

    def size(tile: int) -> float:
        return len(picture(probes, tile)[0]) / len(probes) * classes

    last = sprites.largest(LAST_TILE, size, AVERAGES / 2)
    tile, every = sprites.largest(SHEETS, lambda s: size(s[0]) * -(-len(history) // s[1]), AVERAGES / 2)
    shown = [each for each in history[:-1] if (history[-1].number - each.number) % every == 0]
    pictures = [(each.number, picture(each.averages, tile)) for each in shown]
    pictures.append((history[-1].number, picture(full, last)))
    return [
        {"iteration": number, "tile": side, "columns": columns, "picture": sprites.uri(data)}
        for number, (data, side) in pictures
    ]


def left_out(store: ParticleStore, n_input: int, listed: dict) -> list[dict]:
    """Images of the input that took no part, or little: why, how many, and the numbers of the first; options as in
    `collect`."""
    found = [(phrase, store.number[store.bad == reason]) for reason, phrase in normalize.REASONS.items()]
    found.append((f"{outliers.REASON}; not left out, but weakened", store.number[store.gain < 1]))
    if len(rest := not_taken(n_input, store.number)):
        subset, exclude = (listed[name][-1][-1] for name in ("subset", "exclude"))
        found.append((f"{'excluded by the user, or ' if exclude else ''}not taken (subset={subset})", rest))
    return [
        {"reason": why, "count": len(numbers), "numbers": numbers[:LISTED].tolist()}
        for why, numbers in found
        if len(numbers)
    ]


def meaning_of_score(classcmp: str) -> str:
    """What the scores of particles are, by the comparator that ranks the members of a class."""
    if parse("classcmp", classcmp).name == "ml":
        return SCORE
    return f"what the comparator {classcmp} says of a particle and its class's average; more is better."


def standing(iteration: int, last: int, converged: bool) -> str:
    """How far a run is."""
    return f"{'converged ' if converged else ''}after iteration {iteration} of {last}"


def _facts(run: dict, store: ParticleStore, listed: dict) -> dict:
    particles = {
        "input": run["input"],
        "images in it": run["n_input"],
        "box": f"{run['box']} px of {run['apix']:g} A",
        "working box": f"{store.box} px of {store.apix:.3g} A",
        "CTF": store.ctf_mode,
        "particles used": int(store.used.sum()),
    }
    versions = {"Python": platform.python_version(), "refine2d (digest)": run["version"]}
    return {
        "particles": particles,
        "options": {name: through(ranges) for name, ranges in listed.items()} | optics(run["apix"], store),
        "versions": versions | {name: found for name in PACKAGES if (found := _version(name))},
    }


def through(ranges: list[tuple[int, int, object]]) -> str:
    """An option's value, or its values with the iterations that they hold for; iteration 0 is the start."""
    if len(ranges) == 1:
        return _shown(ranges[0][-1])
    return ", ".join(
        f"{_shown(value)} ({first or 'start'}{f' to {last}' if last > first else ''})"
        for first, last, value in ranges
    )


def optics(apix: float, store: ParticleStore) -> dict[str, str]:
    """The options apix, voltage, cs and ac with the values that the particles have, by their file or by the option."""
    found = {"apix": f"{apix:g}"}
    for name in ("voltage", "cs", "ac"):
        values = [] if store.ctf is None else sorted({*getattr(store.ctf, name)[store.used].tolist()})
        found[name] = " to ".join(f"{value:g}" for value in dict.fromkeys((*values[:1], *values[-1:])))
    return {name: text or "no CTF" for name, text in found.items()}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _shown(value) -> str:
    if isinstance(value, bool | float):
        return str(value).lower() if isinstance(value, bool) else f"{value:g}"
    return "" if value is None else str(value)


def _short(values):
    """Numbers with four significant digits, as JSON takes them."""
    if np.ndim(values) == 0:
        return float(f"{values:.4g}")
    return [float(f"{value:.4g}") for value in np.asarray(values).tolist()]
