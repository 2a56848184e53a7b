"""What runs of the tool have left on the host and in their targets: each by a look at the thing itself.

Others may trace at the same time. A process is ours if its environment has our mark, which its forks keep. A BPF
object is if it is new and no process has it open: or else it is one of others' whose perf events, of which the kernel
tells nothing, are just being removed. So one that goes is nobody's fault, and one that stays is ours.
"""

import contextlib
import ctypes
import os
import re
import struct
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ebpftrace.kernel import syscalls
from tests.kernel.harness import probed_text

_NEXT_ID = {"program": 11, "map": 12, "link": 31}  # BPF_..._GET_NEXT_ID of linux/bpf.h
_FD_BY_ID = {"program": 13, "map": 14}
_NAME_AT = {"program": 64, "map": 24}  # of struct bpf_prog_info, struct bpf_map_info
_NAME_LENGTH = 16
_MAPS_AT = 52  # nr_map_ids of struct bpf_prog_info, and behind it map_ids
_MOST_MAPS = 64
_ID_IN_FDINFO = re.compile(r"^(prog|map|link)_id:\s*(\d+)$", re.MULTILINE)
_UPROBE_EVENTS = Path("/sys/kernel/tracing/uprobe_events")
_LOOK_S = 0.02

BpfObject = tuple[str, int]


def bpf_objects() -> set[BpfObject]:
    """Every BPF object of the host, as bpftool lists them."""
    found = set()
    for kind, command in _NEXT_ID.items():
        number = 0
        while True:
            attributes = ctypes.create_string_buffer(number.to_bytes(4, "little"), 12)
            try:
                syscalls.bpf(command, attributes)
            except FileNotFoundError:
                break
            number = int.from_bytes(attributes.raw[4:8], "little")
            found.add((kind, number))
    return found


def _info(found: BpfObject, size: int, head: bytes = b"") -> bytes:
    """The first bytes of its struct bpf_prog_info or bpf_map_info, asked with `head`; none where it has gone."""
    kind, number = found
    try:
        fd = syscalls.bpf(_FD_BY_ID[kind], number.to_bytes(4, "little") + bytes(8))
    except OSError:
        return b""
    info = ctypes.create_string_buffer(head, size)
    try:
        request = struct.pack("<IIQ", fd, size, ctypes.addressof(info))
        syscalls.bpf(syscalls.OBJ_GET_INFO_BY_FD, request)
    finally:
        os.close(fd)
    return info.raw


def name_of(found: BpfObject) -> str:
    """What a program or map is called; nothing where it has gone, or is a link."""
    at = _NAME_AT.get(found[0])
    if at is None:
        return ""
    return _info(found, at + _NAME_LENGTH)[at:].rstrip(b"\0").decode(errors="replace")


def _maps_of(program: BpfObject) -> set[BpfObject]:
    """Those that it uses, and keeps."""
    numbers = (ctypes.c_uint32 * _MOST_MAPS)()
    head = bytes(_MAPS_AT) + struct.pack("<IQ", _MOST_MAPS, ctypes.addressof(numbers))
    info = _info(program, _MAPS_AT + 12, head)
    count = struct.unpack_from("<I", info, _MAPS_AT)[0] if info else 0
    return {("map", number) for number in numbers[: min(count, _MOST_MAPS)]}


