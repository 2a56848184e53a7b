"""BPF maps as bytes: single entries, per-cpu counters, and whole maps by batches."""

import ctypes
import errno
import struct
from collections.abc import Iterator
from pathlib import Path

from ebpftrace.kernel import syscalls

_BATCH = 8192
_MOST_CPUS = 8192  # NR_CPUS of x86-64 and arm64 at most


class Table:
    """One map, by descriptor and the sizes of its key and value in bytes."""

    def __init__(self, fd: int, key_size: int, value_size: int) -> None:
        self.fd = fd
        self.key_size = key_size
        self.value_size = value_size

    def lookup(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        value = ctypes.create_string_buffer(self.value_size)
        return value.raw if self._element(syscalls.MAP_LOOKUP, key, value) else None

    def update(self, key: bytes, value: bytes) -> None:
        """Store `value`; OSError (E2BIG: full)."""
        buffer = ctypes.create_string_buffer(value, self.value_size)
        self._element(syscalls.MAP_UPDATE, key, buffer)

    def delete(self, key: bytes) -> bool:
        """Remove `key`; False if it was not there."""
        return self._element(syscalls.MAP_DELETE, key, None)

    def _element(self, command: int, key: bytes, value: ctypes.Array[ctypes.c_char] | None) -> bool:
        name = ctypes.create_string_buffer(key, self.key_size)
        at = ctypes.addressof(value) if value is not None else 0
        try:
            syscalls.bpf(command, struct.pack("<IIQQQ", self.fd, 0, ctypes.addressof(name), at, 0))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise
        return True

    def clear(self) -> None:
        """Remove every entry."""
        for _ in self._batches(syscalls.MAP_TAKE_BATCH, _BATCH):
            pass

    def batches(self, size: int = _BATCH) -> Iterator[tuple[memoryview, memoryview]]:
        """All entries as (keys, values) of up to `size` entries each, valid until the next step.

        An entry that is there all the while comes exactly once (kernel/bpf/hashtab.c hands out
        whole buckets); one that comes or goes meanwhile may be in or out.
        """
        return self._batches(syscalls.MAP_LOOKUP_BATCH, size)

    def _batches(self, command: int, size: int) -> Iterator[tuple[memoryview, memoryview]]:
        cursor = ctypes.create_string_buffer(8)
        started = False
        keys = ctypes.create_string_buffer(size * self.key_size)
        values = ctypes.create_string_buffer(size * self.value_size)
        while True:
            attributes = ctypes.create_string_buffer(
                struct.pack(
                    "<QQQQIIQQ",
                    ctypes.addressof(cursor) if started else 0,
                    ctypes.addressof(cursor),
                    ctypes.addressof(keys),
                    ctypes.addressof(values),
                    size,
                    self.fd,
                    0,
                    0,
                ),
                56,
            )
            last = False
            try:
                syscalls.bpf(command, attributes)
            except OSError as error:
                if error.errno == errno.ENOSPC:  # one bucket holds more than `size`
                    size *= 2
                    keys = ctypes.create_string_buffer(size * self.key_size)
                    values = ctypes.create_string_buffer(size * self.value_size)
                    continue
                if error.errno != errno.ENOENT:
                    raise
                last = True
            (count,) = struct.unpack_from("<I", attributes, 32)
            if count:
                yield (
                    memoryview(keys).cast("B")[: count * self.key_size],
                    memoryview(values).cast("B")[: count * self.value_size],
                )
            if last:
                return
            started = True


class Counters:
    """A per-cpu array of u64 counters, read as sums."""

    def __init__(self, fd: int, count: int) -> None:
        self._table = Table(fd, 4, 8 * possible_cpus())
        self._count = count

    def read(self) -> list[int]:
        """The counters, each summed over all processors."""
        return [self.one(index) for index in range(self._count)]

    def one(self, index: int) -> int:
        """One of them, in 10 us."""
        raw = self._table.lookup(struct.pack("<I", index)) or b""
        return sum(struct.unpack(f"<{len(raw) // 8}Q", raw))

    def reset(self) -> None:
        """All to 0."""
        for index in range(self._count):
            self._table.update(struct.pack("<I", index), bytes(self._table.value_size))


def possible_cpus() -> int:
    """Processors that the kernel keeps a per-cpu value for; where it does not tell, the most."""
    try:
        text = Path("/sys/devices/system/cpu/possible").read_text().strip()
        return int(text.rsplit(",", 1)[-1].rsplit("-", 1)[-1]) + 1
    except (OSError, ValueError):
        return _MOST_CPUS  # a value too short would be written past its end


def charged_bytes(fd: int) -> int:
    """Memory that the kernel charges for a map or program (`memlock` of its fdinfo)."""
    try:
        for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines():
            if line.startswith("memlock:"):
                return int(line.split()[1])
    except (OSError, ValueError, IndexError):
        pass
    return 0
