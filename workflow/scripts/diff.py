"""Whether two runs agree, and how far they part: python workflow/scripts/diff.py RUN RUN

The exit status is 1 if they do not agree.
"""

import sys

from refine2d.difference import compare, made_with
from refine2d.errors import UserError


def main(first: str, second: str) -> int:
    """Print what differs."""
    same, different, alone = compare(first, second)
    print(
        f"{len(same)} files are the same, byte for byte; {len(different)} differ; {len(alone)} are in one run only"
    )
    for difference in different:
        print(f"{difference.name}: {difference.by}")
    for name in alone:
        print(f"{name}: only in one run")
    if different and made_with(first) != made_with(second):
        for folder in (first, second):
            print(
                f"{folder} was made with {'; '.join(sorted(made_with(folder))) or 'nothing that its logs name'}"
            )
    return int(bool(different or alone))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        sys.exit(main(*sys.argv[1:]))
    except UserError as mistake:
        sys.exit(f"{mistake}")
