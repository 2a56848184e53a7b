"""The Python mirror of `bpf/shared.h`: a test compiles the header and compares every offset."""

import ctypes
import struct
from enum import IntEnum

from ebpftrace.model.losses import LOSSES

u64, u32, u16, u8 = ctypes.c_uint64, ctypes.c_uint32, ctypes.c_uint16, ctypes.c_uint8

SLOTS = 1024
CODE_RANGES = 32
FUNCTIONS = 256
ROLES = {"birth": 1, "resize": 2, "death": 3, "exit": 4}
NO_REGISTER = 31
CONTROL_ARMED, CONTROL_COUNTING, CONTROL_LEARNING, CONTROL_EXECS = 1, 2, 4, 8
CONTROL_DRAINING, CONTROL_DRAINED, CONTROL_SAMPLING = 16, 32, 64
SCALES = (1, 4, 16, 64)
"""How many births one that is recorded stands for, by the number that the kernel side has for it."""
SCALE_AT = 16  # the lowest bit of that in the epoch of a cohort
EXIT_CODE, EXIT_TOLD, EXIT_OOM = 0xFFFF, 0x10000, 0x20000
COOKIE_BY_EXITS, COOKIE_YIELDS = 0x2000, 0x4000
COOKIE_ZERO_FREES, COOKIE_MAPPING = 0x40000000, 0x80000000
FAMILY_POOL = 32
IN_POOL = 1 << 58
TOUCHED_BITS = 1 << 24
FAULT_INHERITED, FAULT_COPIED, FAULT_ADDRESSES = 0x80000000, 0x80000000, 16
EVENT_STACK, EVENT_MISS, EVENT_THREAD_EXIT, EVENT_EXEC, EVENT_FORK, EVENT_LOADED = range(1, 7)
EVENT_MAPPING = 7
WATCH_HELD, WATCH_FOLLOW = 0x80000000, 0x40000000
MISS_COUNTED, MISS_HELD = 1, 2
SLICE_BYTES, SHORT_SLICE_BYTES = 8192, 2048
MOST_PENDING = 4
HASH_SEED, HASH_FACTOR = 0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD
ADDRESS_BITS = 48
LOSS_COUNT = len(LOSSES)
_NAMES = [loss.name for loss in LOSSES]
PROBE_MISSED, SHARED_VM_CHILD, TRACE_FULL, PROCESS_MISSED = map(
    _NAMES.index, ("probe_missed", "shared_vm_child", "trace_full", "process_missed")
)
MISSED_UNMAP, UNMATCHED_UNMAP, NESTED, UNRECORDED_FREE, UNMATCHED_FREE = map(
    _NAMES.index,
    ("missed_unmap", "unmatched_unmap", "nested", "unrecorded_free", "unmatched_free"),
)


class ReturnOffsets(ctypes.Structure):
    """`struct return_offsets`; its first five in the order of `btf.RETURN_MEMBERS`."""

    _fields_ = (
        ("utask", u16),
        ("instances", u16),
        ("stack", u16),
        ("original", u16),
        ("next", u16),
        ("unused", u16),
    )


class ExitOffsets(ctypes.Structure):
    """`struct exit_offsets`; its first nine in the order of `btf.EXIT_MEMBERS`."""

    _fields_ = (
        ("signal", u16),
        ("leader", u16),
        ("code", u16),
        ("parent", u16),
        ("process", u16),
        ("live", u16),
        ("flags", u16),
        ("group_code", u16),
        ("oom_mm", u16),
        ("unused", u16),
    )


class PidOffsets(ctypes.Structure):
    """`struct pid_offsets`; its first seven in the order of `btf.PID_MEMBERS`."""

    _fields_ = (
        ("pid", u16),
        ("level", u16),
        ("numbers", u16),
        ("number", u16),
        ("space", u16),
        ("common", u16),
        ("inode", u16),
        ("unused", u16),
    )


