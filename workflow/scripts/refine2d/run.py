"""A run: its folder holds one input's particles, cut into chunks once and for all (run.json)."""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from refine2d import code, files, options, outputs
from refine2d.errors import Damaged, UserError
from refine2d.forecast import PAIR, PARTICLE

DEMO = "demo"  # the option `input` that stands for simulated particles
DEMO_STAR = "demo/particles.star"
CHUNK = 16384  # rows of a chunk, at most, unless the options say otherwise or there would be more than CHUNKS
CHUNKS = 128  # since each reads the input's table, many of a long one would take as long as the numerics
BATCH = 64  # a chunk is a multiple of it, so that results do not depend on the chunks
SAMPLE = 1 << 16  # bytes that a fingerprint reads at each of its places
PLACES = 16  # places of a file, and files of an input, that a fingerprint reads


@dataclass(frozen=True)
class Run:
    """What is known of a run's particles before any of them is read.

    Attributes
    ----------
    input : str
        Path of the input.
    files : tuple of str
        The stacks that it refers to.
    fingerprint : str
        Digest of the input's and the stacks' sizes and of sampled bytes of them.
    n_input, n : int
        Images in the input, and rows of all tables of this run.
    box, apix
        Box and pixel size (A) of the input.
    apix_file : float or None
        Pixel size that the input itself states.
    subset, shrink
        Options that fixed `n` and `working_box`.
    working_box : int
        Box of the particles that the run works on.
    chunk : int
        Rows of a chunk.
    version : str
        Digest of the library that created the run.
    """

    input: str
    files: tuple[str, ...]
    fingerprint: str
    n_input: int
    n: int
    box: int
    apix: float
    apix_file: float | None
    subset: int
    shrink: int | str
    working_box: int
    chunk: int
    version: str

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.n // self.chunk)

    @property
    def places(self) -> str:
        """Digest of where the stacks lie, which lists of particles say."""
        return hashlib.sha256(repr(self.files).encode()).hexdigest()

    def rows(self, chunk: int) -> tuple[int, int]:
        """First row of a chunk and the row after its last."""
        return chunk * self.chunk, min(self.n, (chunk + 1) * self.chunk)


def open_run(folder: str, given: options.Options, check: bool = True) -> Run:
    """The run in a folder, checked against the options; a new one where there is none. Nothing is written.

    Parameters
    ----------
    folder : str
    given : options.Options
    check : bool
        Compare the input with the run's; a job of a running workflow need not.

    Raises
    ------
    UserError
        With one sentence for each mistake, a line each.
    """
    recorded = load(folder)
    if recorded and not check:
        return recorded
    values = given.base
    run = _sized(_checked(folder, recorded, values) if recorded else _create(values), given)
    if not recorded:
        most = values["chunk"] or a_minute(run.n, run.working_box, values["ncls"])
        run = replace(run, chunk=chunk_size(run.n, most))
    named = [values[name] for name in ("exclude", "initial", "selection") if values[name]]
    outputs.check(folder, (run.input, *run.files, *named), values["resultmx"])
    if values["initial"]:
        _check_initial(run, values)
    return run


def _checked(folder: str, recorded: Run, values: dict) -> Run:
    """The recorded run, if it is one on the input of the options."""
    run = _located(recorded, DEMO_STAR if values["input"] == DEMO else values["input"])
    if not run:
        raise UserError(
            f"{folder} holds a run on another input ({recorded.input}, {recorded.n_input} images): "
            "give another path, or remove that folder."
        )
    n, _ = _rows(recorded.n_input, values)
    if values["subset"] != recorded.subset or n != recorded.n:
        raise UserError(
            f"{folder} was created with subset={recorded.subset} and has {recorded.n} particles, "
            f"now it would have {n}: give another path, or remove that folder."
        )
    if values["chunk"] and chunk_size(recorded.n, values["chunk"]) != recorded.chunk:
        raise UserError(
            f"{folder} was created with chunks of {recorded.chunk} particles, but chunk is {values['chunk']}: "
            "leave it out, or give another path."
        )
    if run != recorded:
        print(
            f"{run.input} or its stacks were elsewhere when {folder} was made: what was made of them is made again."
        )
    return run


