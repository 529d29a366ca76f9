"""Classify simulated sets with this workflow and with RELION's Class2D, and print one table.

    python benchmarks/compare.py --scratch scratch                        # every set, this workflow
    python benchmarks/compare.py --scratch scratch --sets c1 mixture --n 2000 --k 20 --relion
    python benchmarks/compare.py --scratch scratch --sets c1 --each       # a row for each iteration
    python benchmarks/compare.py --scratch scratch --sets c1 --iter 2     # what two iterations cost

What is there already in the scratch folder is scored again, not run again. RELION is `relion_refine` on the path, or
`--relion-prefix`.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import run as benchmark
import score
from class2d import ITERATIONS as RELION_ITERATIONS
from class2d import class2d

from refine2d import simulate

C1 = simulate.BENCHMARK
SETS = {
    "c1": C1,
    "c1-0.15": replace(C1, snr=0.15),
    "c1-0.04": replace(C1, snr=0.04),
    "c1-0.02": replace(C1, snr=0.02),
    "d2": replace(C1, molecule="tetramer", apix=3.6, seed=2),
    "mixture": replace(C1, others=("tetramer",), junk=0.1, seed=3),
    "rare": replace(C1, views="rare", seed=4),
    "conformations": replace(C1, others=("ratcheted",), seed=5),
    "large": replace(C1, box=192, apix=1.7, max_shift=12.0, seed=6),
    "stain": replace(C1, transfer=False, snr=0.15, seed=7),
    "noise": replace(C1, snr=0.0, seed=8),
    "gold": replace(C1, gold=0.01, seed=9),
}
MASK_DIAMETER = 270  # A
MASK_DIAMETERS = {"d2": 200}  # A, of a set with another
COLUMNS = {
    "spread / ideal": "{:.2f}",
    "FRC 0.5 (A)": "{:.1f}",
    "classes with members": "{}",
    "largest class (%)": "{:.1f}",
    "effective classes": "{:.1f}",
    "in-plane angle error (deg)": "{:.2f}",
    "shift error (px)": "{:.2f}",
    "purity (%)": "{:.0f}",
    "junk in junk classes (%)": "{:.0f}",
    "good in junk classes (%)": "{:.1f}",
    "good suggested (%)": "{:.0f}",
    "junk suggested (%)": "{:.0f}",
    "rare views in classes of their own (%)": "{:.0f}",
    "CPU s": "{:,.0f}",
    "wall s": "{:,.0f}",
    "MB": "{:,.0f}",
}


def classify(name: str, program: str, particles: Path, folder: Path, options) -> benchmark.Cost:
    """Run refine2d or RELION on the particles of a set; options are those of the command line."""
    diameter, has_ctf = MASK_DIAMETERS.get(name, MASK_DIAMETER), SETS[name].transfer
    if program == "relion":
        return class2d(particles, folder, options.k, diameter, has_ctf, options.cores, options.relion_prefix)
    config = {"ncls": options.k, "iter": options.iter, "mask_diameter": diameter}
    if not has_ctf:
        config["ctf"] = "none"
    return benchmark.workflow(particles, folder, config, options.cores)


def figures(folder: Path, program: str, data: Path, iteration: int, last: int) -> dict[str, float]:
    """The score of a run after an iteration; after the last one what the run cost, too."""
    sim, known = simulate.read_truth(data / "truth.h5")
    if program == "refine2d":
        run = score.read_run(folder, sim.apix, iteration)
    else:
        run = score.read_run(folder / f"run_it{iteration:03d}_data.star", sim.apix)
    found = score.score(run, sim, known)
    if iteration < last:
        return found
    cost = json.loads(folder.with_suffix(".json").read_text())
    return found | {"CPU s": cost["cpu"], "wall s": cost["wall"], "MB": cost["memory"]}


def row(name: str, program: str, found: dict[str, float]) -> str:
    """A line of the table."""
    cells = [form.format(found[column]) if column in found else "" for column, form in COLUMNS.items()]
    return "| " + " | ".join([name, program, *cells]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scratch", type=Path, required=True, help="folder for particles and runs")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), metavar="SET")
    parser.add_argument("--n", type=int, default=C1.n, help="particles (default %(default)s)")
    parser.add_argument("--seed", type=int, help="of the simulation, instead of the set's own")
    parser.add_argument("--k", type=int, default=50, help="classes (default %(default)s)")
    parser.add_argument("--iter", type=int, default=8, help="of the workflow (default %(default)s)")
    parser.add_argument("--cores", type=int, default=2, help="default %(default)s")
    parser.add_argument("--relion", action="store_true", help="run RELION as well")
    parser.add_argument("--relion-prefix", default="", help="command before relion_refine, such as nice")
    parser.add_argument(
        "--each", action="store_true", help="a row for each iteration, not for the last alone"
    )
    options = parser.parse_args()
    lines = []
    for name in options.sets:
        seed = SETS[name].seed if options.seed is None else options.seed
        base = options.scratch / f"{name}_{options.n}_{seed}"
        sim, data = replace(SETS[name], n=options.n, seed=seed), base / "data"
        if not (data / "truth.h5").exists():
            simulate.write_dataset(sim, data)
        for program in ["refine2d", *["relion"] * options.relion]:
            last = options.iter if program == "refine2d" else RELION_ITERATIONS
            folder = base / f"{program}_{options.k}_{last}"
            if not folder.with_suffix(".json").exists():
                cost = classify(name, program, data / "particles.star", folder, options)
                folder.with_suffix(".json").write_text(json.dumps(asdict(cost)))
            for iteration in range(1 if options.each else last, last + 1):
                label = f"{program}, {iteration}" if options.each else program
                lines.append(row(name, label, figures(folder, program, data, iteration, last)))
                print(lines[-1], flush=True)
    print(f"\n{options.n} particles, {options.k} classes\n")
    print("| " + " | ".join(["set", "program", *COLUMNS]) + " |")
    print("| " + " | ".join(["---"] * (2 + len(COLUMNS))) + " |")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
