"""Names with parameters as e2refine2d takes them, ``name:param=value:param=value``.

The tables are the single source of what is known: each parameter's type, `IDLE` for one that chooses between ways of
EMAN2's own that lead to the same thing here, and is taken without effect, or a sentence's end for one that is refused.
"""

import difflib
from dataclasses import dataclass, field

from refine2d.errors import UserError

IDLE = None

_AT = {"maxshift": float, "maxres": float}
_INSIDE = dict.fromkeys(("verbose", "useflcf", "rfp_mode", "zscore", "usedot", "ambig180", "imask"), IDLE)
_FLIP = {"flip": bool}
_RINGS = {"r1": IDLE, "r2": IDLE}
_ONE_AXIS = dict.fromkeys(
    ("tx", "ty"), "is a shift along one axis in EMAN2: give maxshift, the radius of a disc, instead"
)
_BISPEC = {"size": IDLE, "harmonic": IDLE}
_ITERATIVE = _RINGS | {"maxiter": IDLE}
SCALES = {"min": 0.95, "max": 1.05, "step": 0.01}
_SCALE = dict.fromkeys(SCALES, float)
_BAND = {"minres": float, "maxres": float}
_PAIR = {
    "negative": bool,
    "zeromask": bool,
    "mask": "is an image in EMAN2, which no option can hold: mask_diameter says what is compared",
}

ALIGNERS = {
    "translational": _AT | {"useflcf": IDLE, "verbose": IDLE},
    "rotational": {"maxres": float} | _INSIDE,
    "rotational_iterative": {"maxres": float} | _RINGS | _INSIDE,
    "rotational_bispec": {"maxres": float} | _BISPEC | _INSIDE,
    "rotate_precenter": {"maxres": float} | _INSIDE,
    "rotate_flip": {"maxres": float} | _FLIP | _INSIDE,
    "rotate_flip_iterative": {"maxres": float} | _FLIP | _RINGS | _INSIDE,
    "rotate_translate": _AT | _INSIDE,
    "rotate_translate_tree": _AT | _FLIP | _INSIDE,
    "rotate_translate_bispec": _AT | _FLIP | _INSIDE | _BISPEC,
    "rotate_translate_iterative": _AT | _ITERATIVE | _INSIDE,
    "rotate_translate_resample": _AT | _RINGS | _ONE_AXIS | _INSIDE,
    "rotate_translate_flip": _AT | _FLIP | _INSIDE,
    "rotate_translate_flip_iterative": _AT | _FLIP | _ITERATIVE | _INSIDE,
    "rotate_translate_flip_resample": _AT | _FLIP | _RINGS | _ONE_AXIS | _INSIDE,
    "rtf_exhaustive": _AT | _FLIP | _INSIDE,
    "rtf_slow_exhaustive": _AT | _FLIP | _INSIDE | {"transtep": float, "angstep": float},
    "frm2d": _AT | _INSIDE,
    "rotate_translate_scale": _AT | _SCALE | _INSIDE,
    "rotate_trans_scale_iter": _AT | _SCALE | _ITERATIVE | _INSIDE,
    "rotate_trans_flip_scale": _AT | _FLIP | _SCALE | _INSIDE,
    "rotate_trans_flip_scale_iter": _AT | _FLIP | _SCALE | _ITERATIVE | _INSIDE,
}
REFINERS = {
    "refine": _AT
    | {"maxiter": int}
    | dict.fromkeys(("stepx", "stepy", "stepaz", "precision", "mode", "verbose"), IDLE),
    "refinecg": _AT | {"maxiter": int} | dict.fromkeys(("step", "precision", "mode", "verbose"), IDLE),
    "none": {},
}
COMPARATORS = {
    "ml": {},
    "ccc": _PAIR,
    "dot": {"normalize": bool} | _PAIR,
    "sqeuclidean": {"normto": bool} | _PAIR,
    "frc": {"nweight": bool, "snrweight": bool, "ampweight": bool, "sweight": IDLE} | _BAND | _PAIR,
    "phase": {"ampweight": bool, "snrweight": bool, "snrfn": IDLE} | _BAND | _PAIR,
    "lod": {"normalize": IDLE} | _PAIR,
    "quadmindot": {"normalize": bool} | _PAIR,
    "optvariance": {"invert": bool, "matchfilt": bool, "radweight": bool, "keepzero": IDLE, "debug": IDLE}
    | _PAIR,
    "optsub": {"ctfweight": bool} | _BAND | _PAIR,
}
AVERAGERS = {
    "wiener": {},
    "mean": {"ignore0": IDLE, "normimage": IDLE},
    "sigma": {"ignore0": IDLE},
    "median": {},
    "minmax": {"max": bool},
    "localweight": {"normweight": IDLE, "width": float},
    "ctf.weight": {},
    "ctf.weight.autofilt": {},
    "ctf.auto": {},
    "ctfw.auto": {},
    "weightedfourier": {},
    "iterative": {"rounds": int},
}
NORMALIZERS = {
    "none": {},
    "normalize": {},
    "normalize.edgemean": {},
    "normalize.circlemean": {"radius": float, "width": float},
    "normalize.lredge": {},
    "normalize.mask": {"radius": float, "no_sigma": bool, "apply_mask": IDLE},
    "normalize.unitlen": {},
    "normalize.unitsum": {},
    "normalize.maxmin": {},
    "normalize.histpeak": {},
    "normalize.rows": {},
    "normalize.ramp.normvar": {},
    "normalize.toimage": {},
    "normalize.local": {"radius": float, "threshold": float},
}
CENTRINGS = {
    "xform.center": {"int_shift_only": IDLE},
    "xform.centerofmass": {"threshold": float, "int_shift_only": IDLE, "powercenter": IDLE, "positive": IDLE},
    "xform.centeracf": {"int_shift_only": IDLE, "verbose": IDLE},
    "xform.phasecenterofmass": {"int_shift_only": IDLE, "powercenter": IDLE},
    "nocenter": {},
}

