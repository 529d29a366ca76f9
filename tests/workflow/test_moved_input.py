"""An input that was moved: the run goes on with it where it is now."""


def test_a_run_goes_on_with_an_input_that_was_moved(continued):
    (continued.folder / "data").rename(continued.folder / "elsewhere")
    now = ("input=elsewhere/particles.star", "exclude=elsewhere/exclude.txt")
    before = continued.results()
    printed = continued.run(*now)
    assert (
        "elsewhere/particles.star or its stacks were elsewhere when run was made: what was made of" in printed
    )
    after = continued.results()
    assert after["classes.mrcs"] == before["classes.mrcs"]
    assert b"elsewhere/particles.mrcs" in after["particles.lst"]
    assert continued.planned(*now) == {}


def test_stacks_that_were_moved_alone_are_found(continued):
    (continued.folder / "data/particles.mrcs").rename(continued.folder / "particles.mrcs")
    assert continued.planned()["particles"] == 1