class FaultOffsets(ctypes.Structure):
    """`struct fault_offsets`; its first three in the order of `btf.FAULT_MEMBERS`."""

    _fields_ = (("minor", u16), ("major", u16), ("stack", u16), ("unused", u16))


class Control(ctypes.Structure):
    """`struct control`."""

    _fields_ = (
        ("start", u64),
        ("flags", u32),
        ("open_epoch", u32),
        ("returns", ReturnOffsets),
        ("exits", ExitOffsets),
        ("pids", PidOffsets),
        ("faults", FaultOffsets),
        ("owner", u32),
        ("look", u32),
        ("scale", u16),
        ("scale_before", u16),
        ("unused", u32),
        ("scale_since", u64),
        ("window", u64),
        ("window_end", u64),
    )


class CodeRange(ctypes.Structure):
    """`struct code_range`."""

    _fields_ = (("start", u64), ("end", u64))


class SlotState(ctypes.Structure):
    """`struct slot_state`."""

    _fields_ = (
        ("live", u32),
        ("ranges", u32),
        ("second", u32),
        ("layered", u16),
        ("pools", u16),
        ("code", CodeRange * CODE_RANGES),
        ("loads_since", u64),
        ("loads", u64),
    )


class MappingCode(ctypes.Structure):
    """`struct mapping_code`."""

    _fields_ = (
        ("break_at", u64),
        ("ranges", u32),
        ("unused", u32),
        ("threads", CodeRange),
        ("inner", CodeRange * CODE_RANGES),
    )


class Block(ctypes.Structure):
    """`struct block`."""

    _fields_ = (
        ("size", u64),
        ("stack", u64),
        ("born", u64),
        ("thread", u32),
        ("epoch", u16),
        ("called", u16),
    )


class InFlight(ctypes.Structure):
    """`struct in_flight`; never read by user space, mirrored to size the map."""

    _fields_ = (
        ("sp", u64),
        ("entered", u64),
        ("size", u64),
        ("pointer", u64),
        ("out", u64),
        ("before", u64),
        ("caller", u64),
        ("cookie", u32),
        ("pending", u16),
        ("took_old", u16),
        ("old", Block),
        ("freed", u64),
        ("free_sp", u64),
        ("free_at", u64),
    )


class CohortKey(ctypes.Structure):
    """`struct cohort_key`."""

    _fields_ = (("stack", u64), ("slot", u32), ("epoch", u32))


class Cohort(ctypes.Structure):
    """`struct cohort`."""

    _fields_ = (
        ("allocated_blocks", u64),
        ("allocated_bytes", u64),
        ("freed_blocks", u64),
        ("freed_bytes", u64),
        ("adopted_blocks", u64),
        ("adopted_bytes", u64),
    )


class FaultKey(ctypes.Structure):
    """`struct fault_key`."""

    _fields_ = (("stack", u64), ("slot", u32), ("process", u32))


class Faults(ctypes.Structure):
    """`struct faults`."""

    _fields_ = (
        ("count", u64),
        ("before", u64),
        ("look", u32),
        ("unused", u32),
        ("addresses", u64 * FAULT_ADDRESSES),
    )


class FaultSeen(ctypes.Structure):
    """`struct fault_seen`."""

    _fields_ = (("task", u64), ("address", u64), ("done", u64))


class RuleEntry(ctypes.Structure):
    """`struct rule_entry`; what `rule` holds is `unwind.rules.Rule`."""

    _fields_ = (("key", u64), ("rule", u64))


class Event(ctypes.Structure):
    """`struct event`."""

    _fields_ = (
        ("kind", u16),
        ("end", u8),
        ("guessed", u8),
        ("slot", u32),
        ("count", u32),
        ("called", u32),
        ("stack", u64),
    )


class MappingEvent(ctypes.Structure):
    """`struct mapping_event`; `end` of the event is a `MappingStep`."""

    _fields_ = (
        ("event", Event),
        ("address", u64),
        ("length", u64),
        ("old", u64),
        ("old_length", u64),
        ("moment", u64),
    )


