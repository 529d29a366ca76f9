"""Jobs forked off a process that has loaded the libraries and kernels already.

Of a job of a second the start of Python, libraries and kernels is a third. So a run on this machine has a server that
loads them once, and a job's command (`forked.py`) asks it for a process that does the job. Where no server answers,
the command runs by itself.
"""

import ast
import atexit
import gc
import importlib
import marshal
import os
import runpy
import selectors
import shlex
import signal
import socket
import struct
import subprocess
import sys
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path

from refine2d.forked import BEGUN
from refine2d.job import BLAS_THREADS

SCRIPTS = Path(__file__).parents[1]
STEPS = (
    "allrefs",
    "simmx_piece",
    "classmx",
    "classes_piece",
    "classes",
    "summary",
)  # what they import is loaded
CLIENT = Path(__file__).with_name("forked.py")
LARGEST = 1 << 20  # bytes of a request


def start() -> str:
    """Start a server that ends with this process.

    Returns
    -------
    str
        What stands before the command of a job, for a shell; nothing where there can be no server.
    """
    if sys.platform != "linux":  # sockets by name without a file, and fork without a warning
        return ""
    name = f"refine2d-{uuid.uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(f"\0{name}")
        listener.listen(64)
        server = subprocess.Popen(
            [sys.executable, str(SCRIPTS / "forkserver.py"), str(listener.fileno())],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            env=os.environ | dict.fromkeys(BLAS_THREADS, "1"),
        )
    atexit.register(_stop, server)
    return shlex.join([sys.executable, "-ISE", str(CLIENT), name])


def _stop(server: subprocess.Popen) -> None:
    """End a server that has no jobs any more; what it and they used counts as this process's children's."""
    server.kill()
    server.wait()


def main(listener: socket.socket) -> None:
    """Serve until the process that started this one ends.

    Parameters
    ----------
    listener : socket
        Of Unix and of whole messages, already listening.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the jobs, which get them too
        signal.signal(number, signal.SIG_IGN)
    _load()
    gc.freeze()  # what is there already stays shared between the processes
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ, partial(_accept, listener, waiting))
    waiting.register(sys.stdin, selectors.EVENT_READ, sys.exit)
    while True:
        key, _ = waiting.select()[0]  # one at a time: it may end what another one is about
        key.data()


def _load() -> None:
    """Load what the steps of an iteration import, and the kernels of an alignment by making one."""
    for step in STEPS:
        for node in ast.walk(ast.parse((SCRIPTS / f"{step}.py").read_text())):
            if isinstance(node, ast.Import):
                for module in node.names:
                    importlib.import_module(module.name)
            elif isinstance(node, ast.ImportFrom):
                importlib.import_module(node.module)
    for later in ("numpy.ma", "snakemake.script"):
        importlib.import_module(later)

    import numpy as np

    from refine2d.ordering import chain
    from refine2d.search.plan import Plan

    chain(np.random.default_rng(0).random((3, 16, 16), np.float32), Plan(16, 6, 2))


def _accept(listener: socket.socket, waiting: selectors.BaseSelector) -> None:
    """Fork the process of a job."""
    client, _ = listener.accept()
    _, user, _ = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    request = client.recv(LARGEST) if user == os.getuid() else b""
    if not request:
        client.close()
        return
    alive, held = os.pipe()  # which the job holds as long as it lives
    job = os.fork()
    if not job:
        for key in waiting.get_map().values():
            if key.fileobj is not sys.stdin:
                os.close(key.fd)
        client.close()
        _run(*marshal.loads(request))
    os.close(held)
    with suppress(OSError):
        client.send(BEGUN)
    waiting.register(client, selectors.EVENT_READ, partial(_pass_on, client, job, waiting))
    waiting.register(alive, selectors.EVENT_READ, partial(_end, client, job, alive, waiting))


def _pass_on(client: socket.socket, job: int, waiting: selectors.BaseSelector) -> None:
    """Give a job the signal that its command got; without a command there is no job."""
    number = b""
    with suppress(ConnectionError):
        number = client.recv(1)
    if not number:
        waiting.unregister(client)
    os.kill(job, number[0] if number else signal.SIGKILL)


def _end(client: socket.socket, job: int, alive: int, waiting: selectors.BaseSelector) -> None:
    """Tell a job's command how it ended."""
    _, status = os.waitpid(job, 0)
    waiting.unregister(alive)
    os.close(alive)
    with suppress(KeyError):
        waiting.unregister(client)
    with suppress(OSError):
        client.send(marshal.dumps(os.waitstatus_to_exitcode(status)))
    client.close()


def _run(command: list[str], folder: str, environment: dict[str, str]) -> None:
    """Be the process of a job: run its script, and end as Python would."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = command[1:]
    code = 0
    try:
        runpy.run_path(command[1], run_name="__main__")
    except SystemExit as end:
        code = end.code or 0
        if not isinstance(code, int):
            print(code, file=sys.stderr)
            code = 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
        code = 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
