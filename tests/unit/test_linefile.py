"""A log that grows by whole lines, on a disk that is full at some time."""

import logging
import os
from io import FileIO
from pathlib import Path

import pytest

from ebpftrace.session.linefile import LineFile


class Disk(FileIO):
    """Has room for so many bytes, and takes at most three at once."""

    room = 0

    def write(self, data: object) -> int:
        piece = bytes(data)[: min(3, self.room)]  # type: ignore[call-overload]
        if not piece:
            raise OSError(28, os.strerror(28))
        self.room -= len(piece)
        return super().write(piece)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "log", "wb")


def test_lines_are_written_whole_however_the_file_takes_them(disk: Disk) -> None:
    disk.room = 1000
    file = LineFile(disk)
    file.write(b"one line\nanother line\n")
    file.write(b"and one\n")
    file.close()
    assert Path(str(disk.name)).read_bytes() == b"one line\nanother line\nand one\n"
    assert file.unwritten == 0


def test_a_full_disk_is_said_once_and_what_is_missing_counted(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    disk.room = 14
    file = LineFile(disk)
    file.write(b"one line\n")
    with caplog.at_level(logging.ERROR):
        file.write(b"a second line\nand a third\n")
        disk.room = 1000  # what comes later would stand where something else belongs
        file.write(b"a fourth\n")
    file.close()
    assert Path(str(disk.name)).read_bytes() == b"one line\n"
    assert file.unwritten == 3
    (said,) = caplog.messages
    assert "No space left on device" in said


def test_a_device_that_takes_nothing_is_no_disaster(caplog: pytest.LogCaptureFixture) -> None:
    file = LineFile(FileIO("/dev/full", "wb"))
    file.write(b"one line\n")
    file.close()
    assert file.unwritten == 1
    assert "/dev/full cannot be written any more" in caplog.text
