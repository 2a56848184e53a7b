"""ELF files in a directory that a user gives, by build id: a copy of a file tree, a debug root, a heap.

The build id decides what a file is, never its path. What is in there may have come from a host that is
not trusted: links that lead out of it lead back in. Leaves going through all of it to `debug_search`.
"""

import os
import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, suppress
from pathlib import PurePosixPath

from ebpftrace.errors import UsageError
from ebpftrace.symbols.debug_search import Found, Search, identified
from ebpftrace.symbols.source_text import SourceText
from ebpftrace.target.debug_files import supplementary_link
from ebpftrace.target.elf import BadElf, ElfImage
from ebpftrace.target.root import TargetRoot
from ebpftrace.text import clean
from ebpftrace.units import format_count

BUILD_ID = re.compile(r"(?:[0-9a-f]{2}){2,64}")

_MOST_ALIKE = 6
"""Files of one build id that are used: the program, its debug file, copies of them. Each may bring a
dwz file along."""
_MOST_NAMED = 3
_NOBODY = 65534
_DEBUG_ROOT = "usr/lib/debug"


class DebugFolder:
    """Not for two threads at once."""

    def __init__(self, path: str) -> None:
        """UsageError where `path` does not lead to a directory that can be read."""
        self.name = clean(path)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "there is a NUL in its name"
            raise UsageError(
                f"The directory {self.name} cannot be searched for symbols: {why}. Give one with "
                "programs, libraries or debug files in it; their build ids tell which is which."
            ) from error
        self._root = TargetRoot(fd)
        self._search: Search | None = None

    def files(self, build_id: str, path: str) -> list[int]:
        """Descriptors of the files of that build id and of their dwz files, the caller's to close.

        `path` is where the program lay on its host.
        """
        found: list[int] = []
        for one in self._known(build_id, path)[:_MOST_ALIKE]:
            fd = self._open(one.path, build_id)
            if fd is not None:
                found += [fd, *self._supplementary(fd, PurePosixPath(one.path))]
        return found

    def source(self) -> SourceText:
        """The source files that are in there, by the paths that debug information gives them.

        A stranger's path leads root to nothing that only root may read.
        """
        users = {os.geteuid()}
        if 0 in users:
            users = {os.fstat(self._root.fd).st_uid or _NOBODY}
        return SourceText(self._root.open_file, users)

    def notes(self) -> tuple[str, ...]:
        """What of it was not looked at, in sentences."""
        search, notes = self._search, []
        if search is None:
            return ()
        if search.stopped:
            notes.append(
                f"{self.name} was not searched to its end: {clean(search.stopped)}. Give a "
                "directory that holds less."
            )
        if search.unreadable:
            notes.append(
                f"{format_count(search.unreadable)} files and directories in {self.name} could not be read, as "
                "whoever runs this may not, or as they are damaged."
            )
        if search.too_deep:
            notes.append(
                f"{format_count(search.too_deep)} directories lie too deep in {self.name} and were not searched."
            )
        if search.foreign:
            shown = ", ".join(search.foreign[:_MOST_NAMED])
            more = len(search.foreign) - _MOST_NAMED
            notes.append(
                f"What is mounted in {self.name} was not searched: {clean(shown)}"
                + (f" and {format_count(more)} more." if more > 0 else ".")
            )
        return tuple(notes)

    def close(self) -> None:
        """Let go of it; closing twice does nothing."""
        self._root.close()

    def _known(self, build_id: str, path: str) -> list[Found]:
        """First those with lines. All is searched only where names or lines are not found without."""
        found = {one.key: one for one in self._at_usual_places(build_id, path)}
        if not _complete(found.values()):
            if self._search is None:
                self._search = Search(self._root.fd)
            for one in self._search.found.get(build_id, ()):
                found.setdefault(one.key, one)
        return sorted(found.values(), key=lambda one: (not one.lines, not one.names))

    def _at_usual_places(self, build_id: str, path: str) -> Iterator[Found]:
        by_id = f".build-id/{build_id[:2]}/{build_id[2:]}"
        path = path.removesuffix(" (deleted)")
        for place in (
            path,
            f"{by_id}.debug",
            f"{_DEBUG_ROOT}/{by_id}.debug",
            f"{_DEBUG_ROOT}/{path.lstrip('/')}.debug",
        ):
            with suppress(OSError, ValueError):
                fd = self._root.open_file(place)
                try:
                    told = identified(fd, place)
                finally:
                    os.close(fd)
                if told is not None and told[0] == build_id:
                    yield told[1]

    def _open(self, place: str, build_id: str) -> int | None:
        """What is there, if it has that build id (still)."""
        with suppress(OSError, ValueError), ExitStack() as opened:
            fd = self._root.open_file(place)
            opened.callback(os.close, fd)
            told = identified(fd, place)
            if told is not None and told[0] == build_id:
                opened.pop_all()
                return fd
        return None

    def _supplementary(self, fd: int, place: PurePosixPath) -> list[int]:
        link = None
        with suppress(BadElf):
            link = supplementary_link(ElfImage.open(fd))
        if link is None or not BUILD_ID.fullmatch(link[1]):
            return []
        path, build_id = link
        near = self._open(str(place.parent / path), build_id)
        if near is not None:
            return [near]
        others = (self._open(one.path, build_id) for one in self._known(build_id, path))
        other = next((fd for fd in others if fd is not None), None)
        return [] if other is None else [other]


def _complete(found: Collection[Found]) -> bool:
    return any(one.lines for one in found) and any(one.names for one in found)
