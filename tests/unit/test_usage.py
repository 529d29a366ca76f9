"""What a job used: work and memory that are known come back from the log."""

import resource
import subprocess
import sys
import time

import pytest

from refine2d import usage

SCRIPTS = usage.__file__.rsplit("/", 2)[0]
PROGRAM = """
import sys, time
sys.path.insert(0, sys.argv[1])
from refine2d.usage import used
held = bytearray(b"1") * (200 * 2**20)
del held
while time.process_time() < 0.5:
    pass
time.sleep(0.5)
print(used("step", 2.5))
print("made with nothing")
"""


def waited_for() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def test_time_is_that_of_the_cpu_and_memory_the_most_there_was(tmp_path):
    large = bytearray(b"1") * (500 * 2**20)  # a parent's memory is not its child's
    before = waited_for()
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, SCRIPTS], capture_output=True, text=True, check=True
    )
    counted = waited_for() - before
    del large
    (tmp_path / "a.log").write_text(told.stdout)
    step, seconds, cpu, memory = usage.read(tmp_path / "a.log")
    assert (step, seconds) == ("step", 2.5)
    assert 0.5 <= cpu <= counted + 0.1  # as the kernel counts it, without the half second of sleep; rounded
    assert 200 < memory < 300


def test_the_last_line_counts(tmp_path):
    (tmp_path / "a.log").write_text(
        f"{usage.SENTENCE.format('a', 1, 2, 3)}\nagain\n{usage.SENTENCE.format('a', 4, 5, 6)}\n"
    )
    assert usage.read(tmp_path / "a.log") == ("a", 4, 5, 6)


@pytest.mark.parametrize("left", [b"", b"a: 1.0 s, 1.0 s of CPU", b"\xff\x00"])
def test_a_log_that_was_cut_short_tells_nothing(tmp_path, left):
    (tmp_path / "a.log").write_bytes(left)
    assert usage.read(tmp_path / "a.log") is None
    assert usage.read(tmp_path / "none.log") is None


def test_a_system_that_does_not_tell_a_programs_own_memory_fails_no_job(tmp_path, monkeypatch):
    for status in ("none", "short"):
        monkeypatch.setattr(usage, "STATUS", tmp_path / status)
        assert 10 < float(usage.PATTERN.match(usage.used("step", 1))[4]) < 100_000
        (tmp_path / "short").write_text("Name: python\nVmRSS: 5 kB\n")


def test_processes_that_were_waited_for_count():
    before = float(usage.PATTERN.match(usage.used("step", 1))[3])
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.6: pass"], check=True)
    assert float(usage.PATTERN.match(usage.used("step", 1))[3]) > before + 0.5


def test_this_process_has_used_something():
    cpu, memory = map(float, usage.PATTERN.match(usage.used("step", 1)).groups()[2:])
    assert cpu >= time.process_time() - 1 and memory > 10
