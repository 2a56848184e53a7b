"""Standard output, however the interpreter was started."""

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SIZE = 1 << 20
WRITER = f"""
import signal, sys
from ebpftrace.cli import streams
streams.prepare()
for number in (signal.SIGINT, signal.SIGUSR1):
    signal.signal(number, lambda *_: None)
sys.STREAM.write("x" * {SIZE} + "\\n")
sys.STREAM.flush()
"""


def waiting(pipe: int) -> int:
    """Bytes in it."""
    return struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))[0]


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_what_a_signal_interrupts_is_written_to_its_end(stream: str, unbuffered: str):
    reader, writer = os.pipe()
    full = fcntl.fcntl(writer, fcntl.F_GETPIPE_SZ)
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER.replace("STREAM", stream)],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(REPOSITORY)},
        stdout=writer if stream == "stdout" else None,
        stderr=writer if stream == "stderr" else None,
    )
    os.close(writer)
    with child, os.fdopen(reader, "rb") as pipe:
        while waiting(reader) < full:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        time.sleep(0.1)
        child.send_signal(signal.SIGUSR1)
        written = pipe.read()
    assert (len(written), child.returncode) == (SIZE + 1, 0)


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_what_cannot_be_written_changes_no_exit_status(unbuffered: str):
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "ebpftrace", "--version"],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered, "PYTHONPATH": str(REPOSITORY)},
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (0, b"")
