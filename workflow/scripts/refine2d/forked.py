"""The command of a job whose process a server forks (`forkserver.py`): python forked.py SERVER PYTHON SCRIPT

Any other command runs by itself, and so does this one where no server answers.
"""

import contextlib
import marshal
import os
import signal
import socket
import sys

SIGNALLED = 128  # and the number of the signal: what a shell says of a process that one ended


def main(name: str, command: list[str]) -> int:
    """Have a command run by the server, or else by itself; its exit code."""
    if command[:-1] != [sys.executable]:
        os.execvp(command[0], command)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def pass_on(number, _):
        with contextlib.suppress(OSError):
            server.send(bytes([number]))

    try:
        server.connect(f"\0{name}")
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, pass_on)
        server.send(marshal.dumps((command, os.getcwd(), dict(os.environ))))
    except OSError:
        os.execvp(command[0], command)
    ended = b""
    with contextlib.suppress(ConnectionError):
        ended = server.recv(16)
    code = marshal.loads(ended) if ended else 1
    return code if code >= 0 else SIGNALLED - code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
