"""Gives up what tracing never needs, before anything of a target is read.

What is kept is enough to read every process, so it is no jail: it keeps a mistake of ours from loading
a module, mounting, changing networks, clocks or devices, or starting a program that may. Which
capabilities are missing is asked in `capabilities`.
"""

import ctypes
import logging
import os
import struct

from ebpftrace.host import status

log = logging.getLogger(__name__)

# The numbers of include/uapi/linux/capability.h.
KEPT = {
    0: "CAP_CHOWN",  # files that the confined reader of debug information may write
    1: "CAP_DAC_OVERRIDE",  # snapshots and logs in directories of other users
    2: "CAP_DAC_READ_SEARCH",
    5: "CAP_KILL",
    6: "CAP_SETGID",  # that reader becomes nobody
    7: "CAP_SETUID",
    19: "CAP_SYS_PTRACE",
    21: "CAP_SYS_ADMIN",  # uprobes by perf events; which page frames are huge or of zeros
    24: "CAP_SYS_RESOURCE",  # limits of open files and locked memory; memory pressure
    38: "CAP_PERFMON",
    39: "CAP_BPF",
    40: "CAP_CHECKPOINT_RESTORE",
}
_SETPCAP, _LAST = 8, 63
_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 24, 47, 4


def shed() -> None:
    """Keep of the capabilities only those of KEPT, for this process and all that it starts from now on.

    Call it before there is another thread: a thread has capabilities of its own. A program that it
    executes inherits none, unless the user is root: then those of KEPT.
    """
    effective = status.of().effective
    if effective is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    kept = effective & sum(1 << bit for bit in KEPT)
    if effective >> _SETPCAP & 1:
        for bit in range(_LAST + 1):
            if bit not in KEPT and libc.prctl(_PR_CAPBSET_DROP, bit, 0, 0, 0):
                break  # EINVAL: this kernel has no more
    _ambient_none(libc)
    low, high = kept & 0xFFFFFFFF, kept >> 32
    header = struct.pack("<Ii", _VERSION_3, 0)
    if libc.capset(header, struct.pack("<6I", low, low, 0, high, high, 0)):
        log.warning("capabilities cannot be given up: %s", os.strerror(ctypes.get_errno()))


def pass_none_on() -> None:
    """What is executed from now on gets none of what this process was started with.

    A service has its capabilities that way (AmbientCapabilities=).
    """
    _ambient_none(ctypes.CDLL(None))


def _ambient_none(libc: ctypes.CDLL) -> None:
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