def alive(pid: int) -> bool:
    """Does it run? Who is nobody's child may be left a zombie in a container."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def marked(mark: str) -> list[int]:
    """The living processes that were started with this in their environment, and their forks."""
    word, found = mark.encode(), []
    for pid in _processes():
        with contextlib.suppress(OSError):
            if word in Path(f"/proc/{pid}/environ").read_bytes():
                found.append(pid)
    return found


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _held() -> set[BpfObject]:
    """What any process has open; of perf events the kernel does not say."""
    names, found = {"prog": "program", "map": "map", "link": "link"}, set()
    for pid in _processes():
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if "bpf" in os.readlink(f"/proc/{pid}/fd/{fd}"):
                        text = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
                        ids = _ID_IN_FDINFO.findall(text)
                        found |= {(names[kind], int(number)) for kind, number in ids}
    return found.union(*(_maps_of(each) for each in found if each[0] == "program"))


def _uprobe_events() -> set[str]:
    try:
        return {*_UPROBE_EVENTS.read_text().splitlines()}
    except OSError:  # tracefs is not mounted, and nobody's probes are there
        return set()


def state_of(pid: int) -> dict[str, str]:
    """/proc/PID/status by its keys; empty where there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def held_back(pid: int) -> list[str]:
    """Sentences about a process that is stopped, or that somebody traces."""
    state = state_of(pid)
    if not state:
        return [f"process {pid} is gone"]
    found = []
    for thread in _threads(pid):
        each = state_of(thread)
        if each and each["State"][0] in "Tt":
            found.append(f"thread {thread} of the target is stopped")
    if state["TracerPid"] != "0":
        found.append(f"the target is traced by process {state['TracerPid']}")
    return found


def _threads(pid: int) -> list[int]:
    try:
        return [int(name) for name in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


@dataclass(frozen=True)
class Places:
    """Directories that belong to the runs: what may stay in each, by its path from there."""

    allowed: Mapping[Path, re.Pattern[str]]

    def files(self) -> set[Path]:
        """Those that are there by now and may not stay."""
        found = set()
        for folder, allowed in self.allowed.items():
            for at, folders, files in os.walk(folder):
                inner = [name for name in folders if Path(at, name) not in self.allowed]
                folders[:] = inner
                for name in (*inner, *files):
                    path = Path(at, name)
                    if not allowed.fullmatch(str(path.relative_to(folder))):
                        found.add(path)
        return found


@dataclass(frozen=True)
class Leftovers:
    """What there was before the runs that have `mark` in their environment."""

    mark: str
    places: Places
    objects: frozenset[BpfObject]
    events: frozenset[str]
    files: frozenset[Path]

    @classmethod
    def before(cls, mark: str, places: Places) -> "Leftovers":
        return cls(
            mark,
            places,
            frozenset(bpf_objects()),
            frozenset(_uprobe_events()),
            frozenset(places.files()),
        )

    def found(self, targets: Iterable[int], spared: Callable[[int], bool]) -> list[str]:
        """What is there now that was not there before, a sentence each.

        `targets` are processes that should be as if nothing had been; `spared`: is a marked process one of
        these, and no part of the tool?
        """
        ours = marked(self.mark)
        targets = [*targets, *filter(spared, ours)]
        ours = [pid for pid in ours if pid not in targets]
        found = [f"process {pid} ({state_of(pid).get('Name')}) is left" for pid in ours]
        found += [f"{line!r} is left in uprobe_events" for line in _uprobe_events() - self.events]
        found += [f"{path} is left" for path in sorted(self.places.files() - self.files)]
        for pid in targets:
            with contextlib.suppress(OSError):
                found += [
                    f"a probe is left in {file} of process {pid}" for file in probed_text(pid)
                ]
            found += held_back(pid)
        return found

    def objects_left(self) -> set[BpfObject]:
        """New ones that nobody has open."""
        new = bpf_objects() - self.objects
        return new - _held() if new else new

    def after(
        self,
        targets: Iterable[int],
        limit_s: float,
        spared: Callable[[int], bool] = lambda _: False,
    ) -> tuple[list[str], float]:
        """As `found`, when that is nothing or the limit is reached; and how many seconds that took."""
        began = time.monotonic()
        targets = tuple(targets)
        while True:
            found = self.found(targets, spared)
            took = time.monotonic() - began
            if not found or took > limit_s:
                return found, took
            time.sleep(_LOOK_S)


def kernel_words(pid: int) -> str:
    """Where its threads are in the kernel, for a report of one that hangs."""
    stacks = []
    for thread in _threads(pid):
        with contextlib.suppress(OSError):
            stacks.append(Path(f"/proc/{pid}/task/{thread}/stack").read_text().replace("\n", " < "))
    return " | ".join(stacks)
