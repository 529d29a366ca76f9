"""Interrupt a run at random moments, damage what it has, and see what the same command makes of it."""

import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from refine2d import files, lock

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
VICTIMS = ("the workflow", "a job", "everything")
LATER = ("nothing", "nothing", "nothing", "a bit flipped", "a file cut short", "a clock that jumps")
STARTED, FINISHED = re.compile(r"^Job (\d+): (.*)", re.M), re.compile(r"^Finished jobid: (\d+)", re.M)
DAY = 86400.0
PATIENCE = 120.0
TRIES = 5


@dataclass
class Tally:
    """What happened in some interrupted runs.

    Attributes
    ----------
    rounds : Counter
        Interruptions by kind.
    twice : int
        Jobs that had finished and were done again, where nothing was damaged and the clock was right.
    lost : int
        Jobs that were begun and not finished.
    missing : list of str
        Files that were damaged when every later step was done: no plain command makes them again, only one that names
        them.
    different : list of str
        Files that differ from the uninterrupted run.
    """

    rounds: Counter = field(default_factory=Counter)
    twice: int = 0
    lost: int = 0
    missing: list = field(default_factory=list)
    different: list = field(default_factory=list)


def interrupt(project, reference: dict[str, bytes], seed: int, most: int, tally: Tally) -> None:
    """Run a project, interrupted up to `most` times, until the plain command has finished it.

    Parameters
    ----------
    project : Project
        Without a run.
    reference : dict
        Files of an uninterrupted run, as `Project.results` gives them.
    seed : int
    most : int
    tally : Tally
        Is added to.
    """
    rng = random.Random(seed)
    done, failures, spoilt = Counter(), 0, False
    while True:
        workflow, log = _start(project)
        kind = ""
        if sum(tally.rounds.values()) < most:
            kind = _kill(rng, project, workflow, log)
        workflow.wait(PATIENCE)
        text = log.read_text()
        said = text.partition("Complete log(s)")[0]  # a signal that comes later finds the interpreter ending
        assert "Traceback" not in said or kind, text
        begun, finished = dict(STARTED.findall(text)), FINISHED.findall(text)
        done.update(begun[number] for number in finished if number in begun)
        if workflow.returncode == 0:
            break
        tally.lost += len(begun) - len(finished)
        if kind:
            later = rng.choice(LATER)
            spoilt |= later != "nothing" and _spoil(rng, project.folder / "run", later)
            tally.rounds[f"{kind}; then {later}"] += 1
        failures += not kind
        assert failures < 10, text
    if not spoilt:
        tally.twice += sum(done.values()) - len(done)
    files.set_damaged_aside((project.folder / "run").glob("*.hdf"))  # a command with nothing to do reads none
    for _ in range(TRIES):
        missing = sorted(reference.keys() - project.results().keys())
        tally.missing += missing
        if missing:
            project.call(flags=tuple(f"run/{name}" for name in missing))
    found = {name: data for name, data in project.results().items() if not name.endswith(".damaged")}
    names = found.keys() | reference.keys()
    tally.different += sorted(name for name in names if found.get(name) != reference.get(name))


def _start(project) -> tuple[subprocess.Popen, Path]:
    number = len(list(project.folder.glob("*.log")))
    log = project.folder / f"{number:03d}.log"
    command = project.command(flags=("--quiet", "host"))
    with log.open("w") as out:
        pipes = {"stdout": out, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=project.folder, start_new_session=True, **pipes), log


def _kill(rng: random.Random, project, workflow: subprocess.Popen, log: Path) -> str:
    """Let the workflow finish some jobs, wait a moment, and hit; what was done, nothing where it came too late."""
    victim, how = rng.choice(VICTIMS), rng.choice(SIGNALS)
    jobs, moment = rng.randrange(8), rng.random()
    while workflow.poll() is None and len(FINISHED.findall(log.read_text())) < jobs:
        time.sleep(0.05)
    time.sleep(moment)
    running = lock.processes(str(project.folder / "run"))
    if victim == "everything":
        os.killpg(workflow.pid, how) if workflow.poll() is None else None
    elif victim == "the workflow" or not running:
        workflow.send_signal(how)
    else:
        rng.choice(sorted(running, key=lambda job: job.pid)).send_signal(how)
    workflow.wait(PATIENCE)
    return f"{how.name} of {victim}" if workflow.returncode else ""


def _spoil(rng: random.Random, run: Path, how: str) -> bool:
    """Damage a file that the next steps read, or let all files be of another time."""
    found = sorted(
        file for file in run.rglob("*.h*") if file.suffix in (".h5", ".hdf") and file.name[0] != "."
    )
    if not found:
        return False
    if how == "a clock that jumps":
        for file in rng.sample(found, len(found) // 2):
            stamp = file.stat().st_mtime + rng.choice((-DAY, DAY))
            os.utime(file, (stamp, stamp))
        return True
    file = max(found, key=lambda file: file.stat().st_mtime_ns)
    stamp, content = file.stat().st_mtime_ns, bytearray(file.read_bytes())
    place = rng.randrange(len(content))
    if how == "a file cut short":
        content = content[:place]
    else:
        content[place] ^= 1 << rng.randrange(8)
    file.write_bytes(content)
    os.utime(file, ns=(stamp, stamp))
    return True