def _located(recorded: Run, path: str) -> Run | None:
    """The recorded run, its input where it was or, if it was moved, at the path; None if another one is there."""
    from refine2d.stacks.opening import open_source

    given = replace(recorded, input=path)
    if _intact(recorded):
        return recorded if given == recorded or _intact(given) else None
    if path != DEMO_STAR:
        given = replace(given, files=tuple(open_source(path).files()[1:]))
    return given if _intact(given) else None


def _intact(run: Run) -> bool:
    """Whether all files of the input are there and as they were."""
    try:
        return _digest(run.input, run.files) == run.fingerprint
    except (FileNotFoundError, NotADirectoryError):
        return False


def load(folder: str) -> Run | None:
    """The run that a folder records; None where there is none, or it is damaged and can be made again."""
    try:
        files.check(Path(folder, "run.json"))
        recorded = json.loads(Path(folder, "run.json").read_text())
        recorded.pop("crc32", None)
        return Run(**recorded | {"files": tuple(recorded["files"])})
    except (FileNotFoundError, Damaged):
        return None
    except OSError as error:
        raise UserError(f"path is {folder}, but no run can be there: {error.strerror}.") from None
    except (KeyError, TypeError, AttributeError):
        raise UserError(
            f"{folder}/run.json is not one that this version wrote: give another path, or remove that folder."
        ) from None


def write(folder: str, run: Run) -> None:
    """Record the run in its folder, unless it already is; a damaged record is set aside."""
    path = Path(folder, "run.json")
    if load(folder) == run:
        return
    with suppress(FileNotFoundError):
        try:
            files.check(path)
        except Damaged as error:
            files.set_aside(path)
            print(f"{error}. It was set aside as {path}.damaged and made again.")
    files.write_json(path, asdict(run), seal=True)


def name(number: int, count: int) -> str:
    """Name of a chunk or group: its number, with as many digits as the last one needs, at least two."""
    return f"{number:0{max(2, len(str(count - 1)))}d}"


