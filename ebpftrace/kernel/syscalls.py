"""bpf() and perf_event_open() as this project calls them: bytes in, a descriptor or OSError out.

Layouts: `union bpf_attr` of include/uapi/linux/bpf.h and `struct perf_event_attr` of
include/uapi/linux/perf_event.h. Both accept a shorter structure than the kernel's own.
"""

import ctypes
import errno
import fcntl
import os
import platform
import struct
import time
from collections.abc import Sequence
from typing import NamedTuple

_NUMBERS = {"x86_64": (321, 298), "aarch64": (280, 241)}
_BPF, _PERF_EVENT_OPEN = _NUMBERS.get(platform.machine(), _NUMBERS["x86_64"])
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long

MAP_CREATE, MAP_LOOKUP, MAP_UPDATE, MAP_DELETE = 0, 1, 2, 3
PROG_LOAD, OBJ_GET_INFO_BY_FD, RAW_TRACEPOINT_OPEN = 5, 15, 17
MAP_LOOKUP_BATCH, MAP_TAKE_BATCH, LINK_CREATE, ENABLE_STATS = 24, 25, 28, 32

_NAMES = {
    MAP_CREATE: "bpf(BPF_MAP_CREATE)",
    MAP_LOOKUP: "bpf(BPF_MAP_LOOKUP_ELEM)",
    MAP_UPDATE: "bpf(BPF_MAP_UPDATE_ELEM)",
    MAP_DELETE: "bpf(BPF_MAP_DELETE_ELEM)",
    PROG_LOAD: "bpf(BPF_PROG_LOAD)",
    OBJ_GET_INFO_BY_FD: "bpf(BPF_OBJ_GET_INFO_BY_FD)",
    RAW_TRACEPOINT_OPEN: "bpf(BPF_RAW_TRACEPOINT_OPEN)",
    MAP_LOOKUP_BATCH: "bpf(BPF_MAP_LOOKUP_BATCH)",
    MAP_TAKE_BATCH: "bpf(BPF_MAP_LOOKUP_AND_DELETE_BATCH)",
    LINK_CREATE: "bpf(BPF_LINK_CREATE)",
    ENABLE_STATS: "bpf(BPF_ENABLE_STATS)",
}
_OF_ENTRIES = (MAP_LOOKUP, MAP_UPDATE, MAP_DELETE, MAP_LOOKUP_BATCH, MAP_TAKE_BATCH)

PROG_TYPE_KPROBE, PROG_TYPE_PERF_EVENT, PROG_TYPE_RAW_TRACEPOINT = 2, 7, 17
MAP_TYPE_HASH = 1
ATTACH_TYPE_UPROBE_MULTI, ATTACH_TYPE_UPROBE_SESSION = 48, 57
UPROBE_MULTI_RETURN = 1
_ATTACH_TYPE_PERF_EVENT = 41
_PERF_FLAG_FD_CLOEXEC = 8
_TYPE_SOFTWARE, _COUNT_PAGE_FAULTS = 1, 2
_ATTR_DISABLED, _ATTR_INHERIT = 1, 2
_PERF_EVENT_IOC_SET_BPF = 0x40042408
_PERF_EVENT_IOC_ENABLE = 0x2400
_PERF_ATTR_SIZE = 112
_MAP_INFO = struct.Struct("<6I")  # type, id, sizes of key and value, entries, flags
_TRIES = 10
_SHORT_S = 0.02


def bpf(command: int, attributes: bytes | ctypes.Array[ctypes.c_char]) -> int:
    """One bpf() call; its result, OSError on failure. A ctypes buffer is filled in place."""
    size = len(attributes)
    buffer = (
        ctypes.create_string_buffer(attributes, size)
        if isinstance(attributes, bytes)
        else attributes
    )
    name, patient = _NAMES.get(command, "bpf()"), command in _OF_ENTRIES
    return _call(name, _BPF, command, ctypes.byref(buffer), size, patient=patient)


