"""What the compiler made, in bytes that can be kept: code, and the shapes of its maps.

Reading is strict: bytes that are not what `packed` gave for the same key are Damaged.
"""

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ebpftrace.host.explain import refusal
from ebpftrace.kernel import syscalls
from ebpftrace.kernel.compiler import Compiled, Unit
from ebpftrace.kernel.compiler_files import FileIdentity
from ebpftrace.kernel.instructions import SIZE, with_maps
from ebpftrace.kernel.syscalls import MapShape

FORMAT = 1
"""Of the bytes, and of what code and maps mean in them."""
_MAGIC = b"ebpftrace-build"


class Damaged(ValueError):
    """Bytes that are no build of this key."""


@dataclass(frozen=True, slots=True)
class Build:
    """Code in which the n-th map is named by n, from 0 on, and the maps in that order."""

    maps: dict[str, MapShape]
    code: dict[str, bytes]
    bcc_version: str
    made_by: tuple[FileIdentity, ...]

    @classmethod
    def of(cls, compiled: Compiled) -> "Build":
        """OSError where the kernel does not tell of a map."""
        numbers = {fd: number for number, fd in enumerate(compiled.maps.values())}
        return cls(
            {name: syscalls.map_shape(fd) for name, fd in compiled.maps.items()},
            {name: with_maps(code, numbers) for name, code in compiled.code.items()},
            compiled.bcc_version,
            compiled.made_by,
        )

    def loaded(self, entries: Mapping[str, int]) -> Compiled:
        """With its maps created, of so many `entries` where that is told. HostRefuses."""
        with ExitStack() as undo:
            maps = {}
            for name, shape in self.maps.items():
                wanted = shape._replace(entries=entries.get(name, shape.entries))
                try:
                    maps[name] = syscalls.create_map(*wanted, name)
                except OSError as error:
                    doing = f"The BPF map {name} cannot be created"
                    raise refusal(error, "map", doing) from error
                undo.callback(os.close, maps[name])
            undo.pop_all()
        here = dict(enumerate(maps.values()))
        code = {name: with_maps(code, here) for name, code in self.code.items()}
        return Compiled(maps, code, self.bcc_version, self.made_by)


def packed(build: Build, key: str) -> bytes:
    """A line with `key` and a checksum, and JSON."""
    body = json.dumps(
        {
            "bcc": build.bcc_version,
            "files": build.made_by,
            "maps": [(name, *shape) for name, shape in build.maps.items()],
            "code": {name: b64encode(code).decode() for name, code in build.code.items()},
        },
        ensure_ascii=True,
    ).encode()
    return _head(key, body) + body


def unpacked(data: bytes, key: str, unit: Unit) -> Build:
    """The build of `unit` that was packed under `key`. Damaged."""
    end = data.find(b"\n") + 1
    if data[:end] != _head(key, data[end:]):
        raise Damaged("this is no build of this key, or it was changed")
    try:
        return _understood(json.loads(data[end:]), unit)
    except (ValueError, LookupError, TypeError, RecursionError) as error:
        raise Damaged(f"this is no build of these programs: {error}") from error


def _head(key: str, body: bytes) -> bytes:
    return b"%s %d %s %s\n" % (_MAGIC, FORMAT, key.encode(), sha256(body).hexdigest().encode())


def _understood(fields: dict[str, Any], unit: Unit) -> Build:
    maps = {_text(name): MapShape(*map(_number, rest)) for name, *rest in fields["maps"]}
    if tuple(maps) != unit.maps or len(fields["maps"]) != len(maps):
        raise ValueError("other maps")
    code = {name: b64decode(fields["code"][name], validate=True) for name in unit.programs}
    numbers = {number: number for number in range(len(maps))}
    for one in code.values():
        if not one or len(one) % SIZE:
            raise ValueError("a program is empty or ends in the middle of an instruction")
        with_maps(one, numbers)
    files = tuple(
        FileIdentity(_text(path), _number(size, 1 << 63), _number(modified, 1 << 63))
        for path, size, modified in fields["files"]
    )
    return Build(maps, code, _text(fields["bcc"]), files)


def _number(value: object, below: int = 1 << 32) -> int:
    if type(value) is not int or not 0 <= value < below:
        raise ValueError("no number that can be")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
