"""What /proc says of a target: names, paths, words and groups are the target's to choose."""

import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from posixpath import normpath
from typing import cast

from ebpftrace.host import status
from ebpftrace.kernelfiles import counters, sizes
from ebpftrace.model.ids import Pid
from ebpftrace.target import facts
from ebpftrace.target.cpu_group import quota
from ebpftrace.target.glimpse import glimpse
from ebpftrace.target.group_mounts import mounts_in
from ebpftrace.target.layout import Layout
from ebpftrace.target.mapped import mapped_ranges
from ebpftrace.target.maps import MOST_LINES, parse_maps
from ebpftrace.target.memory_group import candidates, upwards
from ebpftrace.target.modules import _by_file, key_of
from ebpftrace.target.process import Process, _read_stat
from ebpftrace.target.space import _gone
from ebpftrace.text import clean
from scripts.fuzzing.files import Folder
from scripts.fuzzing.shown import all_printable, printable
from scripts.fuzzing.target import Finding, Target

_FILES = ("status", "stat", "limits", "smaps_rollup", "cmdline", "environ", "statm")
_LONGEST_COMM = 15
_MOST_ASKED = 256
_folder = Folder(*_FILES)


class _Process:
    """As much of a process as its facts are asked of: its files are those of _folder."""

    pid = Pid(42)

    def proc_path(self) -> str:
        return str(_folder.path)


_process = cast(Process, _Process())
# Its files as those of a process in /proc.
_pid = cast(Pid, f"..{_folder.path}")


def _maps_attempt(data: bytes) -> None:
    first, _, second = data.partition(b"\n\n")
    mappings = parse_maps(first)
    if len(mappings) > MOST_LINES:
        raise Finding(f"{len(mappings)} mappings")
    now = parse_maps(second)
    for one in mappings[:_MOST_ASKED]:
        key_of(one)
        Layout(mappings).find(one.start)
    for part in mapped_ranges(mappings, {}):
        printable(part.path, "a path")
    _by_file(mappings)
    ordered = sorted(mappings, key=lambda one: one.start)
    after = sorted(now, key=lambda one: one.start)
    layout = Layout(ordered).after(after)
    for one in (*ordered[:1], *after[:1]):
        layout.find(one.start)
    for start, end in islice(_gone(ordered, after), _MOST_ASKED):
        if start >= end:
            raise Finding(f"what is gone begins at {start:#x} and ends at {end:#x}")


def _maps_seeds() -> Iterator[bytes]:
    lines = [
        b"55e0c0000000-55e0c0001000 r--p 00000000 fe:01 131  /usr/bin/x\n",
        b"55e0c0001000-55e0c0002000 r-xp 00001000 fe:01 131  /usr/bin/x (deleted)\n",
        b"7f0000000000-7f0000001000 rw-p 00000000 00:00 0 \n",
        b"7f0000001000-7f0000002000 rwxp 00000000 00:00 0 [anon:a\\012b]\n",
        b"7f0000002000-7f0000003000 r-xp 00000000 00:01 7 /a\\012 \x1b[31m\xff (deleted)\n",
        b"7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]\n",
        b"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n",
    ]
    yield b"".join(lines)
    yield b"".join(lines) + b"\n" + b"".join(lines[1:4])
    yield b"".join(lines[:2]) + b"\n" + b"".join(lines[4:])


MAPS = Target(
    "maps",
    "/proc/PID/maps: the paths of mapped files",
    _maps_attempt,
    _maps_seeds,
    words=(b" (deleted)", b"\\012", b"-", b" r-xp ", b"\n\n", b"[vdso]", b"00:00 0"),
)


def _proc_attempt(data: bytes) -> None:
    """All files of a process, and of its groups, are of the same bytes."""
    _folder.fill_all(data)
    text = data.decode("utf-8", "surrogateescape")
    seen = glimpse(_pid)
    if seen is not None:
        printable(clean(seen.comm), "a name")
    with suppress(ProcessLookupError):
        _read_stat(str(_folder.path))
    status.parse(text)
    facts.status(_process)
    facts.rollup(_process)
    all_printable(facts.limits(_process), "the name of a limit")
    for words in (facts.command_line(_process), facts.environment(_process) or ()):
        all_printable(words, "a word", facts.MOST_BYTES)
        if len(words) > facts.MOST_WORDS + 1:
            raise Finding(f"{len(words)} words")
    quota(text)
    counters(text)
    sizes(text)
    groups, _, mounts = text.partition("\n\n")
    for mount in islice(mounts_in(mounts), _MOST_ASKED):
        _check_group(mount.directory_of("/a/../b"), mount.point)
    for place in islice(candidates(groups, mounts), _MOST_ASKED):
        _check_group(place.directory, place.mount)
        if normpath(place.mount) == place.mount:  # as the kernel's are
            for directory in upwards(place):
                _check_group(directory, place.mount)


