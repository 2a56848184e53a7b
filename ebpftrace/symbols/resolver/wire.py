"""Messages between the two processes: a length, then JSON; descriptors come with the length."""

import json
import socket
import struct
from collections.abc import Sequence
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


def receive(channel: socket.socket) -> tuple[Message, list[int]]:
    """The next message and what came with it.

    EOFError where the other end has gone, ValueError where it makes no sense, OSError.
    """
    head, files, _, _ = socket.recv_fds(channel, _LENGTH.size, MOST_FILES)
    if len(head) < _LENGTH.size:
        raise EOFError
    (length,) = _LENGTH.unpack(head)
    if length > MOST_BYTES:
        raise ValueError(length)
    body = bytearray()
    while len(body) < length:
        piece = channel.recv(length - len(body))
        if not piece:
            raise EOFError
        body += piece
    message = json.loads(body)
    if not isinstance(message, dict):
        raise ValueError(message)  # noqa: TRY004 - it is the peer's fault, not a caller's
    return message, files
