"""What the process that places the probes answers where it cannot serve; `Channel.hear` raises it again."""

import json
import socket
import traceback
from contextlib import suppress

from ebpftrace import shortage

_LOG = "The kernel's log may say why: dmesg | tail."


def refused(error: BaseException) -> dict[str, object]:
    """HostRefuses, or where it is nothing of the host's a defect."""
    told = shortage.told(error)
    if told is not None:
        return {"host_refuses": told}
    if isinstance(error, OSError):
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        return {"host_refuses": (f"The process that places the probes has failed: {what}.", _LOG)}
    return {"internal": "".join(traceback.format_exception(error))}


def refuse(channel: socket.socket, error: BaseException) -> None:
    """Only say why it cannot be served."""
    with channel, suppress(OSError):
        channel.send(json.dumps(refused(error)).encode())
