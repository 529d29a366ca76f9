"""The first table of docs/mistakes.md, row by row: what is wrong, and the sentence that says so before any job."""

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from refine2d import lock, options, run
from refine2d.errors import UserError
from refine2d.stacks.mrc import write_mrcs
from refine2d.stacks.star_text import write_star

ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
TABLE = (ROOT / "docs/mistakes.md").read_text().split("\n## ")[1]
ROWS = dict(re.findall(r"^\| ([^|`]+) \| `(.*)` \|$", TABLE, re.MULTILINE))
N, BOX, APIX = 60, 32, 5.0


def stack(path="particles.mrcs", n=N, box=BOX, apix=APIX):
    images = np.random.default_rng(0).normal(size=(n, box, box)).astype(np.float32)
    write_mrcs(path, images, apix, n, box)


def table(**columns):
    """A table of the stack with some columns changed, or None for left out."""
    usual = {
        "rlnImageName": [f"{i + 1}@particles.mrcs" for i in range(N)],
        "rlnDefocusU": ["15000"] * N,
        "rlnVoltage": ["300"] * N,
        "rlnSphericalAberration": ["2.7"] * N,
        "rlnAmplitudeContrast": ["0.1"] * N,
    }
    columns = {name: values for name, values in (usual | columns).items() if values is not None}
    write_star("particles.star", {"": columns})
    return {"input": "particles.star"}


def listing(row, name):
    """A table with another image's name in a row."""
    return table(rlnImageName=[name if i == row else f"{i + 1}@particles.mrcs" for i in range(N)])


def text(content):
    Path("particles.star").write_text(content)
    return {"input": "particles.star"}


def cut_short():
    whole = Path("particles.mrcs").read_bytes()
    Path("particles.mrcs").write_bytes(whole[: len(whole) // 2])


def header(*numbers):
    """The stack with other numbers of columns and rows in its header."""
    data = bytearray(Path("particles.mrcs").read_bytes())
    data[: 4 * len(numbers)] = np.array(numbers, "<i4").tobytes()
    Path("particles.mrcs").write_bytes(data)


def two_boxes():
    stack("large.mrcs", 1, 40)
    return listing(7, "1@large.mrcs")


def exclude(content):
    Path("exclude.txt").write_text(content)
    return {"exclude": "exclude.txt"}


def changes(content):
    Path("r2d_01").mkdir()
    Path("r2d_01/options.yaml").write_text(content)


def another_run():
    values = options.read({"input": "particles.mrcs", "ncls": 4}, SCHEMA)
    run.write("r2d_01", run.open_run("r2d_01", values))
    stack(n=50)


CASES = {
    "a stack that is cut short": cut_short,
    "a stack that is not there": lambda: listing(7, "1@lost.mrcs"),
    "a row past the end of its stack": lambda: listing(7, "61@particles.mrcs"),
    "an empty file": lambda: Path("particles.mrcs").write_bytes(b""),
    "a table without particles": lambda: text("data_\n\nloop_\n_rlnImageName\n"),
    "images of no pixels": lambda: header(0, 0),
    "images that are not square": lambda: header(BOX // 2, 2 * BOX),
    "two box sizes in one optics group": two_boxes,
    "an image that is listed twice": lambda: listing(7, "4@particles.mrcs"),
    "a column that is there twice": lambda: text("data_\n\nloop_\n_rlnImageName\n_rlnImageName\n1@a 1@a\n"),
    "no pixel size": lambda: stack(apix=0.0),
    "a defocus that is no number": lambda: table(
        rlnDefocusU=[str(15000 if i != 7 else "deep") for i in range(N)]
    ),
    "a defocus in um": lambda: table(rlnDefocusU=["1.5"] * N),
    "a defocus without a voltage": lambda: table(rlnVoltage=None),
    "a voltage in V": lambda: table(rlnVoltage=["300000"] * N),
    "more classes than particles can fill": lambda: {"ncls": 40},
    "naliref above ncls": lambda: {"naliref": 9},
    "a mask of a few pixels": lambda: {"mask_diameter": 20},
    "exclude with a number that no image has": lambda: exclude("3 60\n"),
    "exclude that leaves nothing": lambda: exclude(" ".join(map(str, range(N)))),
    "exclude that leaves too few": lambda: exclude(" ".join(map(str, range(N - 10)))),
    "exclude with what is no number": lambda: exclude("3\nfour\n"),
    "an option that is not known": lambda: {"nclas": 4},
    "a value that cannot be": lambda: {"ncls": "many"},
    "a name that is not known": lambda: {"simcmp": "fcr"},
    "a file that is not there": lambda: {"input": "particle.mrcs"},
    "changes that are no YAML": lambda: changes("- {from: 2"),
    "a change in mid-run that does not fit": lambda: changes("- {from: 2, maxshift: 30}"),
    "a path with a run on other particles": another_run,
    "a path where the run would replace its own input": lambda: table() | {"path": "."},
    "a path below a file": lambda: {"path": "particles.mrcs/r2d_01"},
}


def checked(given):
    """What the Snakefile does with a config before there is any job."""
    config = {"input": "particles.mrcs", "path": "r2d_01", "ncls": 4, "apix": APIX} | given
    values = options.read(config, SCHEMA, f"{config['path']}/options.yaml")
    return run.open_run(config["path"], values)


def test_the_table_has_all_cases():
    assert list(ROWS) == list(CASES)


@pytest.mark.parametrize("mistake", CASES)
def test_a_mistake_is_told_as_the_table_says(mistake, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stack()
    made = CASES[mistake]() or {}
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(UserError) as error:
        checked(made | ({"apix": None} if mistake == "no pixel size" else {}))
    assert str(error.value) == ROWS[mistake]
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_what_is_no_mistake(tmp_path, monkeypatch):
    """Fewer classes than footprint vectors; an image that is listed twice, but once in exclude; excluded images."""
    monkeypatch.chdir(tmp_path)
    stack()
    assert checked({"ncls": 3, "nbasisfp": 8}).n == N
    assert checked(listing(7, "4@particles.mrcs") | exclude("7")).n == N


def test_a_place_where_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def forbidden(*_, **__):
        raise PermissionError(13, "Permission denied", "r2d_01")

    monkeypatch.setattr(Path, "mkdir", forbidden)
    with pytest.raises(UserError) as error:
        lock.take("r2d_01")
    assert str(error.value) == "path is r2d_01, but nothing can be written there: Permission denied."
