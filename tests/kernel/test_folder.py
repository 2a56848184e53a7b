"""Snapshots on a file system that is full, or taken away from under the recorder."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.snapshot.storage.folder import Folder, Keep, NotWritten, listed
from tests.unit.folders import NIGHT, appended, kept, opened, seen

BYTES = 1 << 20


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of BYTES, seen by this host for as long as the test takes."""
    path = tmp_path / "small"
    path.mkdir()
    mount("-t", "tmpfs", "-o", f"size={BYTES}", "none", path)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=False, stderr=subprocess.DEVNULL)


def mount(*given: str | Path) -> None:
    subprocess.run(["mount", *given], check=True)


def failure(folder: Folder) -> str:
    with pytest.raises(NotWritten) as caught:
        folder.write(NIGHT, "end", [b"x" * (BYTES // 4)] * 3)
    return str(caught.value)


def test_a_full_disk_keeps_the_old_files_and_says_so_until_there_is_room(small):
    with opened(small / "snaps") as folder:
        first = kept(folder, data=b"x" * (BYTES // 2))
        stream = appended(folder)
        said = failure(folder)
        assert said == (
            f"No snapshot was written to {small}/snaps: No space left on device. Free space "
            "there; the snapshots before it are whole, and the next one is tried again."
        )
        with pytest.raises(NotWritten, match="No space left"):
            appended(folder, b"x" * BYTES)
        assert seen(small / "snaps") == sorted([first, stream])
        assert (small / "snaps" / stream).read_bytes() == b"head.record."
        assert (small / "snaps" / first).stat().st_size == BYTES // 2
        (small / "snaps" / first).unlink()
        folder.write(NIGHT, "end", [b"x" * (BYTES // 4)] * 3)


def test_a_file_system_that_goes_or_is_replaced_by_a_read_only_one_is_noticed(small, caplog):
    with opened(small, Keep(count=2)) as folder:
        kept(folder)
        mount("-t", "tmpfs", "-o", "ro", "none", small)
        for _ in range(2):
            assert "Read-only file system. Write to another file system" in failure(folder)
        for _ in range(2):
            subprocess.run(["umount", "--lazy", small], check=True)
        kept(folder)
        assert "was removed or replaced" in caplog.text
    assert not os.path.ismount(small)
    assert len(listed(str(small))) == 1
