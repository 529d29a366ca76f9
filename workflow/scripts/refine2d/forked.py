"""The command of a job whose process a server forks (`forkserver.py`): python forked.py SERVER PYTHON SCRIPT

Any other command runs by itself, and so does this one where no server answers.
"""

import marshal
import os
import select
import signal
import socket
import sys

BEGUN = b"begun"  # the server's first answer; the second one says how the job ended
LARGEST = 64  # bytes of an answer
SIGNALLED = 128  # and the number of the signal: what a shell says of a process that one ended


def main(name: str, command: list[str]) -> int:
    """Have a command run by the server, or else by itself; its exit code."""
    if command[:-1] != [sys.executable]:
        os.execvp(command[0], command)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        server.connect(f"\0{name}")
        server.send(marshal.dumps((command, os.getcwd(), dict(os.environ))))
    except OSError:
        os.execvp(command[0], command)
    server.setblocking(False)
    signal.set_wakeup_fd(server.fileno())  # from now on a signal sends its number
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    if not _answer(server):
        os.execvp(command[0], command)
    ended = _answer(server)
    code = marshal.loads(ended) if ended else 1
    return code if code >= 0 else SIGNALLED - code


def _answer(server: socket.socket) -> bytes:
    """What the server says; nothing when it has gone."""
    select.select([server], [], [])
    try:
        return server.recv(LARGEST)
    except ConnectionError:
        return b""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
