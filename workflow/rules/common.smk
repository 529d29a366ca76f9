import gc
import glob
import logging
import os
import sys
import threading
import time

import psutil
import yaml
from snakemake.logging import logger
from snakemake.settings.enums import Quietness

sys.path.append(os.path.join(workflow.basedir, "workflow/scripts"))

from refine2d import lock, needs
from refine2d import options as option
from refine2d import run as runs
from refine2d.code import contents, digest
from refine2d.console import OneLineAStep
from refine2d.errors import UserError
from refine2d.files import set_damaged_aside
from refine2d.percent import counted
from refine2d.references import count_tried
from refine2d.selection import read_selection_of

SCRIPTS = os.path.join(workflow.basedir, "workflow/scripts")

gc.freeze()  # all that is loaded by now stays: collecting garbage in it takes a second a run, most of it at the end


# ---- The options and the run -----------------------------------------------------------------------------------------


def folder(config):
    default = "demo/r2d_01" if str(config.get("input") or "demo") == "demo" else "r2d_01"
    return str(config.get("path") or default).rstrip("/")


PATH = folder(config)


def at(name):
    """A file of the run, by its name in the run's folder."""
    return f"{PATH}/{name}"


try:
    with open(os.path.join(workflow.basedir, "workflow/schemas/config.schema.yaml")) as schema:
        OPTIONS = option.read(config, yaml.safe_load(schema), overlay=at("options.yaml"))
    RUN = runs.open_run(PATH, OPTIONS, check=workflow.is_main_process)
except UserError as mistakes:
    sys.exit(f"\n{mistakes}\n")
if workflow.is_main_process:
    lock.clear(PATH)


def lock_run():
    """Called when a real run starts: no other one works in the folder from now on."""
    try:
        lock.take(PATH)
    except UserError as mistake:
        sys.exit(f"\n{mistake}\n")


def keep_run():
    """Called when a real run starts, so that a dry run leaves nothing behind."""
    runs.write(PATH, RUN)


def fork_jobs():
    """Called when a real run starts: its jobs on this machine start faster."""
    from refine2d import forkserver

    if workflow.local_exec and not workflow.deployment_settings.deployment_method:
        shell.prefix(forkserver.start().replace("{", "{{").replace("}", "}}"))


def keep_plan():
    """Called when a real run starts: no garbage is looked for in what Snakemake has planned, either."""
    gc.freeze()


def end_at_once():
    """Called at the end: a timer of Snakemake's scheduler would have it wait for up to a second."""
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.cancel()


def check_results():
    """Called at the end: also what no later step has read is compared with its checksum."""
    damaged = set_damaged_aside(glob.glob(f"{glob.escape(PATH)}/*.hdf"))
    if damaged:
        sys.exit(
            f"\n{damaged[0]} is damaged: it is not what was written. It was set aside as {damaged[0]}.damaged; "
            f"snakemake {damaged[0]} and then the options of the run make it again.\n"
        )


def tell_results():
    """Called at the end: where to look, as far as it is there yet."""
    results = {
        "report.html": "The report, to open in a browser",
        "classes.png": "The class averages, with their numbers of particles",
        "classes.mrcs": "Averages at full size",
        "particles.star": "Each particle's class and pose",
    }
    print(
        "",
        *(f"{what}: {at(name)}" for name, what in results.items() if os.path.exists(at(name))),
        "",
        sep="\n",
    )


ITERATIONS = [f"{iteration:02d}" for iteration in range(1, OPTIONS.base["iter"] + 1)]
LAST = ITERATIONS[-1]
RESOLVED = option.resolve(OPTIONS.base, RUN.n, RUN.box, RUN.apix)
IDLE = ("chunk", "selection", "movie_classes")  # options that no result of `rule all` depends on
LISTED = option.listed(OPTIONS, OPTIONS.base["iter"], RUN.n, RUN.box, RUN.apix)
LISTED = {name: values for name, values in LISTED.items() if name not in IDLE}
GROUPS = [runs.name(g, RUN.chunks) for g in range(min(RUN.chunks, OPTIONS.base["ncls"]))]
FIRST_CLASSES = [] if OPTIONS.base["initial"] else at("classmx_00.hdf")
SETS = [at(f"sets/class_{runs.name(k, OPTIONS.base['ncls'])}.lst") for k in range(OPTIONS.base["ncls"])]
CHUNKS = [runs.name(c, RUN.chunks) for c in range(RUN.chunks)]
BUSY = 32  # cores that the pieces of a step should keep busy


wildcard_constraints:
    YY=r"(?!00)\d\d",
    chunk=r"\d\d+",
    group=r"\d\d+",


# ---- Inputs ----------------------------------------------------------------------------------------------------------


def given(name):
    """The file that an option names, as an input that need not be there."""
    return OPTIONS.base[name] or []


def chosen(wildcards):
    """The selection, an input function: checked before `select` removes what an earlier one had chosen."""
    selection = OPTIONS.base["selection"]
    if selection and os.path.exists(at(f"state_{LAST}.json")):
        try:
            read_selection_of(PATH, int(LAST), RUN.fingerprint, selection)
        except UserError as mistake:
            sys.exit(f"\n{mistake}\n")
    return selection or at("selection_suggested.yaml")


def all_chunks(name):
    """The pieces of a step that is scattered over chunks of particles."""
    return expand(at(name), chunk=CHUNKS, allow_missing=True)