def _call(name: str, *arguments: object, patient: bool = False) -> int:
    """One system call, again while a signal cuts it short; OSError, with `name`, where it fails.

    The verifier gives up with EAGAIN when a signal is pending (c3494801cd17, 5.1). Python's own
    handler only notes the signal, so that the next try goes on. `patient`: again where there is no
    memory: an entry of a map is allocated where the kernel cannot wait for some, as we can.
    """
    number = 0
    for _ in range(_TRIES):
        result = _libc.syscall(*arguments)
        if result >= 0:
            return int(result)
        number = ctypes.get_errno()
        if patient and number == errno.ENOMEM:
            time.sleep(_SHORT_S)
        elif number not in (errno.EINTR, errno.EAGAIN):
            break
    raise OSError(number, os.strerror(number), name)


def load_program(
    kind: int,
    instructions: bytes,
    name: str,
    log: ctypes.Array[ctypes.c_char] | None = None,
    attach_type: int = 0,
) -> int:
    """Load one program (8 bytes an instruction, license GPL); the verifier's words go to `log`.

    `attach_type`: what it is going to be attached as, where one kind of program has several.
    """
    code = ctypes.create_string_buffer(instructions, len(instructions))
    license_text = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "<IIQQIIQII16sII",
        kind,
        len(instructions) // 8,
        ctypes.addressof(code),
        ctypes.addressof(license_text),
        1 if log is not None else 0,
        len(log) if log is not None else 0,
        ctypes.addressof(log) if log is not None else 0,
        0,
        0,
        name.encode()[:15],
        0,
        attach_type,
    )
    return bpf(PROG_LOAD, attributes)


class MapShape(NamedTuple):
    """What a map is created as; sizes in bytes, of a ring buffer `entries` as well."""

    kind: int
    key_size: int
    value_size: int
    entries: int
    flags: int


def create_map(
    kind: int, key_size: int, value_size: int, entries: int, flags: int, name: str = ""
) -> int:
    """Create a map; the first 15 bytes of `name` are what the kernel calls it."""
    shape = (kind, key_size, value_size, entries, flags)
    return bpf(MAP_CREATE, struct.pack("<IIIIIII16s", *shape, 0, 0, name.encode()[:15]))


def map_shape(fd: int) -> MapShape:
    """As the kernel tells it of a descriptor of ours (struct bpf_map_info)."""
    info = ctypes.create_string_buffer(_MAP_INFO.size)
    bpf(OBJ_GET_INFO_BY_FD, struct.pack("<IIQ", fd, _MAP_INFO.size, ctypes.addressof(info)))
    kind, _, *rest = _MAP_INFO.unpack(info.raw)
    return MapShape(kind, *rest)


def open_raw_tracepoint(program: int, name: str) -> int:
    """Attach a raw tracepoint program (needs no tracefs); closing the descriptor detaches."""
    text = ctypes.create_string_buffer(name.encode())
    return bpf(RAW_TRACEPOINT_OPEN, struct.pack("<QI", ctypes.addressof(text), program))


def open_uprobe(
    path: str, offset: int, thread: int, event_type: int, return_bit: int | None
) -> int:
    """A perf event that stands for one uprobe, or uretprobe where `return_bit` is given.

    It watches the address space of `thread`, all its threads, and lives until the descriptor is
    closed or `thread` ends. The reference counter offset, the high half of `config`, is 0: BCC's
    own attach passes whatever is on the stack there (iovisor/bcc#5236).
    """
    text = ctypes.create_string_buffer(os.fsencode(path))
    attributes = struct.pack(
        "<IIQQQQQIIQQ",
        event_type,
        _PERF_ATTR_SIZE,
        0 if return_bit is None else 1 << return_bit,
        1,
        0,
        0,
        0,
        1,
        0,
        ctypes.addressof(text),
        offset,
    ).ljust(_PERF_ATTR_SIZE, b"\0")
    buffer = ctypes.create_string_buffer(attributes, _PERF_ATTR_SIZE)
    return _perf_event_open(buffer, thread)