def _check_group(directory: str | None, point: str) -> None:
    """A path of a group leads to nothing but what is mounted there."""
    if directory is not None and directory != point:
        inside = directory.removeprefix(point.rstrip("/"))
        if not directory.startswith(point.rstrip("/")) or ".." in inside.split("/"):
            raise Finding(f"{directory!a} is a group of {point!a}")


def _proc_seeds() -> Iterator[bytes]:
    yield _status(b"x") + b"Groups:\t0\nNSpid:\t42\t7\nx86_Thread_features:\tshstk \n"
    yield b"42 (a) b) S 1 42 42 0 -1 4194304 5 0 6 0 1 2 0 0 20 0 1 0 99 4096 5 " + b"1 " * 30
    yield (
        b"Limit                     Soft Limit           Hard Limit           Units     \n"
        b"Max cpu time              unlimited            60                   seconds   \n"
    )
    yield b"/usr/bin/x\0--a=b\0\x1b[31m\0\xff\0"
    yield (
        b"12:memory:/docker/ab (deleted)\n1:name=systemd:/init.scope\n0::/a/../b\n\n"
        b"31 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
        b"32 23 0:27 /docker /sys/fs/cg\\040roup/memory rw - cgroup cgroup rw,memory\n"
    )
    yield b"100000 100000\n"
    yield b"oom_kill 2\nlow 0\nhigh 99999999999999999999\n"
    yield b"Rss:                1234 kB\nPss:     12 kB\n"


PROC = Target(
    "proc",
    "status, stat, limits, command line, environment and groups of a process",
    _proc_attempt,
    _proc_seeds,
    words=(b"Uid:\t", b"NSpid:\t", b" kB\n", b"\n\n", b" - cgroup2 ", b"0::/", b"..", b"(deleted)"),
)


def _status(name: bytes) -> bytes:
    """As the kernel writes it: of a name newline and backslash are escaped (fs/proc/array.c)."""
    escaped = re.sub(rb"[\n\\]", lambda found: b"\\n" if found[0] == b"\n" else b"\\\\", name)
    return (
        b"Name:\t" + escaped + b"\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t42\nPid:\t42\n"
        b"PPid:\t1\nUid:\t1\t2\t3\t4\nVmRSS:\t    12 kB\nRssAnon:\t   8 kB\nCapEff:\t0000000000000001\n"
    )


_PLAIN = _status(b"x")
_OTHERS = (b"42 (", b") S 1 42 42 0 -1 4194304 5 0 6 0 1 2 0 0 20 0 1 0 99 4096 5 " + b"1 " * 30)


def _comm_attempt(data: bytes) -> None:
    """Whatever a process calls itself, nothing else is told of it."""
    name = data.partition(b"\0")[0][:_LONGEST_COMM]
    plain, named = (text.decode("utf-8", "surrogateescape") for text in (_PLAIN, _status(name)))
    if status.parse(named) != status.parse(plain):
        raise Finding(f"{name!r}: {status.parse(named)}")
    _folder.fill("status", _PLAIN)
    before = facts.status(_process)
    _folder.fill("status", _status(name))
    if facts.status(_process) != before:
        raise Finding(f"{name!r}: {facts.status(_process)}")
    _folder.fill("stat", _OTHERS[0] + name + _OTHERS[1])
    told, seen = _read_stat(str(_folder.path)), glimpse(_pid)
    if (told.start_time, told.state) != (99, "S") or seen is None or seen.comm != name:
        raise Finding(f"{name!r}: {told} {seen}")


def _comm_seeds() -> Iterator[bytes]:
    yield from (b"x", b"a) Z 0 (b", b"\rUid:\t0", b"9 kB", b"a\\b\nc", b"Name:\t", b"\xff\xfe")


COMM = Target(
    "comm",
    "the name of a process, which must not change what else is told of it",
    _comm_attempt,
    _comm_seeds,
    words=(b"\r", b"\x0b", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"Seccomp:\t1", b" kB", b") Z "),
    most_bytes=16,
)

TARGETS = (MAPS, PROC, COMM)
