"""A movie of some classes: their particles along their main component."""

from refine2d.job import job

with job(snakemake) as task:
    import numpy as np

    from refine2d.particles import ParticleStore
    from refine2d.report.movie import (
        common_frame,
        draw_frames,
        main_component,
        make_frames,
        read_numbers,
        write_movie,
    )
    from refine2d.search.plan import Plan
    from refine2d.stacks.hdf import read_hdf
    from refine2d.tables import class_sizes, read_members, read_projection
    from refine2d.working import mask_radius, scale

    store = ParticleStore(task.input.particles)
    numbers = read_numbers(task.options.movie_classes, class_sizes(task.input.classes))
    members = read_members(task.input.pieces)
    members = members[np.isin(members["class"], numbers) & members["kept"]]
    radius, maxshift = mask_radius(task.options, task.run), task.options.maxshift / scale(task.run)
    plan = Plan(store.box, radius, maxshift, task.options.mirror)
    alignments = common_frame(members, numbers, read_hdf(task.input.classes), plan)
    coefficients, _ = read_projection(task.input.projections, members["row"])
    coordinates, explained = main_component(coefficients)
    frames = make_frames(store, members["row"], alignments, coordinates, radius, explained)
    drawn = draw_frames(frames, "class " + ", ".join(map(str, numbers)))
    for path in task.output:
        write_movie(path, drawn)
    each = " to ".join(map(str, dict.fromkeys((frames.counts.min(), frames.counts.max()))))
    task.say(
        f"{len(frames.counts)} frames, each of {each} of the {len(members):,} particles, along the component with "
        f"{explained:.0%} of their variance"
    )
