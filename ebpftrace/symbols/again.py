"""The frames of a kept picture by files that its host did not have: names, lines, inlined functions.

Owns which modules are looked for, and saying which were not found. Leaves where files are to
`debug_folder`, reading them to `table` and the confined process, and frames to `again_frames`.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from ebpftrace import private
from ebpftrace.caches import default_directory
from ebpftrace.errors import UsageError
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import ImageAddress
from ebpftrace.model.picture import CallSite, Picture, Site
from ebpftrace.symbols.again_frames import Known, Renaming, call_of
from ebpftrace.symbols.again_notes import Tally, tallied
from ebpftrace.symbols.cache import TableCache
from ebpftrace.symbols.debug_folder import BUILD_ID, DebugFolder
from ebpftrace.symbols.demangling import demangled
from ebpftrace.symbols.file_lines import FileLines
from ebpftrace.symbols.found_module import FoundModule, opened
from ebpftrace.symbols.resolver.client import Resolver, server_urls
from ebpftrace.units import format_count

_BATCH = 64
_NOTHING = Known(None, ())
_MOST_MODULES = 1024
_MOST_PLACES = 200_000
_MOST_SITES = 200_000
_MOST_NOTES = 20

Place = tuple[str, ImageAddress]
"""A build id, and the address of a call as the module's file states it."""


class Again:
    """For one thread. Pictures of one watch share what was looked up; close it at the end."""

    def __init__(self, directory: str | None, *, debuginfod: bool = False) -> None:
        """Files come from `directory`, and, if `debuginfod`, from the servers of DEBUGINFOD_URLS.

        UsageError where the directory cannot be read, where no server is named, and where what
        reads debug information is not installed.
        """
        if importlib.util.find_spec("drgn") is None:
            raise UsageError(
                "Debug information cannot be read without the Python package drgn, which is not "
                "installed. Install it: pip install drgn"
            )
        if debuginfod and not server_urls():
            raise UsageError(
                "No server of debug files is known. Name some in DEBUGINFOD_URLS, "
                "separated by spaces."
            )
        self._folder = None if directory is None else DebugFolder(directory)
        self._source = None if self._folder is None else self._folder.source()
        self._resolver = Resolver(debuginfod=debuginfod, cache=_cache() if debuginfod else None)
        self._debuginfod = debuginfod
        self._said: dict[str, None] = {}
        self._file_lines = FileLines(self._resolver, self._say)
        self._tables = TableCache()
        self._known: dict[Place, Known] = {}
        self._tally: dict[str, Tally] = {}
        self._without: set[str] = set()
        self._sites: dict[int, tuple[CallSite, CallSite]] = {}
        """By identity: the site of a picture, and what it has become."""

    def picture(self, picture: Picture) -> Picture:
        """`picture` with better frames, as far as there are any; what is the same stays as it is."""
        if len(self._sites) > _MOST_SITES:
            self._sites.clear()
        new = [site.at for site in picture.sites if not self._has_seen(site.at)]
        if new:
            self._learn(new)
        sites = tuple(map(self._site, picture.sites))
        if all(one is other for one, other in zip(sites, picture.sites, strict=True)):
            return picture
        return replace(picture, sites=sites)

    def notes(self) -> tuple[str, ...]:
        """In sentences: what was found, what was not, what could not be read."""
        places = [f"in {self._folder.name}"] if self._folder is not None else []
        places += ["on the servers of DEBUGINFOD_URLS"] if self._debuginfod else []
        where = " or ".join(places) or "anywhere, as nothing was given to look in"
        mine = tallied(self._tally.values(), self._without, where)
        unread = self._folder.notes() if self._folder is not None else ()
        return (*mine, *self._said, *unread)

    def close(self) -> None:
        """Let go of the directory, and end the process that reads debug information."""
        self._resolver.stop()
        if self._folder is not None:
            self._folder.close()

    # --- sites ------------------------------------------------------------------------------------

    def _has_seen(self, at: CallSite) -> bool:
        known = self._sites.get(id(at))
        return known is not None and known[0] is at

    def _site(self, site: Site) -> Site:
        at, now = self._sites[id(site.at)]
        return site if now is at else site._replace(at=now)

    def _learn(self, new: Sequence[CallSite]) -> None:
        """What `new` become."""
        stacks = {id(at.frames): at.frames for at in new}
        frames = {id(frame): frame for stack in stacks.values() for frame in stack}
        places = {
            number: place
            for number, frame in frames.items()
            if (place := self._place(frame)) is not None
        }
        self._look_up({place: frames[number].module or "" for number, place in places.items()})
        renaming = Renaming(
            {number: self._known[place] for number, place in places.items() if place in self._known}
        )
        better = {number: renaming.renamed(stack) for number, stack in stacks.items()}
        for at in new:
            stack = better[id(at.frames)]
            now = at if stack is at.frames else at._replace(frames=stack)
            self._sites[id(at)] = at, now

    def _place(self, frame: Frame) -> Place | None:
        call = call_of(frame)
        if call is None:
            return None
        if frame.build_id is None or not BUILD_ID.fullmatch(frame.build_id):
            if len(self._without) < _MOST_MODULES:
                self._without.add(frame.module or "")
            return None
        return frame.build_id, call

    # --- files ------------------------------------------------------------------------------------

    def _look_up(self, places: Mapping[Place, str]) -> None:
        """`places` with the names of their modules; what is found of them is in `_known` then."""
        wanted: dict[str, list[ImageAddress]] = {}
        for place, name in places.items():
            if place in self._known:
                continue
            build_id, call = place
            if self._may_ask(build_id, name):
                self._known[place] = _NOTHING
                wanted.setdefault(build_id, []).append(call)
        for build_id, calls in wanted.items():
            tally = self._tally[build_id]
            files = [] if self._folder is None else self._folder.files(build_id, tally.name)
            tally.there = tally.there or bool(files)
            with opened(tally.name, build_id, files, self._source) as module:
                self._ask(module, sorted(calls), tally)

    def _may_ask(self, build_id: str, name: str) -> bool:
        if build_id not in self._tally:
            if len(self._tally) >= _MOST_MODULES:
                self._say(f"Of more than {_MOST_MODULES} modules nothing is looked up.")
                return False
            self._tally[build_id] = Tally(name, build_id)
        if len(self._known) >= _MOST_PLACES:
            self._say(
                f"Of more than {format_count(_MOST_PLACES)} places in the code nothing is looked up."
            )
            return False
        self._tally[build_id].places += 1
        return True

    def _ask(self, module: FoundModule, calls: Sequence[ImageAddress], tally: Tally) -> None:
        table = self._tables.table_of(module.identity, module.table)
        for start in range(0, len(calls), _BATCH):
            batch = calls[start : start + _BATCH]
            told = self._file_lines.locations(module, batch)
            for call in batch:
                lines = self._file_lines.lines(module, told.get(call, ()))
                named = None if table is None else table.called_from(call)
                name = None if named is None else demangled(named.name) or None
                self._known[tally.build_id, call] = Known(name, lines)
                tally.lined += bool(lines)

    def _say(self, sentence: str) -> None:
        if len(self._said) < _MOST_NOTES:
            self._said[sentence] = None


def _cache() -> Path | None:
    """Where files that were fetched are kept; None where that cannot be: then none are fetched."""
    directory = default_directory()
    with suppress(OSError):
        return None if directory is None else private.directory(directory) / "debuginfod"
    return None
