"""Memory and time that the jobs of a step need, for a cluster: what was measured, and a fifth to spare."""

import math

from refine2d.averagers import averager
from refine2d.clustering import EACH
from refine2d.forecast import PAIR, PARTICLE, ROW, SEARCHED, start_round
from refine2d.input_rows import starting
from refine2d.names import most_scales, parse
from refine2d.references import SORTED

SPARE = 1.2
START = 300.0  # MB of a job with compiled kernels, before it reads anything
TEMPLATES = 512.0  # MB of rotated references, at most
BLOCK = 100.0  # MB of images at full size at a time, with all that is made of them
BATCH = 1024  # particles that are aligned at a time
LARGEST = 3  # a large class, in mean sizes
HELD = 1024  # members of a class in memory, as in `averaging`
MINUTES = 10  # of any job, for a slow disk and a cold start
ROUNDS = 12  # of the start, as in `start`
SLOW = 4  # a core of a cluster may be that much slower


def memory(step: str, run, options: dict, threads: int) -> float:
    """MB of a job of a step.

    Parameters
    ----------
    step : str
        Its rule.
    run : Run
    options : dict
        Resolved options (`options.resolve`).
    threads : int
    """
    n, classes = run.n, options["ncls"]
    image, full = 4e-6 * run.working_box**2, 4e-6 * run.box**2
    members = LARGEST * n / classes
    if averager(parse("classaverager", options["classaverager"])).is_sum:
        members = min(members, HELD)
    vectors = 4e-6 * min(n, EACH * classes) * (options["nbasis"] + 1)
    apart = 3e-5 * classes**2  # distances between classes
    more = {
        "particles_piece": 20 * 64 * full,
        "input_fp": 8e-3 * starting(n, classes),
        "allrefs": 10 * classes * image + 8 * 256 * threads * image,
        "classmx_00": TEMPLATES + BLOCK + 6e-3 * starting(n, classes) + apart,
        "classes_init_piece": 6 * threads * min(LARGEST * starting(n, classes) / classes, HELD) * image,
        "simmx_piece": TEMPLATES + (8 * BATCH + SEARCHED * min(SORTED, run.chunk)) * image,
        "classmx": 4 * vectors + apart,
        "classes_piece": 6 * threads * members * image,
        "classes_full_piece": threads * (BLOCK + 16 * full),
        "classes_mrcs": 2 * classes * full,
        "summary": classes * image + 30e-6 * run.chunk * classes,
        "report": 8 * classes * full,
        "movie": 500 + 10e-6 * n * (options["nbasis"] + 4),
    }
    return SPARE * (START + 1e-6 * ROW * run.n_input + more.get(step, 10 * classes * image))


def minutes(step: str, run, options: dict, threads: int) -> int:
    """Minutes of a job of a step; arguments as in `memory`."""
    area = (run.working_box / 64) ** 2
    pairs = PARTICLE + PAIR * options["naliref"] * area
    scales = most_scales(options)
    classes = options["ncls"]
    groups, start = min(run.chunks, classes), starting(run.n, classes)
    share = run.n / groups
    seconds = {
        "particles_piece": run.chunk * PARTICLE * (run.box / 64) ** 2,
        "input_fp": start * PARTICLE * area,
        "classmx_00": ROUNDS * start_round(start, classes, threads),
        "classes_init_piece": scales * start / groups * 4 * PARTICLE * area,
        "simmx_piece": scales * run.chunk * pairs * area / threads,
        "classmx": run.n * PARTICLE,
        "classes_piece": scales * share * 4 * PARTICLE * area / threads,
        "classes_full_piece": share * 4 * PARTICLE * (run.box / 64) ** 2 / threads,
    }
    return MINUTES + math.ceil(SLOW * SPARE * seconds.get(step, run.n * PARTICLE / 4) / 60)
