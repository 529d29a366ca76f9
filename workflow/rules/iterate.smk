# One iteration YY. Each step also reads the state of the iteration before: once that says converged, it hands its
# predecessor's file on.


rule allrefs:
    input:
        classes=before("classes_{YY}.hdf", first=at("classes_init.hdf")),
        state=before("state_{YY}.json"),
    output:
        at("allrefs_{YY}.hdf"),
    log:
        at("logs/allrefs_{YY}.log"),
    benchmark:
        at("benchmarks/allrefs_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 4
    resources:
        mem_mb=memory("allrefs"),
        runtime=minutes("allrefs"),
    params:
        options=opts(
            "mask_diameter",
            "maxshift",
            "mirror",
            "simalign",
            "simralign",
            "center",
            "centeracf",
            "automask",
        ),
        run=facts("box", "apix", "working_box"),
        code=code("allrefs"),
    message:
        "Iteration {wildcards.YY}: averages centred, aligned to each other and sorted"
    script:
        "../scripts/allrefs.py"


rule basis:
    input:
        allrefs=at("allrefs_{YY}.hdf"),
        state=before("state_{YY}.json"),
    output:
        at("basis_{YY}.hdf"),
    log:
        at("logs/basis_{YY}.log"),
    benchmark:
        at("benchmarks/basis_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("basis"),
        runtime=minutes("basis"),
    params:
        options=opts("nbasis"),
        code=code("basis"),
    message:
        "Iteration {wildcards.YY}: MSA of the averages"
    script:
        "../scripts/basis.py"


rule aliref:
    input:
        allrefs=at("allrefs_{YY}.hdf"),
        state=before("state_{YY}.json"),
    output:
        at("aliref_{YY}.hdf"),
    log:
        at("logs/aliref_{YY}.log"),
    benchmark:
        at("benchmarks/aliref_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("aliref"),
        runtime=minutes("aliref"),
    params:
        options=opts("naliref", "mask_diameter"),
        run=facts("box", "apix", "working_box"),
        code=code("aliref"),
    message:
        "Iteration {wildcards.YY}: alignment references"
    script:
        "../scripts/aliref.py"


rule simmx_piece:
    input:
        particles=at("particles.h5"),
        aliref=at("aliref_{YY}.hdf"),
        state=before("state_{YY}.json"),
    output:
        at("simmx_{YY}/{chunk}.h5"),
    log:
        at("logs/simmx_{YY}_{chunk}.log"),
    benchmark:
        at("benchmarks/simmx_{YY}_{chunk}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 8
    resources:
        mem_mb=memory("simmx_piece"),
        runtime=minutes("simmx_piece"),
    params:
        options=opts(
            "mask_diameter",
            "maxshift",
            "mirror",
            "simalign",
            "simaligncmp",
            "simralign",
            "simraligncmp",
            "simcmp",
        ),
        run=facts("box", "apix", "working_box"),
        rows=rows,
        code=code("simmx_piece"),
    message:
        "Iteration {wildcards.YY}: particles aligned to the references, piece {wildcards.chunk}"
    script:
        "../scripts/simmx_piece.py"


rule simmx:
    input:
        pieces=all_chunks("simmx_{YY}/{chunk}.h5"),
        aliref=at("aliref_{YY}.hdf"),
        state=before("state_{YY}.json"),
    output:
        at("simmx_{YY}.hdf"),
    log:
        at("logs/simmx_{YY}.log"),
    benchmark:
        at("benchmarks/simmx_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("simmx"),
        runtime=minutes("simmx"),
    params:
        run=facts("n", "box", "working_box"),
        code=code("simmx"),
    message:
        "Iteration {wildcards.YY}: similarity matrix"
    script:
        "../scripts/simmx.py"


rule input_proj_piece:
    input:
        particles=at("particles.h5"),
        basis=at("basis_{YY}.hdf"),
        simmx=at("simmx_{YY}/{chunk}.h5"),
        state=before("state_{YY}.json"),
    output:
        at("input_{YY}_proj/{chunk}.h5"),
    log:
        at("logs/input_proj_{YY}_{chunk}.log"),
    benchmark:
        at("benchmarks/input_proj_{YY}_{chunk}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 4
    resources:
        mem_mb=memory("input_proj_piece"),
        runtime=minutes("input_proj_piece"),
    params:
        options=opts("normproj"),
        rows=rows,
        code=code("input_proj_piece"),
    message:
        "Iteration {wildcards.YY}: aligned particles in the MSA space, piece {wildcards.chunk}"
    script:
        "../scripts/input_proj_piece.py"


rule input_proj:
    input:
        pieces=all_chunks("input_{YY}_proj/{chunk}.h5"),
        state=before("state_{YY}.json"),
    output:
        at("input_{YY}_proj.hdf"),
    log:
        at("logs/input_proj_{YY}.log"),
    benchmark:
        at("benchmarks/input_proj_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("input_proj"),
        runtime=minutes("input_proj"),
    params:
        run=facts("n", "box", "working_box"),
        code=code("input_proj"),
    message:
        "Iteration {wildcards.YY}: projections joined"
    script:
        "../scripts/input_proj.py"


rule classmx:
    input:
        particles=at("particles.h5"),
        allrefs=at("allrefs_{YY}.hdf"),
        basis=at("basis_{YY}.hdf"),
        projections=at("input_{YY}_proj.hdf"),
        state=before("state_{YY}.json"),
    output:
        at("classmx_{YY}.hdf"),
    log:
        at("logs/classmx_{YY}.log"),
    benchmark:
        at("benchmarks/classmx_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("classmx"),
        runtime=minutes("classmx"),
    params:
        options=opts("ncls", "minchange", "normproj"),
        run=facts("box", "working_box"),
        code=code("classmx"),
    message:
        "Iteration {wildcards.YY}: k-means in the MSA space"
    script:
        "../scripts/classmx.py"


rule classes_piece:
    input:
        particles=at("particles.h5"),
        lst=at("particles.lst"),
        allrefs=at("allrefs_{YY}.hdf"),
        basis=at("basis_{YY}.hdf"),
        classmx=at("classmx_{YY}.hdf"),
        state=before("state_{YY}.json"),
    output:
        at("classes_{YY}/{group}.hdf"),
    log:
        at("logs/classes_{YY}_{group}.log"),
    benchmark:
        at("benchmarks/classes_{YY}_{group}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 4
    resources:
        mem_mb=memory("classes_piece"),
        runtime=minutes("classes_piece"),
    params:
        options=opts(
            "ncls",
            "mask_diameter",
            "maxshift",
            "mirror",
            "classiter",
            "classkeep",
            "classkeepsig",
            "classalign",
            "classaligncmp",
            "classralign",
            "classraligncmp",
            "classcmp",
            "classaverager",
            "classnormproc",
            "classrefsf",
            "center",
            "centeracf",
            "automask",
        ),
        run=facts("box", "apix", "working_box"),
        share=share,
        code=code("classes_piece"),
    message:
        "Iteration {wildcards.YY}: new averages, group {wildcards.group}"
    script:
        "../scripts/classes_piece.py"


rule classes:
    input:
        pieces=all_groups("classes_{YY}/{group}.hdf"),
        state=before("state_{YY}.json"),
    output:
        classes=at("classes_{YY}.hdf"),
        resultmx=at("resultmx_{YY}.hdf"),
    log:
        at("logs/classes_{YY}.log"),
    benchmark:
        at("benchmarks/classes_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("classes"),
        runtime=minutes("classes"),
    params:
        options=opts("ncls"),
        run=facts("n", "box", "apix", "working_box"),
        code=code("classes"),
    message:
        "Iteration {wildcards.YY}: averages joined"
    script:
        "../scripts/classes.py"


rule state:
    input:
        allrefs=at("allrefs_{YY}.hdf"),
        classes=at("classes_{YY}.hdf"),
        classmx=at("classmx_{YY}.hdf"),
        classmx_before=before("classmx_{YY}.hdf", first=FIRST_CLASSES),
        state=before("state_{YY}.json"),
    output:
        at("state_{YY}.json"),
    log:
        at("logs/state_{YY}.log"),
    benchmark:
        at("benchmarks/state_{YY}.tsv")
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("state"),
        runtime=minutes("state"),
    params:
        options=opts("ncls", "minchange"),
        code=code("state"),
    message:
        "Iteration {wildcards.YY}: how many particles changed their class"
    script:
        "../scripts/state.py"


if OPTIONS.base["resultmx"]:

    rule resultmx:
        input:
            at(f"resultmx_{LAST}.hdf"),
        output:
            OPTIONS.base["resultmx"],
        log:
            at("logs/resultmx.log"),
        benchmark:
            at("benchmarks/resultmx.tsv")
        conda:
            "../../envs/refine2d.yaml"
        threads: 1
        resources:
            mem_mb=memory("resultmx"),
            runtime=minutes("resultmx"),
        params:
            code=code("resultmx"),
        message:
            "Alignments to the averages, where resultmx asks for them"
        script:
            "../scripts/resultmx.py"
