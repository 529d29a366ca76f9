"""The command line of EMAN2's e2refine2d.py: writes a config, checks it, and hands over to Snakemake.

Every option of the config is a flag too. Those of e2refine2d alone (``--parallel``, ``--resume``, ``--check`` ...) say
how the program runs.
"""

import argparse
import difflib
import os
import re
import sys
from pathlib import Path

import yaml

from refine2d import lock, names, options, run
from refine2d.errors import UserError
from refine2d.files import atomic
from refine2d.percent import counted
from refine2d.stacks.flipped import phase_flipped

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "workflow/schemas/config.schema.yaml"
SLURM = ROOT / "profiles/slurm"
CONFIG = "e2refine2d.yaml"  # in the run's folder: the options that it was started with
CHANGES = "options.yaml"  # there too: from which iteration on which options are others
OTHERWISE = {  # flags of other programs, and what there is instead
    "--threads": "give --parallel=thread:4 for four cores.",
    "--version": "run.json in a run's folder holds the digest of the version that made it.",
}


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ends the process."""
    schema = yaml.safe_load(SCHEMA.read_text())
    flags = parser(schema)
    given, unknown = flags.parse_known_args(arguments)
    try:
        if unknown:
            raise UserError("\n".join(no_such_flag(word, flags) for word in unknown))
        command = prepare(given, schema)
    except UserError as mistakes:
        sys.exit(str(mistakes))
    if command:
        sys.stdout.flush()
        os.execv(command[0], command)


def parser(schema: dict) -> argparse.ArgumentParser:
    """The flags: each option of the schema, and what e2refine2d has beyond."""
    parser = argparse.ArgumentParser(
        prog="e2refine2d.py",
        description="Reference-free 2D classification: particle images in, class averages out.",
        argument_default=argparse.SUPPRESS,
    )
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, rule in schema["properties"].items():
        group = groups.setdefault(rule["group"], parser.add_argument_group(rule["group"]))
        flag = {"nargs": "?", "const": "true"} if rule.get("type") == "boolean" else {}
        text = rule["description"].replace("%", "%%")
        group.add_argument(f"--{name}", metavar="X", help=f"{text} Default: {rule['default']}", **flag)
    program = parser.add_argument_group("Program")
    program.add_argument(
        "-P",
        "--parallel",
        metavar="X",
        default="thread:1",
        help="`thread:4`: that many cores; `mpi:40`: that many jobs at a time on a Slurm cluster (profiles/slurm).",
    )
    program.add_argument(
        "--resume",
        action="store_true",
        default=False,
        help="Go on after the last complete iteration of --path, or of the last r2d_NN. Options that are given anew "
        "hold from the next iteration on.",
    )
    program.add_argument(
        "-c", "--check", action="store_true", default=False, help="Check everything and do nothing."
    )
    program.add_argument(
        "-v",
        "--verbose",
        type=int,
        default=0,
        choices=range(10),
        help="How much is said, 0 to 9.",
        metavar="0-9",
    )
    program.add_argument("--dbls", metavar="X", help="Accepted, without effect.")
    program.add_argument("--ppid", type=int, metavar="X", help="Accepted, without effect.")
    return parser


def no_such_flag(word: str, flags: argparse.ArgumentParser) -> str:
    """A sentence about a word of the command line that is no flag."""
    if not word.startswith("-"):
        return f"{word!r} belongs to no option: give particles as --input={word}."
    flag = word.split("=")[0]
    if flag in OTHERWISE:
        return f"There is no option {flag}: {OTHERWISE[flag]}"
    known = [flag for action in flags._actions for flag in action.option_strings]
    close = difflib.get_close_matches(flag, known, n=1, cutoff=0.4)
    return f"There is no option {flag}" + (f": did you mean {close[0]}?" if close else "; see --help.")


def prepare(given: argparse.Namespace, schema: dict) -> list[str] | None:
    """Check what was asked for and write it down: the command that does it, or None for a mere check.

    Raises
    ------
    UserError
        With one sentence for each mistake.
    """
    config = options_of(given, schema)
    launch = launcher(given)
    folder = Path(config.get("path") or (last_run() if given.resume else next_run()))
    config["path"] = str(folder)
    changes, new = folder / CHANGES, ()
    if given.resume:
        config, new = resumed(folder, config, schema)
    elif "input" not in config:
        raise UserError("input is missing: give --input=particles.hdf.")
    if "ctf" not in config and phase_flipped(str(config["input"])):
        config["ctf"] = "flipped"
        print(f"{config['input']} is phase-flipped, as EMAN2 says in its header or name: ctf is flipped.")
    values = options.read(config, schema, changes, new)
    found = run.open_run(str(folder), values)
    for sentence in names.without_effect(values.base):
        print(sentence)
    if hasattr(given, "dbls"):
        print("dbls has no effect here.")
    if given.check:
        print(
            f"Nothing is wrong: {found.n} particles of {found.box} pixels at {found.apix:g} A, {values.base['ncls']} "
            f"classes, {counted(values.base['iter'], 'iteration')}, in {folder}. Nothing was done."
        )
        return None
    lock.check(str(folder))
    write(folder / CONFIG, config)
    if new:
        before = read(changes, []) or []
        write(changes, [*(before if isinstance(before, list) else [before]), *new])
    print(f"The run is in {folder}; its options are in {folder / CONFIG}.")
    return [*launch, "--configfile", str(folder / CONFIG)]


def options_of(given: argparse.Namespace, schema: dict) -> dict:
    """The config that the flags ask for, in the schema's order; what e2refine2d says with a number of its own is
    translated."""
    config = {name: getattr(given, name) for name in schema["properties"] if hasattr(given, name)}
    if str(config.get("input", "")).startswith("bdb:"):
        raise UserError(
            f"{config['input']} is in EMAN2's own database: export it with "
            f"`e2proc2d.py {config['input']} particles.hdf` and give --input=particles.hdf."
        )
    if str(config.get("maxshift")) == "-1":
        config["maxshift"] = "auto"
    if str(config.get("shrink")) == "0":
        config["shrink"] = 1
    if "nbasisfp" in config:
        config.setdefault("nbasis", config["nbasisfp"])  # e2refine2d has one number for both
    if "naliref" in config:
        config.setdefault("nearrefs", 0)  # e2refine2d tries each particle on all of these
    empty = [name for name, value in config.items() if value in ("", "None") and name not in names.OPTIONS]
    for name in empty:
        del config[name]
    rules = schema["properties"].items()
    return {name: typed(config[name], rule) for name, rule in rules if name in config}


def typed(value, rule: dict):
    """A flag's value as YAML would read it; text stays text, and so does all that the schema wants as text."""
    if rule.get("type") == "string":
        return value
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d*\.?\d+(e-?\d+)?", value):
        return float(value)
    return {"true": True, "false": False}.get(value, value)