def _perf_event_open(attributes: ctypes.Array[ctypes.c_char], thread: int) -> int:
    flags = ctypes.c_ulong(_PERF_FLAG_FD_CLOEXEC)
    pointer = ctypes.byref(attributes)
    return _call("perf_event_open()", _PERF_EVENT_OPEN, pointer, thread, -1, -1, flags)


def open_page_faults(thread: int) -> int:
    """A perf event at each page fault of `thread`, and of every thread and child that comes of it.

    Off until `set_program`. It lives until the descriptor is closed, also when `thread` has ended: what
    has inherited it ends with it.
    """
    attributes = struct.pack(
        "<IIQQQQQ",
        _TYPE_SOFTWARE,
        _PERF_ATTR_SIZE,
        _COUNT_PAGE_FAULTS,
        1,  # of each one
        0,
        0,
        _ATTR_DISABLED | _ATTR_INHERIT,
    ).ljust(_PERF_ATTR_SIZE, b"\0")
    buffer = ctypes.create_string_buffer(attributes, _PERF_ATTR_SIZE)
    return _perf_event_open(buffer, thread)


def link_program(event: int, program: int, cookie: int) -> int:
    """Run `program` at each hit of `event` with an attach cookie (b89fbfbb854c, 5.15)."""
    return bpf(
        LINK_CREATE, struct.pack("<IIIIQ", program, event, _ATTACH_TYPE_PERF_EVENT, 0, cookie)
    )


def link_uprobes(
    program: int,
    path: str,
    offsets: Sequence[int],
    cookies: Sequence[int],
    process: int,
    attach_type: int,
    *,
    returns: bool = False,
) -> int:
    """One link with a probe at each of `offsets` of the file (89ae89f53d20, 6.6).

    It watches the address space that `process`, a thread-group id, has now, and lives until it is
    closed. The reference counter offsets are none.
    """
    text = ctypes.create_string_buffer(os.fsencode(path))
    count = len(offsets)
    places, values = (ctypes.c_uint64 * count)(*offsets), (ctypes.c_uint64 * count)(*cookies)
    attributes = struct.pack(
        "=IIIIQQQQIII",
        program,
        0,
        attach_type,
        0,
        ctypes.addressof(text),
        ctypes.addressof(places),
        0,
        ctypes.addressof(values),
        count,
        UPROBE_MULTI_RETURN if returns else 0,
        process,
    )
    return bpf(LINK_CREATE, attributes.ljust(64, b"\0"))


def set_program(event: int, program: int) -> None:
    """Run `program` at each hit of `event`, without a cookie."""
    fcntl.ioctl(event, _PERF_EVENT_IOC_SET_BPF, program)
    fcntl.ioctl(event, _PERF_EVENT_IOC_ENABLE, 0)


def enable_run_time() -> int:
    """Let the kernel measure how long BPF programs run, until this descriptor is closed (5.8)."""
    return bpf(ENABLE_STATS, struct.pack("<I", 0))


def program_run_time(program: int) -> int:
    """Nanoseconds that a loaded program has run while that was measured."""
    return _program_info(program, 192) or 0


def program_misses(program: int) -> int | None:
    """`recursion_misses` of a loaded program (9ed9e9ba2337, 5.12); None where not reported."""
    return _program_info(program, 208)


def _program_info(program: int, offset: int) -> int | None:
    """The 8 bytes there of `struct bpf_prog_info`; None where the kernel's is shorter."""
    size = offset + 8
    info = ctypes.create_string_buffer(size)
    attributes = ctypes.create_string_buffer(
        struct.pack("<IIQ", program, size, ctypes.addressof(info)), 16
    )
    bpf(OBJ_GET_INFO_BY_FD, attributes)
    (filled,) = struct.unpack_from("<I", attributes, 4)
    return int(struct.unpack_from("<Q", info, offset)[0]) if filled >= size else None
