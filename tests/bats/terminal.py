# SPDX-License-Identifier: AGPL-3.0-or-later
"""terminal.py PROMPT KEYS COMMAND…: run a program on a terminal of its own, type KEYS when it has written PROMPT, and wait for
its end. What it has written goes to standard output; longer than 60 seconds it may not take."""
import os
import pty
import signal
import sys

prompt, keys, command = sys.argv[1].encode(), sys.argv[2].encode(), sys.argv[3:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "dumb"
    os.execvp(command[0], command)


def give_up(*_):
    os.kill(pid, signal.SIGKILL)


signal.signal(signal.SIGALRM, give_up)
signal.alarm(60)
written = b""
typed = False
while True:
    try:
        some = os.read(terminal, 4096)
    except OSError:  # the terminal's other end is closed
        break
    if not some:
        break
    written += some
    if not typed and prompt in written:
        os.write(terminal, keys)
        typed = True
sys.stdout.buffer.write(written)
sys.exit(0 if os.waitpid(pid, 0)[1] == 0 and typed else 1)
