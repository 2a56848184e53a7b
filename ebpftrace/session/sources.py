"""Which file tree the source of a site is read from, whichever thread asks and whatever has ended."""

import threading
from collections.abc import Collection
from contextlib import closing
from typing import NamedTuple

from ebpftrace.drain.space import number_in
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Site, SourceLines
from ebpftrace.symbols.source_lines import source_lines
from ebpftrace.target.root import TargetRoot


class Tree(NamedTuple):
    """`users`: whose files may be shown although not everybody may read them."""

    root: TargetRoot
    users: Collection[int]


class Sources:
    """Trees by the number of their address space; they stay the caller's, and open until `close`."""

    def __init__(self) -> None:
        self._trees: dict[int, Tree] = {}
        self._lock = threading.Lock()

    def add(self, number: int, tree: Tree | None) -> None:
        """None: of that one nothing can be read."""
        if tree is not None:
            with self._lock:
                self._trees[number] = tree

    def remove(self, number: int) -> None:
        """It is about to be closed."""
        with self._lock:
            self._trees.pop(number, None)

    def lines(self, site: Site, frame: Frame, around: int) -> SourceLines | None:
        """None without a file and a line, without the right to show it, and after `close`.

        May take as long as a file system of the target's takes: nobody else waits for that.
        """
        if frame.file is None or frame.line is None:
            return None
        tree = self._borrowed(number_in(site.at.id))
        if tree is None:
            return None
        with closing(tree.root) as root:
            return source_lines(root.open_file, tree.users, frame.file, frame.line, around)

    def _borrowed(self, number: int | None) -> Tree | None:
        """With a root of its own, which the caller closes."""
        with self._lock:
            tree = self._trees.get(number) if number is not None else None
            try:
                return None if tree is None else tree._replace(root=tree.root.another())
            except OSError:  # no descriptor is left
                return None

    def close(self) -> None:
        """From now on nothing is read; what is being read has what it needs."""
        with self._lock:
            self._trees.clear()
