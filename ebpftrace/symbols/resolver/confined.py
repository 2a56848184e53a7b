"""What the process that reads debug information gives up before it reads any.

A file of the target can be made to take over whoever parses it. So that one may then do next to
nothing: it is nobody, has no capability and cannot get one, no network, and writes no file. Its memory
and time are limited here, and watched by its maker (`client`).
"""

import ctypes
import os
import resource
import signal
import struct
from contextlib import suppress
from pathlib import Path

NOBODY = 65534
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522
_NICE = 10
_MOST_FILES = 1024  # a module takes up to three for each of its files
_MOST_BYTES = 16 << 30  # a limit that is not to be raised; what a request may take is far less


def enter(maker: int, *, network: bool) -> None:
    """Give it all up, for good. OSError where that is not possible: then nothing may be read.

    `maker`: the process with whose end ours comes. What is imported must be imported by now: the
    files of this program may be unreadable from here.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != maker:
        raise ProcessLookupError
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # for the maker: systemctl kill sends it to all
    os.nice(_NICE)
    _be_no_dearer()
    if os.geteuid() == 0:
        if not network:
            libc.unshare(_CLONE_NEWNET)  # a container may forbid it, and there is nobody to talk to
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        except PermissionError as error:
            why = "root without CAP_SETUID and CAP_SETGID cannot become nobody"
            raise PermissionError(error.errno, why) from error
    elif not network:
        libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # a host may keep user namespaces for root
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # that was forgotten with the user
    _drop_capabilities(libc)
    for limit, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (resource.RLIMIT_DATA, _MOST_BYTES),
        *(() if network else ((resource.RLIMIT_FSIZE, 0),)),
    ):
        with suppress(ValueError):  # it is lower already
            resource.setrlimit(limit, (most, most))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def limit(most_bytes: int, seconds: float) -> None:
    """From now on at most `most_bytes` of writable memory, and so much more processor time.

    Copies of whole files that nobody writes to count as writable (libelf maps them so).
    """
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = int(used.ru_utime + used.ru_stime + seconds) + 1
    for which, most in ((resource.RLIMIT_DATA, most_bytes), (resource.RLIMIT_CPU, cpu)):
        hard = resource.getrlimit(which)[1]
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (soft, hard))


def _be_no_dearer() -> None:
    """When memory runs out, the target must not be killed in our place because our maker is spared."""
    with suppress(OSError, ValueError):
        own = Path("/proc/self/oom_score_adj")
        if int(own.read_text()) < 0:
            own.write_text("0")


def _drop_capabilities(libc: ctypes.CDLL) -> None:
    """Every one, also where we are not root but had some given."""
    header = struct.pack("<Ii", _CAPABILITY_VERSION_3, 0)
    nothing = bytes(24)
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "capset")
