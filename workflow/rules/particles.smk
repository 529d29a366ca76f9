# The input is ancient: what it holds counts, not when it was touched, and run.json has its fingerprint.


rule particles_piece:
    input:
        particles=ancient(RUN.input),
        exclude=given("exclude"),
    output:
        at("particles/{chunk}.h5"),
    log:
        at("logs/particles_{chunk}.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("particles_piece"),
        runtime=minutes("particles_piece"),
    params:
        options=opts("apix", "voltage", "cs", "ac", "ctf", "invert", "subset", "mask_diameter"),
        run=facts("n_input", "box", "apix", "working_box"),
        rows=rows,
        code=code("particles_piece"),
    message:
        "Reading and normalising particles, piece {wildcards.chunk}"
    script:
        "../scripts/particles_piece.py"


rule particles:
    input:
        particles=ancient(RUN.input),
        exclude=given("exclude"),
        pieces=all_chunks("particles/{chunk}.h5"),
    output:
        particles=at("particles.h5"),
        lst=at("particles.lst"),
    log:
        at("logs/particles.log"),
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("particles"),
        runtime=minutes("particles"),
    params:
        options=opts("apix", "voltage", "cs", "ac", "ctf", "invert", "subset"),
        run=facts("n_input", "box", "apix", "working_box", "places"),
        code=code("particles"),
    message:
        "Joining the pieces; noise spectra and CTF parameters"
    script:
        "../scripts/particles.py"
