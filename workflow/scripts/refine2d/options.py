"""The options of a run: read against the schema, checked, and resolved to the numbers that the steps work with."""

import difflib
import math
import re
from dataclasses import dataclass
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

from refine2d import names
from refine2d.errors import UserError
from refine2d.input_rows import SMALLEST_CLASS
from refine2d.working import working_box

MASK = 0.9  # diameter of the automatic mask, of the box
MAXSHIFT = 0.125  # largest automatic shift, of the box
NBASIS = 64  # most MSA vectors, if left to the program
FILES = ("input", "path", "exclude", "initial", "selection", "resultmx")
PATTERN = re.compile(r"[{}]|<[a-z][a-z0-9_]*>")  # wildcards and path variables
SMALLEST_BOX = 24  # pixels
SMALLEST_MASK = 8  # working pixels, of its diameter


@dataclass(frozen=True)
class Options:
    """The options in force at each iteration.

    Attributes
    ----------
    base : dict
        Value of every option of the schema.
    later : tuple of (int, dict)
        From which iteration on which options have another value; the later entry wins.
    """

    base: dict
    later: tuple[tuple[int, dict], ...] = ()

    @property
    def starts(self) -> list[int]:
        """The iterations from which options hold: 0, the start, and those of `later`."""
        return sorted({0, *(first for first, _ in self.later)})

    def at(self, iteration: int) -> dict:
        """Every option's value in an iteration; 0 is the start."""
        values = dict(self.base)
        for first, changes in self.later:
            if iteration >= first:
                values |= changes
        return values


def read(
    config: dict, schema: dict, overlay: str | Path | None = None, more: tuple[dict, ...] = ()
) -> Options:
    """Check a config and the changes in mid-run against the schema.

    Parameters
    ----------
    config : dict
        Values by option name; missing ones and empty ones take their default.
    schema : dict
        Contents of `config.schema.yaml`.
    overlay : path, optional
        A YAML file with a list of ``{from: iteration, option: value, ...}``; it need not exist.
    more : dicts
        Entries to follow those.

    Raises
    ------
    UserError
        With one sentence for each mistake, a line each.
    """
    known = schema["properties"]
    mistakes: list[str] = []
    base = {name: rule["default"] for name, rule in known.items()} | _checked(config, known, mistakes)
    written = _written(Path(overlay), mistakes) if overlay and Path(overlay).is_file() else []
    options = Options(base, tuple(_later(overlay, [*written, *more], known, mistakes)))
    for first in options.starts:
        mistakes += [m for m in _conflicts(options.at(first)) if m not in mistakes]
    mistakes += _unusable(base) or _missing(base)
    mistakes += _not_in_movie(base)
    if mistakes:
        raise UserError("\n".join(mistakes))
    return options


