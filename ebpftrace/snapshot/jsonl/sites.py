"""The sites of a line of JSON. What did not change since the last picture is the same object again."""

from itertools import pairwise
from operator import itemgetter

from ebpftrace.model.epochs import LAST, epoch_at, length_of, start_of
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.picture import CallSite, Cohort, Site
from ebpftrace.snapshot.jsonl.sharing import Pool
from ebpftrace.snapshot.parts import counts_of, error_of
from ebpftrace.snapshot.values import (
    Object,
    Unfit,
    array,
    needed,
    number,
    object_of,
    signed,
    text,
    truth,
    unfit,
    whole,
)
from ebpftrace.text import clean

_FRAME_KEYS = (
    "function",
    "file",
    "line",
    "column",
    "inlined",
    "module",
    "build_id",
    "offset",
    "address",
    "source",
)
_FRAME = itemgetter(*_FRAME_KEYS)
_MOST_STACK = (1 << 64) - 1


class Sites:
    """Makes sites; `turn` before those of each picture."""

    def __init__(self) -> None:
        self._names: Pool[str, str] = Pool()
        self._frames: Pool[tuple[object, ...], Frame] = Pool()
        self._cohorts: Pool[tuple[object, ...], Cohort] = Pool()
        self._sites: Pool[str, Site] = Pool()

    def turn(self) -> None:
        for pool in (self._names, self._frames, self._cohorts, self._sites):
            pool.turn()

    def name(self, value: object, key: str) -> str:
        """Clean text."""
        raw = text(value, key)
        return self._names.get(raw) or self._names.put(raw, clean(raw))

    def name_or_none(self, value: object, key: str) -> str | None:
        return None if value is None else self.name(value, key)

    def site(self, given: object, now: float, slots: dict[Pid, Slot]) -> Site:
        """`now` in seconds since attach."""
        said = object_of(given, "a site")
        name = self.name(needed(said, "id"), "id of a site")
        before = self._sites.get(name)
        at = self._call_site(said, name, slots)
        counts = counts_of(said)
        cohorts = self._cohorts_of(said.get("cohorts", []))
        growth, oldest = said.get("growth_bytes_per_s"), said.get("oldest_s")
        if growth is not None:
            growth = signed(growth, "growth_bytes_per_s")
        # The start of an epoch, which is a whole second; both terms were rounded when written.
        if oldest is not None:
            oldest = max(0.0, float(round(now - number(oldest, "oldest_s"))))
        if before is not None:
            at = before.at if before.at == at else at
            cohorts = before.cohorts if before.cohorts == cohorts else cohorts
            counts = before.counts if before.counts == counts else counts
        made = Site(at, counts, oldest, growth, cohorts, error_of(said))
        return before if before == made and before is not None else self._sites.put(name, made)

    def frames(self, given: object) -> tuple[Frame, ...]:
        """Those of a stack; as they are where this has made them before."""
        if type(given) is tuple:
            return given
        return tuple([self._frame(one) for one in array(given, "frames")])

    def _call_site(self, said: Object, name: str, slots: dict[Pid, Slot]) -> CallSite:
        pid = Pid(whole(needed(said, "pid"), "pid of a site"))
        guessed = said.get("guessed")
        return CallSite(
            id=name,
            slot=slots.get(pid, Slot(0)),
            stack=_stack_of(name),
            pid=pid,
            family=self.name_or_none(said.get("family"), "family"),
            allocator=self.name_or_none(said.get("allocator"), "allocator"),
            complete=truth(said.get("complete", False), "complete"),
            guessed=None if guessed is None else truth(guessed, "guessed"),
            frames=self.frames(needed(said, "frames")),
            end=self.name_or_none(said.get("end"), "end"),
        )

    def _frame(self, given: object) -> Frame:
        said = object_of(given, "a frame")
        try:
            key = _FRAME(said)
        except KeyError:
            key = tuple([said.get(name) for name in _FRAME_KEYS])
        try:
            return self._frames.get(key) or self._frames.put(key, self._new_frame(*key))
        except TypeError:  # not hashable
            raise Unfit("a frame holds an array or an object where a value should be") from None

    def _new_frame(
        self,
        function: object,
        file: object,
        line: object,
        column: object,
        inlined: object,
        *rest: object,
    ) -> Frame:
        module, build_id, offset, address, source = rest
        return Frame(
            function=self.name_or_none(function, "function"),
            file=self.name_or_none(file, "file"),
            line=_whole_or_none(line, "line"),
            column=_whole_or_none(column, "column"),
            inlined=inlined is not None and truth(inlined, "inlined"),
            module=self.name_or_none(module, "module"),
            build_id=self.name_or_none(build_id, "build_id"),
            offset=_whole_or_none(offset, "offset"),
            address=whole(address, "address"),
            source=self.name_or_none(source, "source"),
        )

    def _cohorts_of(self, given: object) -> tuple[Cohort, ...]:
        cohorts = tuple([self._cohort(one) for one in array(given, "cohorts")])
        if any(one.epoch >= other.epoch for one, other in pairwise(cohorts)):
            raise Unfit("cohorts are not in the order of time")
        return cohorts

    def _cohort(self, given: object) -> Cohort:
        key = tuple(array(given, "a cohort"))
        try:
            return self._cohorts.get(key) or self._cohorts.put(key, _new_cohort(key))
        except TypeError:  # not hashable
            raise Unfit("a cohort holds something else than numbers") from None


def _whole_or_none(value: object, key: str) -> int | None:
    return None if value is None else whole(value, key)


def _new_cohort(key: tuple[object, ...]) -> Cohort:
    if len(key) != 5:
        raise unfit("a cohort", list(key), "one of five numbers")
    start, length, *rest = (whole(value, "a number of a cohort") for value in key)
    epoch = epoch_at(start)
    if epoch == LAST or (start_of(epoch), length_of(epoch)) != (start, length):
        raise Unfit("a cohort is of no epoch that this version knows")
    return Cohort(epoch, *rest)


def _stack_of(name: str) -> StackId:
    """The second half of a site's id is its stack; 0, as for one that was not kept, without."""
    try:
        stack = int(name.rpartition("-")[2], 16)
    except ValueError:
        return StackId(0)
    return StackId(stack if 0 <= stack <= _MOST_STACK else 0)
