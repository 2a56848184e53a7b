"""Messages between the two processes: a length, then JSON; descriptors come with the length."""

import json
import os
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Any

_LENGTH = struct.Struct("<I")
MOST_BYTES = 8 << 20
MOST_FILES = 16

Message = dict[str, Any]


def send(channel: socket.socket, message: Message, files: Sequence[int] = ()) -> None:
    """OSError where the other end has gone."""
    body = json.dumps(message, ensure_ascii=True).encode()
    head = _LENGTH.pack(len(body))
    if files:
        socket.send_fds(channel, [head], files)
    else:
        channel.sendall(head)
    channel.sendall(body)


def receive(
    channel: socket.socket, wait: Callable[[], object] = lambda: None
) -> tuple[Message, list[int]]:
    """The next message and what came with it. `wait` is called before each part is read.

    EOFError where the other end has gone, ValueError where it makes no sense, OSError, and what
    `wait` raises.
    """
    wait()
    head, files, _, _ = socket.recv_fds(channel, _LENGTH.size, MOST_FILES)
    try:
        return _body(channel, head, wait), files
    except BaseException:
        for fd in files:
            os.close(fd)
        raise


def _body(channel: socket.socket, head: bytes, wait: Callable[[], object]) -> Message:
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > MOST_BYTES:
        raise ValueError(length)
    body = bytearray()
    while len(body) < length:
        wait()
        piece = channel.recv(length - len(body))
        if not piece:
            raise EOFError
        body += piece
    try:
        message = json.loads(body)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError(message)  # noqa: TRY004 - it is the peer's fault, not a caller's
    return message
