"""What debug information says of places in files, of one file after another.

Owns asking the process that reads it, and what becomes of a file that it cannot read. Leaves to its
callers which files there are, and when they are asked about.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import NamedTuple, Protocol

from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import ImageAddress
from ebpftrace.symbols.demangling import demangled
from ebpftrace.symbols.locations import Location, Locations
from ebpftrace.symbols.resolver.client import ModuleFailed, Place, Resolver, ResolverGone
from ebpftrace.symbols.source_text import SourceText
from ebpftrace.text import clean

_MOST_HELD = 256 << 20
_LINE_BYTES = 250  # that a line takes beside its texts


class Line(NamedTuple):
    """A location, and the text of that line where its file was there to be read."""

    location: Location
    source: str | None


class Described(Protocol):
    """A file whose code is asked about. `path`: by which debug files may be looked for."""

    @property
    def identity(self) -> Hashable: ...
    @property
    def name(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def build_id(self) -> str | None: ...
    @property
    def source(self) -> SourceText | None: ...

    def files(self) -> Sequence[int]: ...
    def may_be_described(self) -> bool: ...


class FileLines:
    """For one thread. `empty`: files without lines: no debug information, or none that can be read."""

    def __init__(self, resolver: Resolver, note: Callable[[str], None]) -> None:
        """`note` is told in sentences what keeps places without lines. `resolver` stays the caller's."""
        self.empty: set[Hashable] = set()
        self._resolver = resolver
        self._note = note
        self._numbers: dict[Hashable, int] = {}
        self._gone = False
        self._texts: dict[str, str] = {}
        self._held = 0

    def locations(
        self, file: Described, addresses: Sequence[ImageAddress]
    ) -> dict[ImageAddress, Locations]:
        """What is told of each; nothing of any where the file has no lines."""
        if self._gone or file.identity in self.empty:
            return {}
        if not self._resolver.asks_servers and not file.may_be_described():
            self.empty.add(file.identity)
            return {}
        number = self._numbers.setdefault(file.identity, len(self._numbers))
        try:
            if not self._resolver.is_open(number) and not self._open(number, file):
                self.empty.add(file.identity)
                return {}
            places = self._resolver.find(number, addresses)
        except ModuleFailed as error:
            self.empty.add(file.identity)
            self._note(f"{file.name} has no files and lines: {clean(str(error))}.")
            return {}
        except ResolverGone as error:
            self._gone = True
            self._note(clean(str(error)))
            return {}
        return {
            address: tuple(map(_location, found))
            for address, found in zip(addresses, places, strict=True)
        }

    def _open(self, number: int, file: Described) -> bool:
        """Whether it has debug information. ModuleFailed, ResolverGone."""
        opened = self._resolver.open(number, file.path, file.files(), file.build_id)
        for path in opened.refused:
            self._note(
                f"{clean(path)} is not the debug file of {file.name}: its build id or "
                "checksum is another one. It is not used."
            )
        if opened.unanswered is not None:
            self._note(
                f"No debug file was fetched: {clean(opened.unanswered)} (debuginfod). No "
                "server is asked again."
            )
        return opened.has_debug_info

    def lines(self, file: Described, locations: Locations) -> tuple[Line, ...]:
        """Nothing where all that is held takes too much memory already."""
        if self._held > _MOST_HELD:
            self._note("Further files and lines are left out: they take too much memory.")
            return ()
        self._held += _LINE_BYTES * len(locations)
        source = file.source
        return tuple(
            Line(
                one._replace(function=self._once(one.function), file=self._once(one.file)),
                None if source is None else self._once(source.line(one.file, one.line)),
            )
            for one in locations
        )

    def _once(self, text: str | None) -> str | None:
        """The same text, held once for all that say it."""
        if text is None:
            return None
        if text not in self._texts:
            self._texts[text] = text
            self._held += len(text)
        return self._texts[text]


def _location(place: Place) -> Location:
    linkage, name, file, line, column = place
    function = demangled(linkage.partition("@")[0]) if linkage else name and demangled(name)
    return Location(function, file and clean(file), line, column)


def expanded(frame: Frame, lines: Sequence[Line]) -> tuple[Frame, ...]:
    """`frame` by what is known of it, the innermost inlined function first."""
    last = len(lines) - 1
    return tuple(
        replace(
            frame,
            # A symbol table's name says more than a function's own: clones, what was split off.
            function=(frame.function or location.function) if at == last else location.function,
            file=location.file,
            line=location.line,
            column=location.column,
            inlined=at != last,
            source=source,
        )
        for at, (location, source) in enumerate(lines)
    ) or (frame,)