KINDS = {
    "aligner": ALIGNERS,
    "refining aligner": REFINERS,
    "comparator": COMPARATORS,
    "averager": AVERAGERS,
    "normalizer": NORMALIZERS,
    "centring": CENTRINGS,
}
OPTIONS = {
    "simalign": "aligner",
    "simaligncmp": "comparator",
    "simralign": "refining aligner",
    "simraligncmp": "comparator",
    "simcmp": "comparator",
    "classalign": "aligner",
    "classaligncmp": "comparator",
    "classralign": "refining aligner",
    "classraligncmp": "comparator",
    "classcmp": "comparator",
    "classaverager": "averager",
    "classnormproc": "normalizer",
    "center": "centring",
}

ELSEWHERE = {
    "refine": "it improves poses that another aligner found: name it in simralign or classralign",
    "refinecg": "it improves poses that another aligner found: name it in simralign or classralign",
}

NOT_HERE = {  # names of EMAN2, and what to use instead
    "scale": "rotate_translate_scale",
    "symalign": "rotate_translate_flip",
    "vertical": "ccc",
    "frc.freq": "frc",
    "mean.tomo": "mean",
    "absmaxmin": "minmax",
    "normalize.bymass": "normalize",
}


LEAST = {
    "maxshift": 0.5,
    "transtep": 0.5,
    "angstep": 0.5,
    "maxiter": 1,
    "rounds": 1,
    "radius": 1.0,
    "width": 0.5,
}


@dataclass(frozen=True)
class Named:
    """A name with its parameters.

    Attributes
    ----------
    name : str
    params : dict
        Those with an effect, by name, of the table's types.
    idle : tuple of str
        Those without effect here.
    """

    name: str
    params: dict = field(default_factory=dict)
    idle: tuple[str, ...] = ()