def launcher(given: argparse.Namespace) -> list[str]:
    """Snakemake's command line but for the config."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]
    how, _, rest = given.parallel.partition(":")
    count = rest.split(":")[0]
    if how not in ("thread", "mpi") or not (count.isdigit() and int(count) > 0):
        raise UserError(
            f"parallel is {given.parallel!r}: give thread:4 for four cores, or mpi:40 for forty jobs at a time on a "
            "Slurm cluster."
        )
    if how == "thread":
        command += ["--cores", count]
    elif SLURM.is_dir():
        command += ["--workflow-profile", str(SLURM), "--jobs", count]
    else:
        raise UserError(
            f"parallel is {given.parallel!r}, but there is no {SLURM}: give thread:4 for four cores."
        )
    if given.verbose:
        command += ["--quiet", "host"]
    if given.verbose > 4:
        command += ["--verbose"]
    return command


def next_run() -> str:
    """The first r2d_NN after all that are there."""
    return f"r2d_{max((number for number, _ in runs()), default=0) + 1:02d}"


def last_run() -> str:
    """The last r2d_NN that holds a run."""
    held = [name for _, name in runs() if Path(name, "run.json").is_file()]
    if not held:
        raise UserError("There is no run to resume here: give --path, or start one without --resume.")
    return held[-1]


def runs() -> list[tuple[int, str]]:
    """Numbers and names of the r2d_NN here, in order."""
    found = [re.fullmatch(r"r2d_(\d+)", path.name) for path in Path().iterdir() if path.is_dir()]
    return sorted((int(match[1]), match[0]) for match in found if match)


def complete(folder: Path) -> int:
    """The last iteration before which, itself included, all are complete."""
    last = 0
    while (folder / f"state_{last + 1:02d}.json").is_file():
        last += 1
    return last


def resumed(folder: Path, given: dict, schema: dict) -> tuple[dict, tuple[dict, ...]]:
    """The config of a run that goes on, and what is new of its changes from an iteration on."""
    if not (folder / "run.json").is_file():
        raise UserError(f"{folder} holds no run to resume: start it without --resume.")
    started = folder / CONFIG
    config = read(started, given)
    if not isinstance(config, dict) or "input" not in config:
        raise UserError(f"{folder} was not started by e2refine2d.py: give --input and its other options too.")
    if "input" in given:  # it may have been moved
        config = config | {"input": given["input"]}
    known = schema["properties"]
    now = options.read(config, schema, folder / CHANGES).at(complete(folder) + 1)
    wanted = options.read(config | given, schema).base
    new = {name: wanted[name] for name in given if wanted[name] != now[name] and name != "path"}
    iterations = new.pop("iter", None)
    fixed = [name for name in new if not known[name].get("iteration")]
    if fixed:
        raise UserError(
            f"{', '.join(fixed)} cannot change when a run is resumed: leave it out, or start another run."
        )
    if iterations:
        config = config | {"iter": iterations}
    if not new:
        return config, ()
    first = complete(folder) + 1
    print(f"From iteration {first} on: {', '.join(f'{name}={value}' for name, value in new.items())}")
    return config, ({"from": first, **new},)


def write(path: Path, content) -> None:
    """Write YAML, in the order as it is."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as temporary:
            Path(temporary).write_text(yaml.safe_dump(content, sort_keys=False))
    except OSError as error:
        raise UserError(
            f"path is {path.parent}, but nothing can be written there: {error.strerror}."
        ) from None


def read(path: Path, empty):
    """What a YAML file holds; `empty` where there is none."""
    try:
        return yaml.safe_load(path.read_text()) if path.is_file() else empty
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not YAML: {str(error).splitlines()[0]}.") from None


if __name__ == "__main__":
    main()
