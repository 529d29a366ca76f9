"""What a step's code is: a digest of its script and of the library modules that the script uses."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import CodeType

PACKAGE = "refine2d"
WITHOUT_RESULT = {"job.py"}  # logs and errors: what it does is in no result
SAID = (  # of a code object; the other attributes say where it stands
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_flags",
    "co_exceptiontable",
)


def digest(script: str | Path) -> str:
    """Digest of a script and of all modules of the library that it imports, directly or not.

    Comments, layout and docstrings do not count, so that a step is run again when what it does has changed, and
    only then.

    Parameters
    ----------
    script : path
        A Python file; the library lies in the folder `refine2d` beside it.

    Returns
    -------
    str of 16 hexadecimal digits
    """
    script = Path(script)
    seen, waiting = {script}, [script]
    while waiting:
        new = _imports(waiting.pop(), script.parent) - seen
        seen |= new
        waiting += new
    total = hashlib.sha256()
    for path in sorted(seen):
        total.update(f"{path.relative_to(script.parent)} {_meaning(path)}".encode())
    return total.hexdigest()[:16]


def contents(paths: list[str]) -> str:
    """Digest of what files hold that are no Python."""
    return hashlib.sha256(b"\n".join(Path(path).read_bytes() for path in paths)).hexdigest()[:16]


def version() -> str:
    """Digest of the whole library."""
    folder = Path(__file__).parent
    meanings = [f"{path.relative_to(folder)} {_meaning(path)}" for path in sorted(folder.rglob("*.py"))]
    return hashlib.sha256("\n".join(meanings).encode()).hexdigest()[:16]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def _meaning(path: Path) -> str:
    """What Python makes of a file, without docstrings, places and layout."""
    return _told(compile(_tree(path), "", "exec", optimize=2))


def _told(code: CodeType) -> str:
    """A code object as text, the same in every process: sets of constants are sorted."""
    constants = [
        _told(each)
        if isinstance(each, CodeType)
        else sorted(map(repr, each))
        if isinstance(each, frozenset)
        else each
        for each in code.co_consts
    ]
    return repr((*(getattr(code, name) for name in SAID), constants))


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """All statements in a node, without looking for them in expressions."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield child
            yield from _statements(child)


@cache
def _imports(path: Path, folder: Path) -> set[Path]:
    """Files of the library that a file uses; a package on the way to a module is not used."""
    files = set()
    for node in _statements(_tree(path)):
        if isinstance(node, ast.Import):
            files |= {_file(alias.name, folder) for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, path, folder)
            files |= {_file(f"{base}.{alias.name}", folder) or _file(base, folder) for alias in node.names}
    return {file for file in files if file and file.name not in WITHOUT_RESULT}


def _absolute(node: ast.ImportFrom, path: Path, folder: Path) -> str:
    """The module named by a `from ... import`, relative ones made absolute."""
    if not node.level:
        return node.module
    package = path.relative_to(folder).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _file(module: str, folder: Path) -> Path | None:
    """The file of a module or package of the library."""
    if module.split(".")[0] != PACKAGE:
        return None
    stem = folder.joinpath(*module.split("."))
    candidates = stem / "__init__.py", stem.with_suffix(".py")
    return next((file for file in candidates if file.is_file()), None)
