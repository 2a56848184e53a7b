"""The sections of a file that hold FDEs, each with its index, opened when it is first asked."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from ebpftrace.unwind.encoding import BAD, Broken, reason_of
from ebpftrace.unwind.entries import Entries, Entry, Fde
from ebpftrace.unwind.index import Header, Index, ScannedTable
from ebpftrace.unwind.machines import Machine
from ebpftrace.unwind.region import Region

_COMPRESSED = 0x800  # SHF_COMPRESSED


class Source(ABC):
    """One section. What keeps it from being opened is found out once and raised each time."""

    def __init__(self, image: ElfImage, machine: Machine) -> None:
        self._image = image
        self._machine = machine
        self._opened: tuple[Entries, Index] | None = None
        self._absent = False
        self._refused = ""

    def find(self, address: ImageAddress) -> Fde | None:
        """The FDE that covers `address`, None where there is none. One of BAD where there may be."""
        opened = self._open_once()
        if opened is None:
            return None
        entries, index = opened
        place = index.find(address)
        if place is not None:
            fde = entries.fde(place)
            if fde.start <= address < fde.end:
                return fde
        if index.incomplete:
            raise Broken(index.incomplete)
        return None

    def every(self) -> Iterator[tuple[Entries, Entry]]:
        """Every entry, with the section that can parse it. One of BAD at the first bad length."""
        opened = self._open_once()
        if opened is not None:
            for entry in opened[0].every():
                yield opened[0], entry

    @property
    def exists(self) -> bool:
        """Whether the file has such a section."""
        return not self._absent

    @abstractmethod
    def _open(self) -> tuple[Entries, Index] | None:
        """The section and its index, None where the file has none. One of BAD."""

    def _open_once(self) -> tuple[Entries, Index] | None:
        if self._refused:
            raise Broken(self._refused)
        if self._opened is None and not self._absent:
            try:
                self._opened = self._open()
            except BAD as error:
                self._refused = reason_of(error)
                raise Broken(self._refused) from error
            self._absent = self._opened is None
        return self._opened


class EhFrame(Source):
    """.eh_frame, by the header that the C++ unwinder goes by, or else by its section."""

    def _open(self) -> tuple[Entries, Index] | None:
        header = self._header()
        region = None if header is None else self._region(header.eh_frame)
        if header is not None and region is not None:
            entries = Entries(region, self._machine, is_eh=True)
            return entries, header.table(self._image, region) or ScannedTable(entries)
        section = self._image.section(b".eh_frame")
        if section is not None:
            region = self._region(ImageAddress(section.address))
        if region is None:
            if header is None and section is None and self._image.eh_frame_header is None:
                return None
            raise Broken(".eh_frame outside of the file")
        entries = Entries(region, self._machine, is_eh=True)
        return entries, ScannedTable(entries)

    def _header(self) -> Header | None:
        address = self._image.eh_frame_header
        try:
            return None if address is None else Header(self._image, address)
        except BAD:
            return None  # its section may still be whole

    def _region(self, start: ImageAddress) -> Region | None:
        """From `start` to the end of the section, or of the segment where there are no sections."""
        offset, length = self._image.file_offset(start), self._image.room(start)
        if offset is None or length <= 0:
            return None
        section = self._image.section(b".eh_frame")
        if section is not None and 0 <= start - section.address < section.size:
            length = min(length, section.address + section.size - start)
        return Region(self._image, offset, length, start)


class DebugFrame(Source):
    """.debug_frame, which holds what .eh_frame leaves out in files built without it."""

    def _open(self) -> tuple[Entries, Index] | None:
        section = self._image.section(b".debug_frame")
        if section is None or not section.size:
            return None
        if section.flags & _COMPRESSED:
            region = Region.inflated(self._image, section.offset, section.size)
        else:
            region = Region(self._image, section.offset, section.size)
        entries = Entries(region, self._machine, is_eh=False)
        return entries, ScannedTable(entries)
