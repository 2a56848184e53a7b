"""Pictures of a few sites, what the composer makes of them, and a clock for it."""

from ebpftrace.analysis.selection import Selection
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.tui.composer import Composer, Request
from ebpftrace.tui.view import View
from tests.unit.builders import counts, frame, picture
from tests.unit.pilot import named

VIEW = View(Selection(top=0))
MAIN, SERVE, PARSE = frame("main"), frame("serve"), frame("parse", module="/lib/libx.so")
FOUR = (
    named("big", counts=counts(1, 1000), oldest_at=5.0),
    named("many", counts=counts(9, 10), oldest_at=5.0),
    named("fast", growth=50.0, oldest_at=5.0),
    named("old", oldest_at=1.0),
)
FOREST = (
    named("one", frames=(SERVE, MAIN), counts=counts(1, 700)),
    named("two", frames=(PARSE, SERVE, MAIN), counts=counts(2, 200)),
    named("three", frames=(frame("boot"), MAIN), pid=Pid(43), slot=Slot(2), allocator="calloc"),
)


class Clock:
    """In place of `time`: composing takes `took` seconds of the processor, and nothing else any."""

    def __init__(self):
        self.now, self.took, self.spent = 100.0, 0.0, 0.0

    def is_slow(self):
        """From now on the next order is long off."""
        self.took = 1.0

    def monotonic(self):
        return self.now

    def thread_time(self):
        self.spent += self.took
        return self.spent


def shown(*sites, by=None, view=VIEW, at=12.0, **given):
    """What `by`, or a new composer, makes of a picture of the sites."""
    drawn = picture(*sites, since_attach_s=at)
    return (by or Composer()).compose(Request(drawn, view, **given))


def keys(found):
    return [found.rows.key(index) for index in range(len(found.rows))]


def titles(found):
    return [found.rows.row(index).title for index in range(len(found.rows))]


def grown(*sizes):
    """FOUR of other sizes."""
    return [
        one._replace(counts=counts(one.counts.blocks, size))
        for one, size in zip(FOUR, sizes, strict=True)
    ]