class MappingStep(IntEnum):
    """`enum mapping_step`."""

    TAKEN = 1
    COVERED = 2
    GIVEN_UP = 3
    GONE = 4
    KEPT = 5


class Replaced(ctypes.Structure):
    """`struct replaced`."""

    _fields_ = (("stack", u64), ("original", u64))


class Miss(ctypes.Structure):
    """`struct miss`."""

    _fields_ = (
        ("event", Event),
        ("stump", u64),
        ("pc", u64),
        ("sp", u64),
        ("fp", u64),
        ("replaced", Replaced * MOST_PENDING),
        ("slice", u8 * SLICE_BYTES),
    )


class Call(ctypes.Structure):
    """`struct call`."""

    _fields_ = (
        ("address", u64),
        ("old", u64),
        ("size", u64),
        ("caller", u64),
        ("thread", u32),
        ("slot", u16),
        ("kind", u8),
        ("unused", u8),
    )


# What is decoded by the ten thousand goes through struct: a tenth of the time of ctypes.
COHORT_KEY = struct.Struct("<QII")
COHORT = struct.Struct("<6Q")
FAULT_KEY = struct.Struct("<QII")
FAULTS = struct.Struct(f"<QQII{FAULT_ADDRESSES}Q")
BLOCK_KEY = struct.Struct("<Q")
BLOCK = struct.Struct("<QQQIHH")
EVENT = struct.Struct("<HBBIIIQ")
CALL = struct.Struct("<QQQQIHBx")
MAPPING = struct.Struct("<HBBIIIQ5Q")
MISS = struct.Struct("<HBBIIIQQQQQ8Q")
"""Up to the slice."""


def cookie(
    slot: int,
    role: str,
    function: int,
    family: int,
    *,
    zero_frees: bool = False,
    second: bool = False,
    by_exits: bool = False,
    yields: bool = False,
    mapping: bool = False,
) -> int:
    """The low half of a probe's attach cookie: slot, role, 8 bits of function, 6 of family, flags.

    `second`: of two attachments that follow each other, the one that counts while the slot says so.
    `mapping`: of the family mmap, whose functions are known by their numbers.
    """
    return (
        slot
        | ROLES[role] << 10
        | (COOKIE_BY_EXITS if by_exits else 0)
        | (COOKIE_YIELDS if yields else 0)
        | second << 15
        | function << 16
        | family << 24
        | (COOKIE_ZERO_FREES if zero_frees else 0)
        | (COOKIE_MAPPING if mapping else 0)
    )


def entry_cookie(
    size: int, count: int = NO_REGISTER, pointer: int = NO_REGISTER, out: int = NO_REGISTER
) -> int:
    """The high half at an entry: in which registers its arguments are."""
    return size << 32 | count << 37 | pointer << 42 | out << 47


def exit_cookie(result: int, return_at: int, fp_at: int, condition: int) -> int:
    """The high half at an exit: see `probes.exits.Exit`."""
    return result << 32 | return_at << 37 | fp_at << 45 | condition << 53


def stack_hash(pcs: tuple[int, ...], called: int, end: int, *, guessed: bool) -> int:
    """What `walk_stack` of bpf/unwind.h computes."""
    value = HASH_SEED
    for word in (called, *pcs, end | guessed << 8):
        value = ((value ^ word) * HASH_FACTOR) & 0xFFFFFFFFFFFFFFFF
        value ^= value >> 29
    return value or 1


def slot_of(key: int) -> int:
    """Of a `BLOCK_KEY`, as of any SLOT_KEY."""
    return (key & ~IN_POOL) >> ADDRESS_BITS


def slot_key(slot: int, address: int) -> int:
    """`SLOT_KEY`."""
    return slot << ADDRESS_BITS | address & (1 << ADDRESS_BITS) - 1
