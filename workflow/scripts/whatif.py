"""About how long the steps of a dry run would take, by what the run's own jobs took.

snakemake -n --quiet rules ... | python workflow/scripts/whatif.py RUN
"""

import re
import sys

from refine2d.job import duration
from refine2d.report.times import read_times


def main(run: str, dry_run: str) -> None:
    """Print rules with numbers of jobs and the time that all of them take together."""
    table = re.search(r"^job +count\n[- ]+\n(.*?)\ntotal", dry_run, re.DOTALL | re.MULTILINE)
    if not table:
        print("Nothing to be done.")
        return
    took = {step["step"]: step["seconds"] / step["jobs"] for step in read_times(run)}
    total, unknown = 0.0, []
    for line in table[1].splitlines():
        rule, count = line.split()
        if rule == "all":
            continue
        seconds = took.get(rule, 0.0) * int(count)
        if rule not in took:
            unknown.append(rule)
        print(f"{count:>6} {rule:24s} {duration(seconds) if rule in took else 'not known yet'}")
        total += seconds
    print(
        f"about {duration(total)} in all, one job after the other"
        + (", the unknown ones aside" if unknown else "")
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    main(sys.argv[1], sys.stdin.read())
