"""Serve processes of jobs, at a socket that is open already: python workflow/scripts/forkserver.py NUMBER"""

import socket
import sys

from refine2d import forkserver

forkserver.main(socket.socket(fileno=int(sys.argv[1])))
