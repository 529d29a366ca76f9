"""Simulate the demo's particles: demo/particles.mrcs, particles.star, truth.star and truth.h5."""

from pathlib import Path

from refine2d import simulate

simulate.write_dataset(simulate.DEMO, Path(snakemake.output[0]).parent)  # noqa: F821
