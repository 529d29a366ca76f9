"""Simulate the benchmark's particles: a 250 A molecule without symmetry, seen from everywhere.

    python benchmarks/simulate.py --out scratch/data

writes particles.mrcs, particles.star, truth.star and truth.h5 there.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "workflow" / "scripts"))
from refine2d import simulate


def main() -> None:
    default = simulate.BENCHMARK
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=default.n, help="particles (default %(default)s)")
    parser.add_argument("--snr", type=float, default=default.snr, help="signal variance over noise variance")
    parser.add_argument(
        "--box", type=int, default=default.box, help="box size in pixels (default %(default)s)"
    )
    parser.add_argument("--apix", type=float, default=default.apix, help="A per pixel (default %(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed)
    parser.add_argument("--out", required=True, help="folder for the files")
    options = vars(parser.parse_args())
    out = options.pop("out")
    simulate.write_dataset(replace(default, **options), out)


if __name__ == "__main__":
    main()
