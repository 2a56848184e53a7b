"""The files of a folder in which builds are kept, the newest of them.

A folder and files that somebody else could have written do not count; a file appears whole.
"""

import os
import re
import time
from contextlib import suppress
from pathlib import Path

from ebpftrace import private

MOST_FILES = 8
MOST_BYTES = 4 << 20
"""Of one file; those of today take 100 KB."""
_OURS = re.compile(r"[0-9a-f]{64}\.build")
_UNFINISHED = re.compile(r"\.[0-9a-f]{64}\.build\.\d+")
_ABANDONED_S = 3600.0


class BuildFolder:
    """OSError from all of it: who calls goes on without."""

    def __init__(self, path: Path) -> None:
        """Open the folder, made where it is missing."""
        self._path = private.directory(path)

    def read(self, key: str) -> bytes:
        """What is kept under `key`, which is in use from now on. FileNotFoundError."""
        path = self._path / _name(key)
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not private.only_ours(status):
                raise private.refused(path, "others could have written it")
            if status.st_size > MOST_BYTES:
                raise private.refused(path, "it is too large")
            data = file.read(MOST_BYTES)
            with suppress(OSError):  # of a file system that is mounted read-only
                os.utime(fd)
        return data

    def keep(self, key: str, data: bytes) -> None:
        """Put `data` in place of what is kept under `key`, and drop what was not used for longest."""
        self._put(self._path / _name(key), data)
        self._drop_oldest()

    def _put(self, path: Path, data: bytes) -> None:
        unfinished = self._path / f".{path.name}.{os.getpid()}"
        with suppress(FileNotFoundError):
            unfinished.unlink()  # of an earlier process of this number
        fd, nameless = self._made(unfinished)
        try:
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, 0o600)  # whatever the umask
                file.write(data)
                file.flush()
                if nameless and _give_name(fd, path):
                    return
                if nameless:
                    _give_name(fd, unfinished)
            unfinished.replace(path)
        except BaseException:
            with suppress(OSError):
                unfinished.unlink()
            raise

    def _made(self, unfinished: Path) -> tuple[int, bool]:
        """A new file, and whether it has no name: of one that has, a kill would leave a part."""
        flags = os.O_WRONLY | os.O_CLOEXEC
        try:
            return os.open(self._path, flags | os.O_TMPFILE, 0o600), True
        except OSError:  # a file system that has none
            named = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            return os.open(unfinished, flags | named, 0o600), False

    def _drop_oldest(self) -> None:
        kept = []
        for path in self._path.iterdir():
            with suppress(FileNotFoundError):  # another copy of the tool drops as well
                used = path.lstat().st_mtime
                if _OURS.fullmatch(path.name):
                    kept.append((used, path))
                elif _UNFINISHED.fullmatch(path.name) and used < time.time() - _ABANDONED_S:
                    path.unlink()
        for _, path in sorted(kept, reverse=True)[MOST_FILES:]:
            with suppress(FileNotFoundError):
                path.unlink()


def _give_name(fd: int, path: Path) -> bool:
    """False where there is a file of that name."""
    try:
        # Only with a directory given does Python follow the link of the descriptor.
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)
    except FileExistsError:
        return False
    return True


def _name(key: str) -> str:
    return f"{key}.build"
