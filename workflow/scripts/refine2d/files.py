"""Whole files or none: every file is written under a temporary name, synced and renamed."""

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic(path: str | os.PathLike) -> Iterator[Path]:
    """Give a temporary name beside `path`; what was written there becomes `path` on leaving, or nothing on an error.

    The name is unique and keeps the file's ending: a job that outlived its workflow cannot write into the file of
    the job that replaced it.

    Parameters
    ----------
    path : path
        The file to write; its folder is made where it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: str | os.PathLike, value) -> None:
    """Write `value` as indented JSON, keys in the order given."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n")


def copy(source: str | os.PathLike, path: str | os.PathLike) -> None:
    """Copy a file's content: a real copy, since a hard link would share the time stamp with its source."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