def all_groups(name):
    """The pieces of a step that is scattered over groups of classes."""
    return expand(at(name), group=GROUPS, allow_missing=True)


def before(name, first=[]):
    """An input function: the file `name` of the iteration before, `first` in iteration 01."""

    def file(wildcards):
        iteration = int(wildcards.YY) - 1
        return at(name.format(YY=f"{iteration:02d}")) if iteration else first

    return file


def classmx_before(wildcards):
    """An input function: the classes of the iteration before, if only references near a particle's class are tried."""
    iteration = int(wildcards.YY)
    values = resolved(iteration)
    few = count_tried(values, iteration) < values["naliref"]
    return before("classmx_{YY}.hdf")(wildcards) if few else []


def state_before(wildcards):
    """An input function: the state of the iteration before, unless options change from this one on, or particles are
    tried on more references: what has converged may go on then."""
    iteration = int(wildcards.YY)
    now, last = (resolved(each) for each in (iteration, iteration - 1))
    more = count_tried(now, iteration) > count_tried(last, iteration - 1)
    return [] if iteration == 1 or now != last or more else at(f"state_{iteration - 1:02d}.json")


def members_before(wildcards):
    """An input function: the pieces with the members of the averages that an iteration starts from, if they have any."""
    iteration = int(wildcards.YY) - 1
    if not iteration:
        return [] if OPTIONS.base["initial"] else all_groups("classes_init/{group}.hdf")
    return [at(f"classes_{iteration:02d}/{group}.hdf") for group in GROUPS]


# ---- Parameters ------------------------------------------------------------------------------------------------------
# Snakemake compares the set of the parameters' values, not their names: two options that swapped their values would go
# unseen, so that options reach a rule as one dictionary.


def resolved(iteration):
    """All options in an iteration, as the numbers that the steps work with."""
    return option.resolve(OPTIONS.at(iteration), RUN.n, RUN.box, RUN.apix)


def opts(*names, iteration=None):
    """The options that a rule works with, those of its own iteration."""

    def values(wildcards):
        now = int(getattr(wildcards, "YY", 0)) if iteration is None else int(iteration)
        found = resolved(now)
        return {name: found[name] for name in names}

    return values


def unseen(value):
    """A parameter that reruns nothing when it changes: Snakemake does not compare those that are functions of `input`."""

    def parameter(wildcards, input):
        return value

    return parameter


def facts(*names):
    """Facts about the run's particles that a rule works with."""
    return {name: getattr(RUN, name) for name in names}


def starting_averages(wildcards):
    """Digest of the user's starting averages: what they show counts, not when they were touched."""
    return runs.images_digest(OPTIONS.base["initial"])


def rows(wildcards):
    """The rows of a chunk."""
    start, stop = RUN.rows(int(wildcards.chunk))
    return {"start": start, "stop": stop}


def tried(wildcards):
    """How many references a particle is tried on."""
    iteration = int(wildcards.YY)
    return {"references": count_tried(resolved(iteration), iteration)}


def share(wildcards):
    """The classes of a group: every GROUPS-th from its own number on."""
    return {"group": int(wildcards.group), "groups": len(GROUPS)}


def code(script):
    """Digest of a step's script and of the library modules that it uses."""
    return digest(os.path.join(SCRIPTS, f"{script}.py"))


def threads_of(pieces, most):
    """Threads of a job of a scattered step, at most `most`: many pieces keep cores busy better than many threads do."""
    return max(1, min(most, BUSY // len(pieces)))


def memory(step):
    """Memory in MB that a cluster gives to a job of a step, more at each further attempt."""

    def mem_mb(wildcards, attempt, threads):
        return attempt * round(needs.memory(step, RUN, RESOLVED, threads))

    return mem_mb


def minutes(step):
    """The time that a cluster gives to a job of a step, more at each further attempt."""

    def runtime(wildcards, attempt, threads):
        return attempt * needs.minutes(step, RUN, RESOLVED, threads)

    return runtime


if workflow.is_main_process and workflow.local_exec and "mem_mb" not in workflow.global_resources:
    workflow.register_resource("mem_mb", psutil.virtual_memory().total >> 20)  # jobs wait rather than swap


# ---- The console -----------------------------------------------------------------------------------------------------
if workflow.is_main_process and Quietness.PROGRESS in (workflow.output_settings.quiet or ()):
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream in (sys.stdout, sys.stderr):
            handler.addFilter(OneLineAStep(handler.stream))


# ---- The forecast, held against the truth at the end -----------------------------------------------------------------

EXPECTED = []


def foretell():
    """Say what the iterations that are still to be done will take."""
    from refine2d import forecast

    left = sum(not os.path.exists(at(f"state_{YY}.json")) for YY in ITERATIONS)
    if left and workflow.local_exec:
        options = option.resolve(OPTIONS.base, RUN.n, RUN.box, RUN.apix)
        expected = forecast.forecast(RUN, options, left, workflow.cores or 1)
        EXPECTED.append((time.time(), expected))
        print(
            f"Forecast for {RUN.n:,} particles and {counted(left, 'iteration')} on {counted(workflow.cores, 'core')}: "
            f"about {expected}",
            flush=True,
        )


def compare_with_forecast():
    from refine2d import forecast

    for start, expected in EXPECTED:
        print(f"\nIt took {forecast.truth(PATH, time.time() - start)}.\nForecast: {expected}.")
