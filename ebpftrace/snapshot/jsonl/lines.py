"""The lines of a recording, one at a time: plain, or compressed with gzip, which its bytes say."""

import gzip
import os
import zlib
from collections.abc import Callable

from ebpftrace.errors import UsageError
from ebpftrace.snapshot.files import opened

# 50 sites, as many as are written by default, take 0.2 MB; whoever has more asked for them. A line
# of gzip may be a thousand times as long as what it was read from.
MOST_BYTES = 64 << 20
_SLICE = 1 << 20
GZIP = b"\x1f\x8b"


class Lines:
    """`number` is that of the line that was read last. `unended`: nothing stands behind it, not even
    the end of a line. `cut`: gzip says that more was written than there is.

    `gives_up` is asked after each MB. Whatever cannot be read is a UsageError.
    """

    def __init__(self, path: str, gives_up: Callable[[], bool]) -> None:
        self.number = 0
        self.unended = self.cut = False
        self._path = path
        self._gives_up = gives_up
        self._stored = os.fdopen(opened(path), "rb")
        packed = self._stored.peek(2)[:2] == GZIP
        self._file = gzip.GzipFile(fileobj=self._stored) if packed else self._stored

    def next(self) -> bytes | None:
        """Without its end; None after the last one, or when given up."""
        slices: list[bytes] = []
        size = 0
        while not self._gives_up():
            part = self._read()
            size += len(part)
            slices.append(part)
            if size > MOST_BYTES:
                raise UsageError(
                    f"{self._path}, line {self.number + 1}, is longer than {MOST_BYTES >> 20} MB. "
                    "Record with --top, so that fewer sites are written."
                )
            if len(part) < _SLICE or part.endswith(b"\n"):
                return self._line(b"".join(slices))
        return None

    def more(self) -> bool:
        """Is there anything behind this line?"""
        return bool(self._read())

    def close(self) -> None:
        self._file.close()
        self._stored.close()

    def _line(self, line: bytes) -> bytes | None:
        if not line:
            return None
        self.number += 1
        self.unended = not line.endswith(b"\n")
        return line.removesuffix(b"\n")

    def _read(self) -> bytes:
        """Up to a MB of a line; nothing at the end of the file."""
        try:
            return self._file.readline(_SLICE)
        except EOFError:  # the end of what gzip wrote is missing
            self.cut = True
            return b""
        except (OSError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(
                f"{self._path} cannot be read behind line {self.number}: {reason}."
            ) from error
