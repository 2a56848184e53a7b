"""Stumps that can only be the beginning of one whole stack.

A stump is a stack that ended at a return address without a rule and was not reported, because the
same address had been often enough, or of which too little was sent. Once the rules are there nothing
new is born under it. Then it is joined to a whole stack of the same function and address space that
begins in the same way, if there is exactly one, and nothing else is known to: many begin with
`operator new` under `std::string`. What is joined stays joined.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from ebpftrace.drain.sites import SiteBook, SiteCounters
from ebpftrace.drain.stacks import Stack, StackBook
from ebpftrace.model.ids import StackId

SETTLED_S = 1.0
"""A stump under which so long nothing was born is looked at; so often, too."""
_TRIES = 60


class _Known(NamedTuple):
    called: int
    packed: bytes
    complete: bool
    stack: StackId


class Joiner:
    """Looks for them now and then; `joined`: allocations that were seen under stumps, as losses count them."""

    def __init__(self, book: SiteBook, stacks: StackBook) -> None:
        self._book = book
        self._stacks = stacks
        self._stumps: set[StackId] = set()
        self._seen: dict[SiteCounters, tuple[int, int]] = {}
        self._looked_at = 0.0
        self.joined = 0

    def met(self, stack: StackId) -> None:
        """A stump has come."""
        self._stumps.add(stack)

    def look(self, since_attach: float, *, final: bool = False) -> None:
        """Join what can be joined by now; `final`: nothing is born any more."""
        if since_attach - self._looked_at < SETTLED_S and not final:
            return
        self._looked_at = since_attach
        settled = [site for site in self._sites() if self._is_settled(site) or final]
        for slot in {site.slot for site in settled}:
            here = [site for site in settled if site.slot == slot]
            known = sorted(self._known(slot))
            for site in here:
                self._join(site, known)

    def _sites(self) -> Iterator[SiteCounters]:
        """Those of the stumps, in every address space."""
        sites = self._book.sites
        for slot in {slot for slot, _ in sites} if self._stumps else ():
            for stump in self._stumps:
                site = sites.get((slot, stump))
                if site is not None:
                    yield site

    def _is_settled(self, site: SiteCounters) -> bool:
        """Was nothing born since the last look? No more is asked after some looks in vain."""
        born = site.sums[0] + site.sums[4]
        before, tries = self._seen.get(site, (-1, 0))
        self._seen[site] = born, tries + 1
        return born == before and tries < _TRIES

    def _known(self, slot: int) -> Iterator[_Known]:
        for key, site in self._book.sites.items():
            stack = self._stacks.get(site.stack) if key[0] == slot else None
            if stack is not None:
                yield _Known(stack.called, stack.packed, stack.complete, site.stack)

    def _join(self, site: SiteCounters, known: list[_Known]) -> None:
        stump = self._stacks.get(site.stack)
        assert stump is not None, "it was one a moment ago"
        whole = _only_extension(stump, known)
        if whole is None:
            return
        self._book.credit(site.slot, site.stack, whole)
        self.joined += site.sums[0] + site.sums[4] - site.unseen
        self._seen.pop(site, None)


def _only_extension(stump: Stack, known: list[_Known]) -> StackId | None:
    """The one complete stack of `known`, ascending, that begins as `stump` does and is longer.

    None where there is another one, or any that goes another way.
    """
    found, way = None, stump.packed
    for one in known[bisect_right(known, (stump.called, stump.packed, True)) :]:
        if one.called != stump.called or not one.packed.startswith(stump.packed):
            break
        if found is not None or not one.packed.startswith(way):
            return None
        way = one.packed
        if one.complete:
            found = one.stack
    return found
