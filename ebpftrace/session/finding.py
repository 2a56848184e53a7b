"""Finding processes that are wanted by name or control group, as they come.

The kernel tells of every exec, which is how programs come to their names: an event for each on this
host, 1 us for who calls it and 30 us here. (Without that all processes would have to be looked at again
and again, 15 us each, for one may run another program at any time.) What was forked off, moved into a
group or renamed is found by looking: the pids of the groups 20 times a second, 15 us a group; the list of
processes four times a second, 0.4 us each and 15 us for one that is new; and all of them every ten
seconds. However many there are, no look takes more than its share of the time.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from ebpftrace.model.ids import Pid
from ebpftrace.session.pace import Pace
from ebpftrace.session.wanted import Wanted, is_ours
from ebpftrace.target import glimpse
from ebpftrace.target.glimpse import Glimpse

_GROUPS_S, _LIST_S, _ALL_S = 0.05, 0.25, 10.0
_SHARE, _SHARE_OF_ALL = 0.01, 0.005
_AT_ONCE = 500  # that are looked at in one call: 10 ms


class Finder:
    """Tells of each once for each time that it comes, as long as it is not forgotten."""

    def __init__(self, wanted: Wanted, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = wanted
        self._groups = Pace(_GROUPS_S, lambda: _SHARE, clock)
        self._list = Pace(_LIST_S, lambda: _SHARE, clock)
        self._all = Pace(_ALL_S, lambda: _SHARE_OF_ALL, clock)
        self._members: set[Pid] = set()
        self._listed: set[Pid] = set()
        self._unread: deque[Pid] = deque()

    def look(self) -> list[Glimpse]:
        """Those that have come since the last look, as far as it is time for one."""
        found: dict[Pid, Glimpse] = {}
        if self._wanted.groups and self._groups.due():
            end = self._groups.begin()
            members = {pid for group in self._wanted.groups for pid in group.pids()}
            new, self._members = members - self._members, members
            found |= {seen.pid: seen for seen in _glimpsed(sorted(new))}
            end()
        if self._wanted.names:
            self._list_all()
            unread = [self._unread.popleft() for _ in range(min(_AT_ONCE, len(self._unread)))]
            named = (seen for seen in _glimpsed(unread) if self._wanted.is_named(seen))
            found |= {seen.pid: seen for seen in named}
        return list(found.values())

    def met(self, pid: Pid) -> Glimpse | None:
        """What `pid` is, that has just come or runs another program, if it is wanted.

        One that has come to a group since the last look is found by the next one.
        """
        seen = next(_glimpsed([pid]), None)
        if seen is not None and (pid in self._members or self._wanted.is_named(seen)):
            return seen
        return None

    def has_ended(self, pid: Pid) -> bool:
        """Or is one of ours."""
        return next(_glimpsed([pid]), None) is None

    def _list_all(self) -> None:
        if self._unread or not self._list.due():
            return
        end = self._list.begin()
        listed = set(glimpse.pids())
        if self._all.due():  # one may have changed its name
            ended = self._all.begin()
            self._unread.extend(sorted(listed))
            ended()
        else:
            self._unread.extend(sorted(listed - self._listed))
        self._listed = listed
        end()


def _glimpsed(pids: Iterable[Pid]) -> Iterator[Glimpse]:
    for pid in pids:
        seen = glimpse.glimpse(pid)
        if seen is not None and not is_ours(seen):
            yield seen
