# What a person looks at: the page, figures, a movie, and the particles of the classes that were chosen.

PAGE = [os.path.join(SCRIPTS, "refine2d/report", f"page.{kind}") for kind in ("html.j2", "css", "js")]


rule summary:
    input:
        particles=at("particles.h5"),
        aliref=at("aliref_{YY}.hdf"),
        aligned=all_chunks("simmx_{YY}/{chunk}.h5"),
        classes=at("classes_{YY}.hdf"),
        pieces=all_groups("classes_{YY}/{group}.hdf"),
        basis=at("basis_{YY}.hdf"),
        projections=at("input_{YY}_proj.hdf"),
        now=at("state_{YY}.json"),
        state=state_before,
    output:
        simmx=at("simmx_{YY}.hdf"),
        quality=at("quality_{YY}.tsv"),
    log:
        at("logs/summary_{YY}.log"),
    priority: 1  # or the report of what is there so far comes late
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("summary"),
        runtime=minutes("summary"),
    params:
        options=opts("mask_diameter"),
        listed=unseen(LISTED),
        run=facts("input", "n_input", "n", "box", "apix", "working_box", "fingerprint", "version"),
        code=code("summary"),
    message:
        "Iteration {wildcards.YY}: similarity matrix, quality of the classes; the report so far"
    script:
        "../scripts/summary.py"


rule report:
    input:
        particles=at("particles.h5"),
        states=expand(at("state_{YY}.json"), YY=ITERATIONS),
        quality=expand(at("quality_{YY}.tsv"), YY=ITERATIONS),
        classes=at(f"classes_{LAST}.hdf"),
        stack=at("classes.hdf"),
    output:
        # `update`: the page of what is there so far stays until this one is written.
        page=report(update(at("report.html")), caption="../report/page.rst", category="Report"),
        selection=at("selection_suggested.yaml"),
    log:
        at("logs/report.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("report"),
        runtime=minutes("report"),
    params:
        options=opts("mask_diameter", "iter", iteration=LAST),
        listed=LISTED,
        run=facts("input", "n_input", "box", "apix", "fingerprint", "version"),
        parts=contents(PAGE),
        code=code("report"),
    message:
        "The report"
    script:
        "../scripts/report.py"


rule curves:
    input:
        states=expand(at("state_{YY}.json"), YY=ITERATIONS),
        classes=at(f"classes_{LAST}.hdf"),
    output:
        report(at("curves.svg"), caption="../report/curves.rst", category="Iterations"),
        at("curves.pdf"),
    log:
        at("logs/curves.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("curves"),
        runtime=minutes("curves"),
    params:
        code=code("curves"),
    message:
        "The curves"
    script:
        "../scripts/curves.py"


rule classes_pdf:
    input:
        stack=at("classes.hdf"),
        classes=at(f"classes_{LAST}.hdf"),
    output:
        at("classes.pdf"),
    log:
        at("logs/classes_pdf.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("classes_pdf"),
        runtime=minutes("classes_pdf"),
    params:
        run=facts("apix"),
        code=code("classes_pdf"),
    message:
        "The averages on paper"
    script:
        "../scripts/classes_pdf.py"


rule select:
    input:
        selection=chosen,
        particles=ancient(RUN.input),
        store=at("particles.h5"),
        pieces=all_groups(f"classes_{LAST}/{{group}}.hdf"),
        state=at(f"state_{LAST}.json"),
        averages=[at("classes.mrcs"), at("classes.hdf")],
    output:
        directory(at("selected")),
    log:
        at("logs/select.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("select"),
        runtime=minutes("select"),
    params:
        run=facts("input", "fingerprint"),
        code=code("selection"),
    message:
        "The particles of the classes chosen in {input.selection}"
    script:
        "../scripts/selection.py"


rule movie:
    input:
        particles=at("particles.h5"),
        classes=at(f"classes_{LAST}.hdf"),
        pieces=all_groups(f"classes_{LAST}/{{group}}.hdf"),
        projections=at(f"input_{LAST}_proj.hdf"),
    output:
        report(at("movie.gif"), caption="../report/movie.rst", category="Movie"),
        at("movie.mp4"),
    log:
        at("logs/movie.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("movie"),
        runtime=minutes("movie"),
    params:
        options=opts("movie_classes", "mask_diameter", "maxshift", "mirror", iteration=LAST),
        run=facts("box", "apix", "working_box"),
        code=code("movie"),
    message:
        "A movie of classes along their main component"
    script:
        "../scripts/movie.py"
