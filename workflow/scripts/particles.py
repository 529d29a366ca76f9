"""Join the pieces of the particles: CTF parameters, noise spectra, image numbers, and EMAN2's list of them."""

from refine2d.job import job

with job(snakemake) as task:
    from refine2d.input_rows import not_taken, read_numbers, select
    from refine2d.optics import fill_apix, fill_ctf
    from refine2d.outliers import REASON
    from refine2d.prepare import doubt, listed, merge, report
    from refine2d.stacks.lst import write_lst
    from refine2d.stacks.opening import open_source

    options = task.options
    source = open_source(task.input.particles)
    exclude = read_numbers(task.input.exclude) if task.input.exclude else ()
    number, _ = select(source.n, exclude, options.subset or None)
    table, mode = fill_ctf(source, options.ctf, options.voltage, options.cs, options.ac)
    source.ctf = None  # in memory but once
    apix = fill_apix(source, options.apix)
    store = merge(task.input.pieces, task.output.particles, source, number, apix, table, mode)
    write_lst(task.output.lst, *source.locations(number))

    task.say(
        f"{store.used.sum():,} of {source.n:,} images are used, box {store.box} at {store.apix:.3g} A/px"
    )
    for phrase in report(number, store.bad):
        task.say(f"left out: {phrase}")
    if store.n < source.n:
        excluded = f"{len(set(exclude))} excluded by the user, " if len(exclude) else ""
        rest = len(not_taken(source.n, number, exclude))
        task.say(f"left out: {excluded}{rest:,} not taken (subset={options.subset})")
    if (strong := store.number[store.gain < 1]).size:
        task.say(f"weakened: {len(strong)} {REASON}: {listed(strong)}")
    if sentence := doubt(store.contrast, store.used, options.invert):
        task.say(sentence)
