"""What the commands that read snapshots share: which file, how its code is named, how it is loaded."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ebpftrace.errors import UsageError
from ebpftrace.model.picture import Picture
from ebpftrace.model.snapshot import Snapshot

if TYPE_CHECKING:
    from ebpftrace.symbols.again import Again


_FILE = "a snapshot, a stream, a recording of --json, or a directory of snapshots"


def add_file(parser: argparse.ArgumentParser) -> None:
    """What is read."""
    parser.add_argument("file", metavar="FILE", help=_FILE)


def add_files(parser: argparse.ArgumentParser) -> None:
    """The `first`, and one or more `later` ones."""
    parser.add_argument("first", metavar="BEFORE", help=_FILE)
    parser.add_argument("later", metavar="AFTER", nargs="+", help="another, compared with BEFORE")


def add_symbols(parser: argparse.ArgumentParser) -> None:
    """Where names come from that the host did not have."""
    group = parser.add_argument_group("how code is named (as it was when the snapshot was taken)")
    group.add_argument(
        "--symbols-from",
        metavar="DIR",
        help="look names and lines up again, in the programs and debug files under DIR",
    )
    group.add_argument(
        "--debuginfod",
        action="store_true",
        help="look names and lines up again, with debug files from the servers of DEBUGINFOD_URLS",
    )


class Loader:
    """Loads snapshots, with their code named again if that was asked for."""

    def __init__(self, again: "Again | None") -> None:
        self._again = again

    def load(self, *paths: str) -> list[Snapshot]:
        """What `snapshot.loading.load` takes; notes on all names are among those of the last. UsageError."""
        # Not at the top: msgpack and zstandard are for those who read a file.
        from ebpftrace.snapshot.loading import load

        loaded: list[Snapshot] = []
        for path in paths:
            found = load(path)
            loaded.append(replace(found, picture=self.picture(found.picture)))
        loaded[-1] = replace(loaded[-1], notes=(*loaded[-1].notes, *self.notes()))
        return loaded

    def picture(self, picture: Picture) -> Picture:
        """The same sites, with the names that are known here."""
        return picture if self._again is None else self._again.picture(picture)

    def notes(self) -> Sequence[str]:
        """What was found, and what was not, for the pictures so far."""
        return () if self._again is None else self._again.notes()


@contextmanager
def loader(given: argparse.Namespace) -> Iterator[Loader]:
    """By the options of `add_symbols`. UsageError without the libraries that they need."""
    if given.symbols_from is None and not given.debuginfod:
        yield Loader(None)
        return
    try:
        from ebpftrace.symbols.again import Again
    except ModuleNotFoundError as error:
        raise UsageError(
            f"--symbols-from and --debuginfod need the Python package {error.name}, which is not "
            "installed here; without them names are shown as the host knew them."
        ) from error
    again = Again(given.symbols_from, debuginfod=given.debuginfod)
    try:
        yield Loader(again)
    finally:
        again.close()
