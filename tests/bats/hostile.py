#!/usr/bin/python3
# SPDX-License-Identifier: AGPL-3.0-or-later
"""hostile.py NAME EVIL PROGRAM [ARGUMENT…]: become that program in the surroundings of that name.

EVIL is a directory with programs and modules that leave a mark when they are run. What the
program gets of this one's environment is TERM, ROOT and what the name adds.
"""

import os
import resource
import signal
import sys
import tempfile

SIGNALS = set(range(1, 32)) - {signal.SIGKILL, signal.SIGSTOP}


def environment(evil):
    return {
        "LD_LIBRARY_PATH": evil + ":.",
        "LD_BIND_NOW": "1",
        "PERL5LIB": evil,
        "PERL5OPT": "-Mevil",
        "PERLLIB": evil,
        "PYTHONPATH": evil,
        "IFS": "/pv",
        "BASH_ENV": evil + "/mark",
        "ENV": evil + "/mark",
        "SHELLOPTS": "xtrace",
        "CDPATH": evil,
        "TMPDIR": evil + "/none",
        "HOME": evil,
        "LC_ALL": "tr_TR.UTF-8",
        "LANGUAGE": "tr",
        # Of which the C library loses a piece of memory, as a sanitizer sees it.
        "LOCPATH": evil,
        "ASAN_OPTIONS": "detect_leaks=0",
        "NLSPATH": evil + "/%N",
        "GCONV_PATH": evil,
        "TZ": ":" + evil + "/mark",
        "POSIXLY_CORRECT": "1",
        "COLUMNS": "1",
        "NO_COLOR": "",
        "MALLOC_PERTURB_": "165",
        "PVE_MIGRATED_FROM": "",
        "PATH": evil,
    }


def huge(_):
    return {"E%d" % n: "x" * 100000 for n in range(12)}


def without(*fds):
    for fd in fds:
        os.close(fd)


def cwd_gone():
    here = tempfile.mkdtemp()
    os.chdir(here)
    os.rmdir(here)


def soft(what, n):
    resource.setrlimit(what, (n, resource.getrlimit(what)[1]))


def hard(what, n):
    resource.setrlimit(what, (n, n))


def ignore(signals):
    for sig in signals:
        signal.signal(sig, signal.SIG_IGN)


def inherit(evil):
    fd = os.open(evil + "/mark", os.O_RDWR)
    for n in range(10, 200):
        os.dup2(fd, n)


# name: what is done before, and what the environment gets
SURROUNDINGS = {
    "plain": (None, None),
    "environment": (None, environment),
    "huge-environment": (None, huge),
    "path-dot": (lambda e: os.chdir(e), lambda e: {"PATH": "."}),
    "path-none": (lambda e: os.chdir(e), lambda e: {"PATH": None}),
    "cwd-gone": (lambda e: cwd_gone(), None),
    "umask-0": (lambda e: os.umask(0), None),
    "umask-0777": (lambda e: os.umask(0o777), None),
    "descriptors": (inherit, None),
    "no-stdin": (lambda e: without(0), None),
    "no-stdout": (lambda e: without(1), None),
    "no-stderr": (lambda e: without(2), None),
    "no-streams": (lambda e: without(0, 1, 2), None),
    "files-soft": (lambda e: soft(resource.RLIMIT_NOFILE, 5), None),
    "size-soft": (lambda e: soft(resource.RLIMIT_FSIZE, 0), None),
    "files-3": (lambda e: hard(resource.RLIMIT_NOFILE, 3), None),
    "files-15": (lambda e: hard(resource.RLIMIT_NOFILE, 15), None),
    "size-0": (lambda e: hard(resource.RLIMIT_FSIZE, 0), None),
    "signals-ignored": (lambda e: ignore(SIGNALS), None),
    "signals-blocked": (lambda e: signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS), None),
}


def main():
    name, evil, program = sys.argv[1:4]
    before, more = SURROUNDINGS[name]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb"}
    env.update(more(evil) if more else {})
    env = {key: value for key, value in env.items() if value is not None}
    # What Python has made of them itself
    for sig in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
        signal.signal(sig, signal.SIG_DFL)
    if before:
        before(evil)
    os.execve(program, [program] + sys.argv[4:], env)


main()
