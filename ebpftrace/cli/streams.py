"""Input and output as every command expects them, however the interpreter was started."""

import io
import os
import sys
from typing import TextIO


def prepare() -> None:
    """Put in place what is missing, and buffers in front of what has none."""
    _replace_closed()
    _buffer("stdout")
    _buffer("stderr")


def leave() -> None:
    """Drop what cannot be written: the interpreter would try again, and exit with its own status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            mute(stream)


def mute(*streams: TextIO) -> None:
    """Let nothing more be said on these, not even by the interpreter at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in streams:
        os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _replace_closed() -> None:
    """Started with `>&-`, Python has no stdout at all, and descriptor 1 is the next file opened."""
    for name, number in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            fd = os.open(os.devnull, os.O_RDWR)
            if fd != number:
                os.dup2(fd, number)
                os.close(fd)
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w"))


def _buffer(name: str) -> None:
    """With PYTHONUNBUFFERED, usual in containers, Python drops what a write(2) that a signal interrupts
    leaves over: the text layer does not look how much a raw file took. A buffer does.
    """
    stream = getattr(sys, name)
    if isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        buffered = open(  # noqa: SIM115 # as long as we run; who gave us the descriptor closes it
            stream.fileno(),
            "w",
            buffering=1 if name == "stderr" else -1,
            encoding=stream.encoding,
            errors=stream.errors,
            closefd=False,
        )
        setattr(sys, name, buffered)
