"""Write the particles of chosen classes in the format that they came in, and their averages:

python workflow/scripts/select_classes.py r2d_01 selection.yaml
"""

import argparse
import json
import sys
from pathlib import Path

from refine2d.errors import UserError
from refine2d.run import load
from refine2d.selection import choose


def main(folder: Path, selection: str, target: Path) -> str:
    """What was written."""
    run, parameters = load(str(folder)), folder / "0_refine2d_parms.json"
    last = json.loads(parameters.read_text())["iter"] if parameters.exists() else 0
    made = folder / f"state_{last:02d}.json", folder / "classes.mrcs"
    if run is None or not all(path.exists() for path in made):
        raise UserError(f"{folder} holds no finished run.")
    return choose(folder, last, vars(run), selection, target)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the run's folder")
    parser.add_argument("selection", help="what the page exported, or the run's selection_suggested.yaml")
    parser.add_argument("--to", type=Path, help="folder to write to; `selected` in the run's by default")
    given = parser.parse_args()
    try:
        print(main(given.folder, given.selection, given.to or given.folder / "selected"))
    except UserError as error:
        sys.exit(str(error))