def parse(option: str, text: str) -> Named:
    """The name and the parameters that an option's text says.

    Parameters
    ----------
    option : str
        One of `OPTIONS`; it says which names are known.
    text : str
        ``name:param=value:param=value``; ``None`` means the name ``none``, where there is one.

    Raises
    ------
    UserError
        For an unknown name or parameter, with the nearest ones, and for a value that is none.
    """
    kind = OPTIONS[option]
    table = KINDS[kind]
    name, *words = str(text).strip().split(":")
    if name not in table and name.lower() in table:
        name = name.lower()
    if name not in table:
        raise UserError(f"{option} is {name!r}, {_unknown(name, kind, table)}")
    params, idle = {}, []
    for word in words:
        key, equals, value = word.partition("=")
        if key not in table[name]:
            raise UserError(f"{option}: {name} has no parameter {key!r}{_nearest(key, table[name])}")
        if not equals:
            raise UserError(f"{option}: parameter {key!r} of {name} has no value: write {key}=...")
        kind_of_value = table[name][key]
        if isinstance(kind_of_value, str):
            raise UserError(f"{option}: {key} of {name} {kind_of_value}.")
        if kind_of_value is IDLE:
            idle.append(key)
            continue
        params[key] = _value(option, name, key, value, kind_of_value)
        if params[key] < LEAST.get(key, params[key]):
            raise UserError(f"{option}: {key} of {name} is {value}, but it must be at least {LEAST[key]:g}.")
    if not params.pop("negative", True):
        raise UserError(f"{option}: negative=0 would make the least alike of {name} the best: leave it out.")
    if "min" in table[name] and kind == "aligner":
        _check_scales(option, name, SCALES | params)
    return Named(name, params, tuple(idle))


def scales(aligner: Named) -> tuple[float, ...]:
    """How many times larger than a reference a particle may be; by the parameters, what it is to be scaled by."""
    if "min" not in ALIGNERS[aligner.name]:
        return (1.0,)
    low, high, step = ((SCALES | aligner.params)[name] for name in SCALES)
    return tuple(1 / round(low + i * step, 6) for i in range(int((high - low) / step + 1e-6) + 1))


def most_scales(values: dict) -> int:
    """How many scales an alignment tries at most."""
    return max(len(scales(parse(option, values[option]))) for option in ("simalign", "classalign"))


def mistakes(values: dict) -> list[str]:
    """A sentence for each option in `OPTIONS` whose value cannot be parsed."""
    found = []
    for option in OPTIONS:
        try:
            parse(option, values[option])
        except UserError as error:
            found.append(str(error))
    return found


def without_effect(values: dict) -> list[str]:
    """A sentence for each option with parameters that are taken without effect."""
    found = []
    for option in OPTIONS:
        named = parse(option, values[option])
        if named.idle:
            found.append(
                f"{option}: {', '.join(named.idle)} of {named.name} {'has' if len(named.idle) == 1 else 'have'} "
                "no effect here."
            )
    return found


def _check_scales(option: str, name: str, params: dict) -> None:
    low, high, step = (params[key] for key in SCALES)
    if not 0.5 <= low <= high <= 2:
        raise UserError(
            f"{option}: min and max of {name} are {low:g} and {high:g}, but they must be from 0.5 to 2, min first."
        )
    if step <= 0 or high - low > 100 * step:
        raise UserError(
            f"{option}: step of {name} is {step:g}, but it must take 1 to 100 steps from min to max."
        )


def _value(option: str, name: str, key: str, value: str, wanted: type):
    words = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
    try:
        number = words.get(value.lower()) if wanted is bool and value.lower() in words else float(value)
    except ValueError:
        number = float("nan")
    if wanted is int and number == number and number.is_integer():
        return int(number)
    if wanted is bool and number in (0, 1):
        return bool(number)
    if wanted is float and abs(number) < 1e9:
        return number
    kinds = {int: "a whole number", bool: "0 or 1", float: "a number"}
    raise UserError(f"{option}: {key} of {name} is {value!r}, but it must be {kinds[wanted]}.")


def _unknown(name: str, kind: str, table: dict) -> str:
    if kind == "aligner" and name in ELSEWHERE:
        return f"but {ELSEWHERE[name]}."
    if kind == "refining aligner" and name in ALIGNERS:
        return "an aligner that searches from nothing, but here one that refines is needed: refine, refinecg or none."
    if NOT_HERE.get(name) in table:
        return f"which EMAN2 has and this program does not: use {NOT_HERE[name]} instead."
    return f"but there is no such {kind}{_nearest(name, table)}"


def _nearest(name: str, known: dict) -> str:
    if not known:
        return ": it has none."
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4) or sorted(known)
    return f": the nearest are {', '.join(close)}." if len(close) > 1 else f": the nearest is {close[0]}."
