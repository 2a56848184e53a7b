"""The process that reads debug information, from within: `child` starts it with a socket for requests.

A program of its own rather than a fork of the tool: of what the tool holds in memory nothing is here.
"""

import os
import socket
from contextlib import suppress

from ebpftrace.symbols.resolver import confined, wire


def main(arguments: list[str]) -> int:
    """`arguments`: descriptor of the socket, pid of the maker, "network" if it may use that."""
    channel = socket.socket(fileno=int(arguments[0]))
    network = "network" in arguments[2:]
    try:
        from ebpftrace.symbols.resolver.libdw import library
        from ebpftrace.symbols.resolver.module import DebugModule

        library()
    except (ImportError, AttributeError) as error:  # the latter of a drgn before 0.1
        wire.send(channel, {"error": f"drgn cannot be loaded: {error}"})
        return 1
    try:
        confined.enter(int(arguments[1]), network=network)
    except OSError as error:
        wire.send(channel, {"error": f"it cannot be confined: {error.strerror}"})
        return 1
    wire.send(channel, {})
    modules: dict[int, DebugModule] = {}

    def answer(request: wire.Message, files: list[int]) -> wire.Message:
        number = request["module"]
        if request["do"] == "open":
            try:
                module = DebugModule(
                    request["name"], files, request["build_id"], debuginfod=request["debuginfod"]
                )
            except BaseException:
                for fd in files:
                    os.close(fd)
                raise
            found = module.found
            if found.has_debug_info:
                modules[number] = module
            else:
                module.close()
            return {
                "has_debug_info": found.has_debug_info,
                "mapped_bytes": found.mapped_bytes,
                "refused": found.refused,
                "unanswered": found.unanswered,
            }
        return {"places": [modules[number].places(address) for address in request["addresses"]]}

    with suppress(EOFError, ConnectionError):
        while True:
            request, files = wire.receive(channel)
            try:
                confined.limit(request["most_bytes"], request["seconds"])
                reply = answer(request, files)
            except Exception as error:  # noqa: BLE001 - drgn's own are of no common kind
                reply = {"error": f"{type(error).__name__}: {error}"[:500]}
            wire.send(channel, reply)
    return 0