def a_minute(n: int, working_box: int, ncls: int) -> int:
    """Rows that an iteration takes a minute of one core for, at most CHUNK: what a lost job loses. More where n of them
    would be more than CHUNKS chunks."""
    area = (working_box / 64) ** 2
    rows = int(60 / (PARTICLE * area + PAIR * ncls * area**2))
    return max(BATCH, min(CHUNK, rows), -(-n // CHUNKS))


def chunk_size(n: int, most: int) -> int:
    """Rows of a chunk: n in as few chunks of at most about `most` as will do, in whole batches."""
    chunks = max(1, -(-n // most))
    return BATCH * max(1, -(-n // (chunks * BATCH)))


def _rows(n_input: int, values: dict) -> tuple[int, int]:
    """How many rows the tables have, and how many of them are not excluded."""
    number, excluded = _selected(n_input, values)
    return len(number), len(number) - int(excluded.sum())


def _selected(n_input: int, values: dict) -> tuple:
    from refine2d.input_rows import read_numbers, select

    exclude = read_numbers(values["exclude"]) if values["exclude"] else ()
    return select(n_input, exclude, values["subset"] or None)


def _create(values: dict) -> Run:
    path, stacks, n_input, box, apix_file = _demo() if values["input"] == DEMO else _opened(values)
    n, _ = _rows(n_input, values)
    return Run(
        input=path,
        files=stacks,
        fingerprint=_digest(path, stacks),
        n_input=n_input,
        n=n,
        box=box,
        apix=0.0,
        apix_file=apix_file,
        subset=values["subset"],
        shrink=0,
        working_box=0,
        chunk=n,  # until the working box is known
        version=code.version(),
    )


def _opened(values: dict) -> tuple:
    from refine2d.optics import fill_apix, fill_ctf
    from refine2d.stacks.opening import open_source

    source = open_source(values["input"])
    _check_repeats(source, values)
    apix, *known = (
        None if values[name] == "auto" else values[name] for name in ("apix", "voltage", "cs", "ac")
    )
    fill_apix(source, apix)
    if source.ctf is not None:
        fill_ctf(source, values["ctf"], *known)
    return values["input"], tuple(source.files()[1:]), source.n, source.box, source.optics[0].apix


def _check_repeats(source, values: dict) -> None:
    """Refuse an input that has an image twice: it would count twice in its class."""
    import numpy as np  # here, since a run that is there needs none of it

    number, excluded = _selected(source.n, values)
    used = number[~excluded]
    _, file = np.unique([os.path.realpath(stack.path) for stack in source.stacks], return_inverse=True)
    places = np.stack([file[source.stack[used]], source.index[used]], 1)
    _, first, which = np.unique(places, axis=0, return_index=True, return_inverse=True)
    earlier = first[which.ravel()]
    repeats = np.flatnonzero(earlier != np.arange(len(used)))
    if len(repeats):
        again, before = used[repeats[0]], used[earlier[repeats[0]]]
        raise UserError(
            f"{source.path}: image {again} is image {before} again, the first of {len(repeats)} that are there before: "
            "remove them, or give their numbers in exclude."
        )


def _demo() -> tuple:
    from refine2d.simulate import DEMO as demo

    return DEMO_STAR, (), demo.n, demo.box, demo.apix


def _sized(run: Run, given: options.Options) -> Run:
    """The run with the pixel size and the working box that the options give it; mistakes are raised."""
    values = given.base
    apix = run.apix_file or values["apix"]
    if apix == "auto":
        raise UserError(f"{run.input} does not say its pixel size: give apix=... in A.")
    _, usable = _rows(run.n_input, values)
    mistakes: dict[str, str] = {}  # each said but once, with the first iteration that it is one of
    for first in given.starts:
        resolved = options.resolve(given.at(first), run.n, run.box, apix)
        for mistake in options.misfits(resolved, usable, run.box, apix):
            mistakes.setdefault(mistake, f"From iteration {first} on, {mistake}" if first else mistake)
    if mistakes:
        raise UserError("\n".join(mistakes.values()))
    if (apix, values["shrink"]) == (run.apix, run.shrink):
        return run
    from refine2d.working import working_box

    box = working_box(run.box, apix, values["shrink"])
    return replace(run, apix=apix, shrink=values["shrink"], working_box=box)


def _check_initial(run: Run, values: dict) -> None:
    """Whether the starting averages are as many and as large as they must be, and show something."""
    import numpy as np

    from refine2d.stacks.opening import open_source

    averages = open_source(values["initial"])
    if averages.n != values["ncls"]:
        raise UserError(
            f"{values['initial']} has {averages.n} averages, but ncls is {values['ncls']}: give ncls={averages.n}."
        )
    if averages.box not in (run.box, run.working_box):
        raise UserError(
            f"{values['initial']} has averages of {averages.box} pixels, but the particles have {run.box}"
            + (f" (at the working size {run.working_box})." if run.working_box != run.box else ".")
        )
    images = averages.images(np.arange(averages.n))
    if len(bad := np.flatnonzero(~np.isfinite(images).all((1, 2)))):
        raise UserError(
            f"{values['initial']}: average {bad[0]} has values that are not finite (NaN or infinite): replace it."
        )
    if not np.ptp(images, axis=(1, 2)).any():
        raise UserError(
            f"{values['initial']}: every average has the same value everywhere: give averages that show something."
        )


def images_digest(path: str) -> str:
    """Digest of all pixels of a small stack."""
    import numpy as np

    from refine2d.stacks.opening import open_source

    source = open_source(path)
    return hashlib.sha256(source.images(np.arange(source.n)).tobytes()).hexdigest()[:16]


def _digest(path: str, stacks: tuple[str, ...]) -> str:
    if path == DEMO_STAR:  # it may not exist yet
        return f"demo of {_demo()[2]} particles"
    total = hashlib.sha256()
    for file in (path, *_spread(stacks)):
        total.update(_sampled(Path(file)))
    return total.hexdigest()


def _sampled(path: Path) -> bytes:
    """Digest of a file's size and of bytes at places spread evenly over it."""
    size = path.stat().st_size
    if path.is_dir():  # a Zarr array
        parts = sorted((str(part.relative_to(path)), part.stat().st_size) for part in path.rglob("*"))
        return hashlib.sha256(repr(parts).encode()).digest()
    total = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for place in _spread(range(0, max(size, 1), SAMPLE)):
            file.seek(place)
            total.update(file.read(SAMPLE))
    return total.digest()


def _spread(items):
    """At most PLACES of the items, the first and the last among them."""
    if len(items) <= PLACES:
        return items
    return [items[i * (len(items) - 1) // (PLACES - 1)] for i in range(PLACES)]