def resolve(values: dict, n: int, box: int, apix: float) -> dict:
    """Replace what is left to the program by numbers, and what is left to the input's file by None.

    Parameters
    ----------
    values : dict
        The options of one iteration.
    n, box, apix
        Number of particles, box and pixel size (A) of the input.
    """
    auto = {
        "maxshift": (values["maxshift"] == "auto", MAXSHIFT * box),
        "mask_diameter": (values["mask_diameter"] == "auto", round(MASK * box * apix, 3)),
        "nbasis": (values["nbasis"] == 0, NBASIS),
        "minchange": (values["minchange"] < 0, max(1, n // (25 * values["ncls"]))),
        "naliref": (values["naliref"] == 0, values["ncls"]),
    }
    in_file = {name: None for name in ("apix", "voltage", "cs", "ac") if values[name] == "auto"}
    values = values | in_file | {name: number for name, (is_auto, number) in auto.items() if is_auto}
    values["nbasis"] = min(values["nbasis"], values["ncls"] - 1)
    values["nearrefs"] = min(values["nearrefs"] or values["naliref"], values["naliref"])
    return values


def listed(options: Options, last: int, n: int, box: int, apix: float) -> dict[str, list]:
    """Resolved options, each with the iterations that its values hold for.

    Parameters
    ----------
    options : Options
    last : int
        The last iteration.
    n, box, apix
        As in `resolve`.

    Returns
    -------
    dict of list of (int, int, value)
        From and to which iteration, 0 being the start.
    """
    ranges: dict[str, list] = {name: [] for name in options.base}
    for iteration in range(last + 1):
        for name, value in resolve(options.at(iteration), n, box, apix).items():
            goes_on = ranges[name] and ranges[name][-1][-1] == value
            first = ranges[name].pop()[0] if goes_on else iteration
            ranges[name].append((first, iteration, value))
    return ranges


def misfits(values: dict, n: int, box: int, apix: float) -> list[str]:
    """Sentences about resolved options that do not go with the particles; arguments as in `resolve`."""
    found = []
    if box < SMALLEST_BOX:
        found.append(f"The particles' box is {box} pixels, but at least {SMALLEST_BOX} are needed.")
    elif values["mask_diameter"] < (
        least := math.ceil(SMALLEST_MASK * box * apix / working_box(box, apix, values["shrink"]))
    ):
        found.append(
            f"mask_diameter is {values['mask_diameter']:g} A, but at least {least} A, {SMALLEST_MASK} pixels of the "
            "working size, are needed: give more."
        )
    if n < SMALLEST_CLASS * values["ncls"]:
        found.append(
            f"ncls is {values['ncls']}, too many for {n} particles: give at most {n // SMALLEST_CLASS}, "
            f"{SMALLEST_CLASS} particles a class."
        )
    if values["mask_diameter"] > box * apix:
        found.append(
            f"mask_diameter is {values['mask_diameter']:g} A, but the box is {box * apix:g} A wide: give less."
        )
    if values["maxshift"] > box / 3:
        found.append(
            f"maxshift is {values['maxshift']:g} pixels, but the box is {box}: give at most a third of it."
        )
    for name in ("simalign", "classalign"):
        if names.parse(name, values[name]).params.get("maxshift", 0) > box / 3:
            found.append(
                f"maxshift of {name} is too large for a box of {box} pixels: give at most a third of it."
            )
    if values["naliref"] > values["ncls"]:
        found.append(f"naliref is {values['naliref']}, but there are only {values['ncls']} averages (ncls).")
    return found


def class_numbers(text: str, ncls: int) -> list[int]:
    """The classes that the option `movie_classes` names, each once.

    Raises
    ------
    UserError
        For the first word that is no number of the run's `ncls` classes.
    """
    words = text.replace(",", " ").split() or [text]
    for word in words:
        if not (word.isdecimal() and int(word) < ncls):
            raise UserError(
                f"movie_classes names {word}, but the run has classes 0 to {ncls - 1}: give numbers, as in 3,7."
            )
    return list(dict.fromkeys(map(int, words)))


def markdown(schema: dict) -> str:
    """The options as Markdown tables, one for each group."""
    groups: dict[str, list[str]] = {}
    for name, rule in schema["properties"].items():
        later = " *" if rule.get("iteration") else ""
        default = _shown(rule["default"]) or "(empty)"
        row = f"| `{name}`{later} | {default} | {_allowed(rule)} | {rule['description'].strip()} |"
        groups.setdefault(rule["group"], []).append(row)
    head = "| option | default | values | meaning |\n| --- | --- | --- | --- |\n"
    return "\n\n".join(f"## {group}\n\n{head}" + "\n".join(rows) for group, rows in groups.items()) + "\n"


def _checked(given: dict, known: dict, mistakes: list[str], where: str = "") -> dict:
    """The valid ones among the options given; sentences about the others are added to `mistakes`."""
    values = {}
    for name, value in given.items():
        if name not in known:
            mistakes.append(f"{where}There is no option {name!r}{_nearest(name, known)}")
        elif value is not None and value != "":
            meant = _converted(value, known[name])
            if Draft202012Validator(known[name]).is_valid(meant):
                values[name] = meant
            else:
                mistakes.append(f"{where}{name} is {_shown(value)}, but it must be {_allowed(known[name])}.")
    return values


def _written(path: Path, mistakes: list[str]) -> list:
    """The entries of a file of changes."""
    try:
        entries = yaml.safe_load(path.read_text()) or []
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mistakes.append(f"{path} is not YAML: {str(error).splitlines()[0]}.")
        return []
    return entries if isinstance(entries, list) else [entries]


def _later(
    path: str | Path | None, entries: list, known: dict, mistakes: list[str]
) -> list[tuple[int, dict]]:
    changing = {name: rule for name, rule in known.items() if rule.get("iteration")}
    later = []
    for number, entry in enumerate(entries, 1):
        where = f"{path}, entry {number}: "
        first = _converted(entry.get("from"), {"type": "integer"}) if isinstance(entry, dict) else None
        if not isinstance(first, int) or not 1 <= first <= known["iter"]["maximum"]:
            mistakes.append(
                f"{where}an entry must be a list of options with `from:`, the iteration that they hold from."
            )
            continue
        changes = {name: value for name, value in entry.items() if name != "from"}
        for name in [name for name in changes if name in known and name not in changing]:
            mistakes.append(f"{where}{name} holds for the whole run and cannot change from an iteration on.")
            del changes[name]
        later.append((first, _checked(changes, changing, mistakes, where)))
    return sorted(later, key=lambda entry: entry[0])


def _conflicts(values: dict) -> list[str]:
    found = names.mistakes(values)
    if values["classkeep"] > 1 and not values["classkeepsig"]:
        found.append(
            f"classkeep is {values['classkeep']:g}, but a fraction is at most 1: "
            "set classkeepsig to true if you mean standard deviations."
        )
    return found


def _unusable(values: dict) -> list[str]:
    """Names of files that Snakemake takes for patterns, or that no table can hold; all others are taken as they are."""
    return [
        f"{name} is {text!r}, but the name of a file or folder here cannot have {{, }}, <word> or control characters."
        for name, text in ((name, str(values.get(name) or "")) for name in FILES)
        if not text.isprintable() or PATTERN.search(text)
    ]


def _missing(values: dict) -> list[str]:
    named = {name: values[name] for name in ("input", "exclude", "initial", "selection") if values[name]}
    if named["input"] == "demo":
        del named["input"]
    return [
        f"{name} is {path}, but there is no such file."
        for name, path in named.items()
        if not Path(path).exists()
    ]


def _not_in_movie(values: dict) -> list[str]:
    try:
        class_numbers(values["movie_classes"] or "0", values["ncls"])
        return []
    except UserError as error:
        return [str(error)]


def _nearest(name: str, known: dict) -> str:
    close = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=0.5)
    return f": did you mean {close[0]!r}?" if close else "; config/README.md lists all of them."


def _converted(value, rule: dict):
    """Numbers and truth values that came as text, and text that came as a number, as the schema wants them."""
    kinds = {option.get("type") for option in rule.get("anyOf", [rule])}
    if "string" in kinds and not isinstance(value, str | list | dict):
        return str(value)
    if isinstance(value, str) and "boolean" in kinds:
        return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
            value.strip().lower(), value
        )
    if kinds & {"integer", "number"} and not isinstance(value, bool):
        try:
            number = float(value)
        except (TypeError, ValueError):
            return value
        if not math.isfinite(number):
            return str(value)
        return int(number) if "integer" in kinds and number.is_integer() else number
    return value


def _allowed(rule: dict) -> str:
    """What a schema allows, in words."""
    if "anyOf" in rule:
        return " or ".join(_allowed(option) for option in rule["anyOf"])
    if "enum" in rule:
        return "one of " + ", ".join(rule["enum"])
    if "const" in rule:
        return rule["const"]
    kind = {"string": "text", "boolean": "true or false", "integer": "a whole number", "number": "a number"}[
        rule["type"]
    ]
    low, above, high = (rule.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    if low is not None:
        return f"{kind} of at least {low}"
    return f"{kind} above {above}" if above is not None else kind


def _shown(value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
