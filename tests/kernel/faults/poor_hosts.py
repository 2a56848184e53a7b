"""The host gives the tool too little: files, memory, processes, streams, room on its disks, /proc."""

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from pathlib import Path

from tests.kernel.faults.fault import Expected, Fault, may_end, times
from tests.kernel.faults.round import Round
from tests.kernel.faults.ways import RECORD, TEXT, Way, best, best_and_perf
from tests.kernel.groups import control_group
from tests.kernel.harness import wait_until
from tests.kernel.hosts import Prefix, in_group, with_mounts

KILLED = -9
# Below these the interpreter itself does not come to our first line.
_LEAST_FILES, _LEAST_ADDRESS_SPACE_MIB = 6, 26
_MOST_FILES, _MOST_ADDRESS_SPACE_MIB = 120, 700
_SMALL = "64k"


def _under(prefix: Sequence[str], way: Way, *options: str) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        made.start(way, *options, prefix=prefix)
        return ""

    return inject


def _with_files(way: Way) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        most = _LEAST_FILES + made.number
        made.start(way, prefix=("prlimit", f"--nofile={most}"))
        return f"{most} files"

    return inject


def _with_address_space(made: Round) -> str:
    # Close together where the start-up is, further apart behind that.
    mib = _LEAST_ADDRESS_SPACE_MIB
    for _ in range(made.number):
        mib += max(2, mib // 16)
    made.start(best(), prefix=("prlimit", f"--as={mib << 20}"))
    return f"{mib} MiB"


def _address_spaces(_made: Round) -> int:
    count, mib = 0, _LEAST_ADDRESS_SPACE_MIB
    while mib < _MOST_ADDRESS_SPACE_MIB:
        mib += max(2, mib // 16)
        count += 1
    return count


def _with_tasks(made: Round) -> str:
    most = 1 + made.number
    group = made.undo.enter_context(control_group("pids"))
    (group / "pids.max").write_text(str(most))
    made.start(best(), prefix=in_group(group)).wait()
    return f"{most} tasks"


def _with_memory(made: Round) -> str:
    mib = 4 + 4 * made.number
    group = made.undo.enter_context(control_group("memory"))
    (limit,) = (name for name in ("memory.max", "memory.limit_in_bytes") if (group / name).exists())
    (group / limit).write_text(str(mib << 20))
    run = made.start(best(), prefix=in_group(group))
    run.wait()
    wait_until(lambda: not (group / "cgroup.procs").read_text(), "an empty group")
    return f"{mib} MiB"


STREAMS = ["".join(words) for words in product(("", "<&- "), ("", ">&- "), ("", "2>&-"))]


def _without_streams(made: Round) -> str:
    closed = STREAMS[made.number]
    made.start(best(), prefix=("sh", "-c", f'exec "$@" {closed}', "sh"))
    return closed


def _to_a_full_device(way: Way) -> Callable[[Round], str]:
    def inject(made: Round) -> str:
        made.start(way, stdout="/dev/full")
        return ""

    return inject


def _log_to_a_full_device(made: Round) -> str:
    made.start(best(), "--log-file", "/dev/full", "--debug")
    return ""


def _in_cache(script: str, *, compiles: bool = True) -> Callable[[Round], str]:
    """After `script` with `$1`, the cache."""

    def inject(made: Round) -> str:
        cache = made.bench.places.cache
        if compiles:
            made.bench.places.forget_cache()
        made.start(best(), prefix=with_mounts(script.replace("$1", str(cache))))
        return ""

    return inject


def _in_recorded(script: str, *options: str) -> Callable[[Round], str]:
    """After `script` with `$1`, the folder of the snapshots."""

    def inject(made: Round) -> str:
        folder = made.bench.places.cwd / "snapshots"
        folder.mkdir(mode=0o700)
        made.start(RECORD, *options, prefix=with_mounts(script.replace("$1", str(folder))))
        return ""

    return inject


def _without_temporary(made: Round) -> str:
    made.bench.places.forget_cache()
    places = [Path(place) for place in ("/tmp", "/var/tmp", "/usr/tmp", made.bench.places.cwd)]
    inner = made.bench.places.tmp
    script = "; ".join(
        f"mount --bind {place} {place}; mount -o remount,bind,ro {place}"
        for place in (*places, inner)
        if place.is_dir() and not place.is_symlink()
    )
    made.start(best(), prefix=with_mounts(script))
    return ""


_READ_ONLY = "mount --bind $1 $1; mount -o remount,bind,ro $1"
_FULL = f"mount -t tmpfs -o size={_SMALL} none $1; head -c {_SMALL} /dev/zero >$1/.filler || true"
_OF_OTHERS = "mount -t tmpfs none $1; mkdir $1/ebpftrace; chown 12345 $1/ebpftrace"
_NO_INODES = "mount -t tmpfs -o nr_inodes=1 none $1"


def _hosts() -> Iterator[tuple[str, str, Prefix, Expected]]:
    """Without something that the tool reads: name, what, command in front of it, what is expected."""
    yield (
        "no-proc",
        "/proc is not mounted",
        with_mounts("mount -t tmpfs none /proc"),
        may_end(3, says="/proc is not readable. Mount it: mount -t proc"),
    )
    yield (
        "hidepid",
        "/proc hides the processes of others",
        with_mounts("mount -t proc -o hidepid=2 proc /proc"),
        may_end(0),
    )
    yield (
        "no-tracefs",
        "tracefs and debugfs are not there",
        with_mounts("for at in tracing debug; do mount -t tmpfs none /sys/kernel/$at; done"),
        may_end(0),
    )
    yield (
        "no-cgroups",
        "control groups are not mounted",
        with_mounts("umount --lazy /sys/fs/cgroup; mount -t tmpfs none /sys/fs/cgroup"),
        may_end(0),
    )
    yield (
        "no-dev",
        "there is no /dev/null",
        with_mounts("mount -t tmpfs none /dev"),
        may_end(0),
    )


def all_of_them() -> Iterator[Fault]:
    for way in best_and_perf():
        yield Fault(
            f"open-files-{way.name}",
            f"the tool ({way.name}) may open so few files, from {_LEAST_FILES} to {_MOST_FILES}",
            _with_files(way),
            may_end(0, 3, says="may not open more than.*ulimit -n"),
            times(_MOST_FILES - _LEAST_FILES),
        )
    yield Fault(
        "address-space",
        f"the tool may map so little, from {_LEAST_ADDRESS_SPACE_MIB} to {_MOST_ADDRESS_SPACE_MIB} MiB",
        _with_address_space,
        may_end(0, 3, says="ulimit -v|memory|thread"),
        _address_spaces,
    )
    yield Fault(
        "tasks",
        "the control group of the tool may have so few processes and threads, from 1 to 20",
        _with_tasks,
        may_end(0, 3, says="pids.max|ulimit -u"),
        times(20),
    )
    yield Fault(
        "memory-group",
        "the control group of the tool has so little memory, from 4 to 160 MiB",
        _with_memory,
        may_end(0, 3, 4, KILLED, says="memory"),
        times(40),
    )
    yield Fault(
        "streams",
        "some of stdin, stdout and stderr are closed",
        _without_streams,
        may_end(0),
        times(len(STREAMS)),
    )
    full = may_end(2, says="The output cannot be written: No space left on device")
    for way in (best(), TEXT):
        yield Fault(
            f"stdout-full-{way.name}",
            "stdout is on a full disk",
            _to_a_full_device(way),
            full,
        )
    yield Fault("log-full", "the log file is on a full disk", _log_to_a_full_device, may_end(0))
    for name, what, script in (
        ("full", "is on a full disk", _FULL),
        ("read-only", "is read-only", _READ_ONLY),
        ("no-inodes", "is on a disk without room for a file", _NO_INODES),
        ("a-file", "is a file", "mount -t tmpfs none $1; touch $1/ebpftrace"),
        ("of-others", "belongs to somebody else", _OF_OTHERS),
    ):
        yield Fault(f"cache-{name}", f"the folder for caches {what}", _in_cache(script), may_end(0))
    for name, what, script, options in (
        ("full", "is on a full disk", _FULL, ()),
        ("full-stream", "is on a full disk, and a stream is written", _FULL, ("--stream",)),
        ("read-only", "is read-only", _READ_ONLY, ()),
        ("no-inodes", "is on a disk without room for a file", _NO_INODES, ()),
    ):
        yield Fault(
            f"record-{name}",
            f"the folder of the snapshots {what}",
            _in_recorded(script, *options),
            may_end(2, says="No space left on device|Read-only file system"),
        )
    yield Fault(
        "no-temporary",
        "no folder for temporary files can be written, and the tool has to compile",
        _without_temporary,
        may_end(3, says="TMPDIR"),
    )
    for name, what, prefix, expected in _hosts():
        yield Fault(name, what, _under(prefix, best()), expected)
