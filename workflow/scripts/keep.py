"""Keep a run's first iterations.

python workflow/scripts/keep.py RUN LAST        remove the iterations after LAST
python workflow/scripts/keep.py RUN LAST NEW    start the run NEW with them; RUN stays as it is
"""

import sys

from refine2d.errors import UserError
from refine2d.keep import branch, cut

if __name__ == "__main__":
    if len(sys.argv) not in (3, 4) or not sys.argv[2].isdigit():
        sys.exit(__doc__.strip())
    run, last, new = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    try:
        if new:
            print(f"{new[0]} has {branch(run, last, new[0])} files of {run}, iterations 1 to {last}")
        else:
            print(f"removed from {run}: {' '.join(cut(run, last)) or 'nothing'}")
    except UserError as mistake:
        sys.exit(str(mistake))
