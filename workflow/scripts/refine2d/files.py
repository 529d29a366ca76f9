"""Whole files or none: every file is written under a temporary name, synced and renamed.

HDF5 files end with a checksum of what is before it (HDF5 itself does not mind: it knows where its part ends), sealed
JSON files have one as their last key.
"""

import json
import os
import re
import shutil
import time
import uuid
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from refine2d.errors import Damaged

SEALED = (".h5", ".hdf")
SEAL, JSON_SEAL = "\nrefine2d crc32 {:08x}\n", ',\n  "crc32": "{:08x}"\n}}\n'
SKEW = 60.0  # seconds that clocks of a cluster may be apart
LEFTOVER = re.compile(r"\..*\.[0-9a-f]{32}\.\w+")

_unfinished: set[Path] = set()


@contextmanager
def atomic(path: str | os.PathLike, seal: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there becomes `path` on leaving, or nothing on an error.

    The name is unique and keeps the file's ending: a job that outlived its workflow cannot write into the file of
    the job that replaced it.

    Parameters
    ----------
    path : path
        The file to write; its folder is made where it is missing.
    seal : bool
        Add a checksum to an HDF5 file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    _unfinished.add(temporary)
    try:
        yield temporary
        if seal and path.suffix in SEALED:
            _seal(temporary)
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        remove_unfinished(temporary)


def remove_unfinished(*temporary: Path) -> None:
    """Remove files that are being written; all of them by default, before an end in the middle."""
    for path in temporary or tuple(_unfinished):
        path.unlink(missing_ok=True)
        _unfinished.discard(path)


def remove_leftovers(folder: str | os.PathLike) -> None:
    """Remove the temporary files of killed jobs from a folder, where no job is running."""
    for path in Path(folder).rglob(".*"):
        if LEFTOVER.fullmatch(path.name):
            path.unlink(missing_ok=True)


def bring_to_now(folder: str | os.PathLike) -> None:
    """Take files that a clock ahead of this one wrote back to now, in their order: nothing could be newer than they."""
    now, times = time.time(), {}
    for path in Path(folder).rglob("*"):
        with suppress(FileNotFoundError):
            times[path] = path.stat().st_mtime
    ahead = max(times.values(), default=now) - now
    if ahead > SKEW:
        for path in [path for path, stamp in times.items() if stamp > now]:
            os.utime(path, (times[path] - ahead, times[path] - ahead))


def check(path: str | os.PathLike) -> None:
    """Compare a file with the checksum in it: an HDF5 file, or sealed JSON.

    Raises
    ------
    Damaged
        Where they differ, as in a file that was cut short.
    """
    path = Path(path)
    pattern = SEAL if path.suffix in SEALED else JSON_SEAL
    length = len(pattern.format(0))
    with path.open("rb") as file:
        file.seek(max(0, os.path.getsize(path) - length))
        end, total = file.read(), _crc32(file, length)
    if end != pattern.format(total).encode() and (_is_sealed(end, pattern) or not _opens(path)):
        raise Damaged(f"{path} is damaged: it is not what was written", path)


def set_aside(path: str | os.PathLike) -> None:
    """Give a damaged file another name, so that it is made again."""
    with suppress(FileNotFoundError):  # another job was faster
        os.replace(path, f"{path}.damaged")


def set_damaged_aside(paths: Iterable[str | os.PathLike]) -> list[str | os.PathLike]:
    """Set those of some files aside that differ from their checksums, and name them."""
    damaged = []
    for path in sorted(paths):
        try:
            check(path)
        except Damaged:
            set_aside(path)
            damaged.append(path)
    return damaged


def write_json(path: str | os.PathLike, value, seal: bool = False) -> None:
    """Write `value` as indented JSON, keys in the order given; with a checksum as the last one if `seal`."""
    text = json.dumps(value, indent=2)
    if seal:
        body = text.removesuffix("\n}")
        text = body + JSON_SEAL.format(zlib.crc32(body.encode())).removesuffix("\n")
    with atomic(path) as temporary:
        temporary.write_text(text + "\n")


def copy(source: str | os.PathLike, path: str | os.PathLike) -> None:
    """Copy a file's content: a real copy, since a hard link would share the time stamp with its source."""
    with atomic(path, seal=False) as temporary:
        shutil.copyfile(source, temporary)


def _seal(path: Path) -> None:
    with path.open("r+b") as file:
        total = _crc32(file)
        file.seek(0, os.SEEK_END)
        file.write(SEAL.format(total).encode())


def _is_sealed(end: bytes, pattern: str) -> bool:
    """Whether a file ends with some checksum."""
    before, after = pattern.format(0).split("00000000")
    return end.startswith(before.encode()) and end.endswith(after.encode())


def _opens(path: Path) -> bool:
    """Whether a file without a checksum, such as one that another program wrote, is whole."""
    try:
        if path.suffix not in SEALED:
            return json.loads(path.read_bytes()) is not None
        import h5py

        with h5py.File(path):
            return True
    except (OSError, ValueError):
        return False


def _crc32(file, without: int = 0) -> int:
    """Checksum of a file but for its last bytes."""
    left = os.fstat(file.fileno()).st_size - without
    file.seek(0)
    total = 0
    while left > 0 and (block := file.read(min(left, 1 << 22))):
        total, left = zlib.crc32(block, total), left - len(block)
    return total


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
