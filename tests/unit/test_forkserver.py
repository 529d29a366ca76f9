"""Jobs that a server forks end as they would by themselves."""

import marshal
import os
import select
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from refine2d import forked, forkserver

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there is a server on Linux only")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server():
    """What stands before a command, and the process that serves it."""
    before = set(psutil.Process().children())
    command = forkserver.start()
    (process,) = set(psutil.Process().children()) - before
    return shlex.split(command), process


@pytest.fixture
def ask(server, tmp_path):
    """Start a script by the server."""

    def start(text, *, name="step.py", **how):
        (tmp_path / name).write_text(text)
        command = [*server[0], sys.executable, str(tmp_path / name)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, **pipes, **how)

    return start


@pytest.fixture
def told(server, tmp_path):
    """What a job prints goes where the server's goes, so that it tells in a file."""
    return tmp_path / "told"


def wait_for(file: Path) -> str:
    end = time.monotonic() + PATIENCE
    while not (file.exists() and file.read_text().endswith("\n")):
        assert time.monotonic() < end, f"{file} was never written"
        time.sleep(0.02)
    return file.read_text().strip()


def gone(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(PATIENCE)
    return not psutil.pid_exists(pid)


def test_a_job_is_a_fork_of_the_server_in_the_commands_folder_and_environment(server, ask, told):
    text = f"""
import os, sys
print(os.getppid(), os.getcwd(), os.environ["COLOUR"], sys.argv, __name__, file=open({str(told)!r}, "w"))
"""
    job = ask(text, cwd=told.parent, env=os.environ | {"COLOUR": "blue"})
    assert job.wait(PATIENCE) == 0
    script = [str(told.parent / "step.py")]
    assert told.read_text() == f"{server[1].pid} {told.parent} blue {script} __main__\n"


def test_libraries_and_kernels_are_there_before_a_job_begins(ask, told):
    text = f"""
import sys
known = {{"numpy", "h5py", "numba", "snakemake.script", "refine2d.averaging"}} <= sys.modules.keys()
from refine2d.undo_kernel import undo
open({str(told)!r}, "w").write(f"{{known}} {{len(undo.signatures) > 0}}\\n")
"""
    assert ask(text).wait(PATIENCE) == 0
    assert told.read_text() == "True True\n"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit()", 0),
        ("import sys; sys.exit(3)", 3),
        ("import sys; sys.exit('what is wrong')", 1),
        ("import os; os._exit(4)", 4),
        ("1 / 0", 1),
        ("a b", 1),
        ("import os; os.kill(os.getpid(), 9)", 128 + 9),
    ],
)
def test_the_command_ends_as_the_job_does(ask, text, code):
    assert ask(text).wait(PATIENCE) == code


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_command_reaches_the_job(ask, told, number):
    text = f"""
import signal, sys, time
def stop(number, _):
    print(number, file=open({str(told)!r}, "a"), flush=True)
    sys.exit(7)
signal.signal({int(number)}, stop)
with open({str(told)!r}, "w") as file:
    print("here", file=file)
for _ in range(int(10 * {PATIENCE})):
    time.sleep(0.1)
"""
    job = ask(text)
    wait_for(told)
    job.send_signal(number)
    assert job.wait(PATIENCE) == 7
    assert told.read_text() == f"here\n{int(number)}\n"


def test_signals_mean_to_a_job_what_they_mean_to_a_program(ask, told):
    text = f"""
import os, time
with open({str(told)!r}, "w") as file:
    print(os.getpid(), file=file)
for _ in range(int(10 * {PATIENCE})):
    time.sleep(0.1)
"""
    for number, code in ((signal.SIGTERM, 128 + signal.SIGTERM), (signal.SIGINT, 1)):
        job = ask(text)
        os.kill(int(wait_for(told)), number)
        assert job.wait(PATIENCE) == code
        told.unlink()


def test_a_job_ends_with_its_command(ask, told):
    job = ask(
        f"import os, time\nprint(os.getpid(), file=open({str(told)!r}, 'w'), flush=True)\ntime.sleep({PATIENCE})"
    )
    pid = int(wait_for(told))
    job.kill()
    assert gone(pid)


@pytest.mark.parametrize("waits", [False, True])
def test_a_command_that_is_gone_before_it_reads_an_answer_ends_no_server(server, ask, told, waits):
    told.with_name("gone.py").write_text("import time; time.sleep(60)")
    command = [sys.executable, str(told.with_name("gone.py"))]
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as gone:
        gone.connect(f"\0{server[0][-1]}")
        gone.send(marshal.dumps((command, os.getcwd(), dict(os.environ))))
        if waits:
            select.select([gone], [], [])
    assert ask("pass").wait(PATIENCE) == 0
    assert server[1].is_running() and server[1].status() != psutil.STATUS_ZOMBIE


def test_jobs_run_side_by_side(ask, told):
    """Each waits for the other."""
    text = """
import pathlib, time
pathlib.Path({mine!r}).touch()
while not pathlib.Path({others!r}).exists():
    time.sleep(0.02)
"""
    names = [str(told.with_name(name)) for name in ("a", "b")]
    jobs = [
        ask(text.format(mine=mine, others=others), name=f"step_{number}.py")
        for number, (mine, others) in enumerate((names, names[::-1]))
    ]
    assert [job.wait(PATIENCE) for job in jobs] == [0, 0]


def test_a_command_runs_by_itself_where_no_server_answers(tmp_path):
    (tmp_path / "step.py").write_text("import sys; print('alone'); sys.exit(5)")
    command = [sys.executable, forked.__file__, "nobody", sys.executable, str(tmp_path / "step.py")]
    alone = subprocess.run(command, capture_output=True, text=True)
    assert (alone.returncode, alone.stdout) == (5, "alone\n")


def test_a_command_runs_by_itself_where_the_server_ends_before_it_has_begun(tmp_path):
    (tmp_path / "step.py").write_text("print('alone')")
    name = f"refine2d-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        command = [sys.executable, forked.__file__, name, sys.executable, str(tmp_path / "step.py")]
        alone = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        client, _ = listener.accept()
        client.close()
        assert alone.communicate(timeout=PATIENCE) == ("alone\n", None)


def test_what_is_no_script_runs_by_itself(server):
    alone = subprocess.run([*server[0], "echo", "a b"], capture_output=True, text=True)
    assert (alone.returncode, alone.stdout) == (0, "a b\n")


def test_another_user_gets_no_process(monkeypatch):
    monkeypatch.setattr(os, "getuid", lambda: os.geteuid() + 1)
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("a process for a stranger"))
    name = f"\0refine2d-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(name)
        listener.listen()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
            stranger.connect(name)
            stranger.send(b"anything")
            waiting = selectors.DefaultSelector()
            forkserver._accept(listener, waiting)
            assert not waiting.get_map()


def test_the_server_ends_with_the_process_that_started_it(tmp_path):
    """Even where that one is killed."""
    text = f"""
import sys, time
sys.path.insert(0, {str(forkserver.SCRIPTS)!r})
import psutil
from refine2d import forkserver
forkserver.start()
print(psutil.Process().children()[0].pid, flush=True)
time.sleep({PATIENCE})
"""
    starter = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    pid = int(starter.stdout.readline())
    starter.kill()
    starter.wait()
    assert gone(pid)
