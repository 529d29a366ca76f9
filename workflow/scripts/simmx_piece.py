"""Align a chunk of the particles to the references, project them, aligned, into the MSA space, and
measure what they show beyond it and what they lack of their references."""

from refine2d.job import job

STEP = 1024  # particles between two lines of progress; a divisor of SORTED
BEST = 3  # poses that are refined of each particle; the best of each reference is kept
BLOCK = 64  # rows of one projection; fixed, and chunks are multiples of it, so that chunks do not change the result

with job(snakemake) as task:
    task.forward_if_converged()

    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from refine2d.basisfile import read_basis
    from refine2d.contrast import Contrast
    from refine2d.extent import matching
    from refine2d.fourier import ift, stretched
    from refine2d.matching import Matcher
    from refine2d.msa import Projector, coordinates
    from refine2d.particles import ParticleStore
    from refine2d.references import SORTED, nearest
    from refine2d.residual import Residual
    from refine2d.search.align import Neighbourhoods
    from refine2d.stacks.hdf import read_hdf, read_headers
    from refine2d.tables import read_classmx, read_shift_sigma, write_arrays
    from refine2d.transforms import alignment, undo

    store = ParticleStore(task.input.particles)
    references, space = read_hdf(task.input.aliref), read_basis(task.input.basis)
    search = matching(task.options, task.run, "sim", read_shift_sigma(task.input.aliref))
    matcher, projector = Matcher(search, references), Projector(space)
    residual, contrast = Residual(space, search.plan), Contrast(references)

    def neighbourhoods():
        """Of each particle, the references near its class of the iteration before; None if all are tried."""
        if not task.input.classmx_before:
            return None
        classes = [header["source_class"] for header in read_headers(task.input.allrefs, ("source_class",))]
        chosen = [header["allrefs_index"] for header in read_headers(task.input.aliref, ("allrefs_index",))]
        averages = coordinates(read_hdf(task.input.allrefs), space)
        labels = read_classmx(task.input.classmx_before, 1.0)[0]  # -1 where a pose will be thrown away below
        return Neighbourhoods(labels, nearest(averages, classes, chosen, task.tried.references))

    def project(y, c2, pose):
        c2 = stretched(c2, pose["scale"])
        aligned = undo(ift(y, store.box), pose)
        vectors = projector.project(aligned, c2)
        signs = residual.share(aligned, c2, vectors), contrast.lack(aligned, c2, pose["ref"])
        return vectors, np.stack(signs, axis=1), c2.sum(0, dtype=np.float64)

    def blocks(array):
        return [array[first : first + BLOCK] for first in range(0, len(array), BLOCK)]

    near, first, last = neighbourhoods(), task.rows.start, task.rows.stop
    best, projected = [], []
    with ThreadPoolExecutor(task.threads) as pool:
        for start in range(first, last, STEP):
            task.progress(start - first, last - first, "particles are aligned")
            if near and (start - first) % SORTED == 0:
                many = np.arange(start, min(start + SORTED, last))
                peaks = matcher.search(store, many, BEST, pool.map, near.take(many))
            rows = np.arange(start, min(start + STEP, last))
            matched = [
                np.concatenate(parts) for parts in zip(*pool.map(store.matched, blocks(rows)), strict=True)
            ]
            mine = peaks[:, rows - many[0]] if near else None
            found = matcher.align(store, rows, BEST, pool.map, matched, mine)
            found[~store.used[rows]] = alignment(ref=-1, score=-np.inf)
            best.append(found)
            projected += pool.map(project, *map(blocks, (*matched, found[:, 0])))
    points, signs, weights = zip(*projected, strict=True)
    write_arrays(
        task.output[0],
        best=np.concatenate(best),
        points=np.concatenate(points),
        junk=np.concatenate(signs),
        weights=np.stack(weights),
    )
