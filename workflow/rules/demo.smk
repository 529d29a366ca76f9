rule demo:
    output:
        star="demo/particles.star",
        stack="demo/particles.mrcs",
    log:
        "demo/logs/particles.log",
    conda:
        "../../envs/refine2d.yaml"
    threads: 1
    resources:
        mem_mb=memory("demo"),
        runtime=minutes("demo"),
    params:
        code=code("demo"),
    message:
        "Demo: simulating particle images"
    script:
        "../scripts/demo.py"
