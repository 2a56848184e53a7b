"""One recorder at a time in a directory, and nothing lost however it ends."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.snapshot.storage.folder import Folder, Keep, NotWritten
from tests.unit.folders import NIGHT, appended, kept, opened, seen

# The children are forks of a process that other tests gave threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

KILLS = 200
LONGEST_S = 0.03
END = b"END."


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "snaps"


def forked(run: Callable[[], object]) -> int:
    """A child that does this and nothing else."""
    if pid := os.fork():
        return pid
    try:
        run()
    finally:
        os._exit(0)


def killed(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def refusal(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        Folder.open(str(path), Keep())
    return str(caught.value)


def test_a_second_recorder_is_told_who_the_first_one_is(path):
    with opened(path) as folder:
        assert refusal(path) == (
            f"{path} is in use: the recorder with pid {os.getpid()} writes there. "
            "Give each recorder a directory of its own, or end that one."
        )
        (path / ".lock").write_bytes(b"\x1b[31m nonsense")
        assert "another recorder writes there" in refusal(path)
        kept(folder)
    with opened(path):
        pass


def test_the_lock_of_a_recorder_that_was_killed_is_free(path):
    told, tells = os.pipe()

    def hold() -> None:
        folder = Folder.open(str(path), Keep())
        os.write(tells, b"x")
        time.sleep(60)
        folder.close()

    pid = forked(hold)
    try:
        os.read(told, 1)
        assert f"pid {pid}" in refusal(path)
    finally:
        killed(pid)
        os.close(told)
        os.close(tells)
    with opened(path):
        pass


def descriptors_of_locks(pid: int | str = "self") -> list[str]:
    folder = Path(f"/proc/{pid}/fd")
    found = []
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            found.append(os.readlink(folder / name))
    return [path for path in found if path.endswith("/.lock")]


def test_no_child_holds_the_lock_after_its_parent(path):
    told, tells = os.pipe()
    with opened(path):
        command = [sys.executable, "-S", "-c", "print(); input()"]
        program = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False
        )
        assert program.stdout
        program.stdout.readline()
        fork = forked(lambda: os.write(tells, b"%d" % len(descriptors_of_locks())))
        assert os.read(told, 9) == b"0"
        os.waitpid(fork, 0)
        assert not descriptors_of_locks(program.pid)
        assert descriptors_of_locks() == [str(path / ".lock")]
        program.communicate(b"\n")
    os.close(told)
    os.close(tells)


def test_a_child_that_is_just_forked_does_not_keep_the_directory_from_the_next(path):
    for _ in range(20):
        folder = Folder.open(str(path), Keep())
        pid = forked(lambda: time.sleep(60))
        folder.close()
        with opened(path):
            killed(pid)


def test_a_lock_that_somebody_deletes_is_made_anew(path):
    with opened(path) as folder:
        (path / ".lock").unlink()
        kept(folder)
        assert f"pid {os.getpid()}" in refusal(path)


def test_who_lost_the_directory_with_its_lock_writes_no_more(path):
    with opened(path) as first:
        (path / ".lock").unlink()
        with opened(path) as second:
            with pytest.raises(NotWritten, match=f"pid {os.getpid()} writes there by now"):
                kept(first)
            with pytest.raises(NotWritten, match="writes there by now"):
                appended(first)
            kept(second)
        kept(first)
    assert len(seen(path)) == 2


def test_what_killed_recorders_left_is_removed_and_nothing_else(path, tmp_path):
    path.mkdir()
    stays = [".tmp-ebpftrace-0", ".tmp-0123456789abcdef", ".new-ebpftrace-0123456789abcdef"]
    for name in (*stays, ".tmp-ebpftrace-0123456789abcdef"):
        (path / name).touch()
    (path / ".tmp-ebpftrace-1123456789abcdef").mkdir()
    (path / ".tmp-ebpftrace-2123456789abcdef").symlink_to(tmp_path)
    with opened(path):
        refusal(path)
    assert seen(path) == sorted(
        [*stays, ".tmp-ebpftrace-1123456789abcdef", ".tmp-ebpftrace-2123456789abcdef"]
    )


def record_for_ever(path: Path, tells: int) -> None:
    """Write as fast as it goes, and tell the name of each file that is there."""
    folder = Folder.open(str(path), Keep(count=12, bytes=4_000_000))
    for number in count():
        piece = b"%d," % number * 5000
        written = folder.write(NIGHT, "end", [piece, piece, END])
        os.write(tells, written.encode() + b"\n")
        written = folder.append(NIGHT, lambda: b"head.", lambda: b"x" * 20_000 + END)
        os.write(tells, written.encode() + b"\n")


def check_whole(path: Path) -> None:
    for name in os.listdir(path):
        data = (path / name).read_bytes()
        if name.endswith(".ebpftrace"):
            assert data.endswith(END), name
        elif name.endswith(".ebpfstream"):
            assert data.startswith(b"head." + b"x" * 20_000 + END), name


def test_a_recorder_killed_at_any_moment_leaves_whole_files_and_loses_none(path):
    chance = random.Random(7)
    written = 0
    for _ in range(KILLS):
        told, tells = os.pipe()
        pid = forked(partial(record_for_ever, path, tells))
        os.close(tells)
        time.sleep(chance.uniform(0, LONGEST_S))
        killed(pid)
        with os.fdopen(told) as lines:
            names = lines.read().splitlines()
        written += len(names)
        assert not names or Path(names[-1]).exists()
        with suppress(FileNotFoundError):
            assert sum(name.startswith(".tmp") for name in os.listdir(path)) <= 1
            check_whole(path)
    assert written > KILLS
    with opened(path) as folder:
        assert not [name for name in seen(path) if name.startswith(".")]
        assert max(seen(path)) < kept(folder)
