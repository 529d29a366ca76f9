"""The digest of a step's code: what counts and what does not."""

import os
import subprocess
import sys

import pytest

from refine2d import code
from refine2d.code import digest, version

FILES = {
    "step.py": "from refine2d.a import f\n\nf()\n",
    "other.py": "import refine2d.c\n",
    "refine2d/__init__.py": "",
    "refine2d/a.py": '"""Doc."""\n\nfrom .b import g\n\n\ndef f():\n    """Doc."""\n    return g()  # why\n',
    "refine2d/b/__init__.py": "from .deep import g\nfrom . import unused\n",
    "refine2d/b/deep.py": "from ..d import h\n\n\ndef g():\n    return h\n",
    "refine2d/b/unused.py": "",
    "refine2d/c.py": "import refine2d.b.deep\n",
    "refine2d/d.py": "h = 1\n",
    "refine2d/job.py": "x = 1\n",
}


@pytest.fixture
def checkout(tmp_path):
    """Write the files above, some of them changed, to a new folder."""

    def write(**changed):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        for name, text in (
            FILES | {key.replace("__", "/") + ".py": text for key, text in changed.items()}
        ).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return folder

    return write


def test_the_place_of_the_checkout_does_not_count(checkout):
    assert digest(checkout() / "step.py") == digest(checkout() / "step.py")


@pytest.mark.parametrize(
    "changed",
    [
        {"step": "f_ = 1\nfrom refine2d.a import f\n\nf()\n"},
        {"refine2d__a": FILES["refine2d/a.py"].replace("g()", "g(1)")},
        {"refine2d__b__deep": FILES["refine2d/b/deep.py"].replace("return h", "return -h")},
        {"refine2d__d": "h = 2\n"},
        {"refine2d__d": "h = 1\n\n\ndef more(x=1):\n    return x in {2, 3}\n"},
    ],
)
def test_code_counts_however_far_away(checkout, changed):
    assert digest(checkout() / "step.py") != digest(checkout(**changed) / "step.py")


@pytest.mark.parametrize(
    "changed",
    [
        {
            "refine2d__a": '"""Other."""\nfrom .b import g\n\n'
            'def f():\n    """Other words."""\n    # more\n    return g()\n'
        },
        {"refine2d__c": "import refine2d.d\n"},
        {"refine2d__job": "x = 2\n"},
    ],
)
def test_comments_and_what_is_not_used_do_not_count(checkout, changed):
    assert digest(checkout() / "step.py") == digest(checkout(**changed) / "step.py")


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("x in {'a', 'b'}", "x in {'a', 'c'}"),
        ("1 if x else 2", "2 if x else 1"),
        ("f(x, y=1)", "f(x, z=1)"),
        ("lambda a, /: a", "lambda a: a"),
        ("1.0", "1"),
        ("0.0", "-0.0"),
    ],
)
def test_little_things_count(checkout, now, then):
    """Also within a function within a function."""
    inner = "def f():\n    def g(x):\n        return {}\n    return g\n"
    before, after = (checkout(refine2d__d=inner.format(each)) for each in (now, then))
    assert digest(before / "step.py") != digest(after / "step.py")


def test_a_digest_is_the_same_in_every_process(checkout):
    """Sets of constants have another order in each."""
    script = checkout(refine2d__d="def h(x):\n    return x in {'a', 'b', 'c', 'd', 'e'}\n") / "step.py"
    program = "import sys; sys.path.append(sys.argv[1]); from refine2d.code import digest; print(digest(sys.argv[2]))"
    command = [sys.executable, "-c", program, code.__file__.rsplit("/", 2)[0], str(script)]
    told = {
        subprocess.check_output(command, env=os.environ | {"PYTHONHASHSEED": str(seed)})
        for seed in range(1, 6)
    }
    assert told == {f"{digest(script)}\n".encode()}


def test_a_package_on_the_way_to_a_module_is_not_used(checkout):
    package = FILES["refine2d/b/__init__.py"] + "more = 1\n"
    before, after = checkout(), checkout(refine2d__b____init__=package)
    assert digest(before / "other.py") == digest(after / "other.py")


def test_a_package_whose_names_are_used_counts(checkout):
    (before := checkout()), (after := checkout())
    (after / "refine2d/b/unused.py").write_text("x = 1\n")
    assert digest(before / "step.py") != digest(after / "step.py")


def test_the_librarys_version_is_a_digest():
    assert int(version(), 16) >= 0
