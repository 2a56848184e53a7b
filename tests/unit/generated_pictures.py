"""Pictures that hypothesis makes up: those that a line of JSON holds whole."""

from datetime import datetime, timedelta, timezone

from hypothesis import strategies as st

from ebpftrace.model.epochs import epoch_at
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Pid, Slot, StackId
from ebpftrace.model.losses import LOSSES, Losses
from ebpftrace.model.picture import (
    CallSite,
    Cohort,
    Cost,
    Counts,
    Drain,
    Naming,
    Picture,
    Site,
    Target,
)
from ebpftrace.text import clean

COUNT = st.integers(0, (1 << 64) - 1)
SMALL = st.integers(0, 1 << 31)
NAME = st.one_of(
    st.text(max_size=12).map(clean),
    st.sampled_from(["x[/]y", "operator new[]", "日本\u0301", "", "x" * 5000]),
)
NAMES = st.lists(NAME, max_size=3).map(tuple)
SLOTS = {Pid(42): Slot(1), Pid(43): Slot(2)}
EPOCH = datetime(2026, 11, 20, tzinfo=timezone.utc)


def tenths(most):
    return st.integers(-most, most).map(lambda n: n / 10)


MILLISECONDS = st.integers(0, 10**8).map(lambda number: number / 1000)


def maybe(strategy):
    return st.none() | strategy


def rounded(digits, most=1e6):
    return st.floats(0, most).map(lambda value: round(value, digits))


COUNTS = st.builds(Counts, COUNT, COUNT, COUNT, COUNT, COUNT, COUNT)
FRAMES = st.builds(
    Frame,
    function=maybe(NAME),
    file=maybe(NAME),
    line=maybe(SMALL),
    column=maybe(SMALL),
    inlined=st.booleans(),
    module=maybe(NAME),
    build_id=maybe(NAME),
    offset=maybe(COUNT),
    address=COUNT,
    source=maybe(NAME),
)
TARGETS = st.tuples(
    *(
        st.builds(
            Target,
            pid=st.just(pid),
            comm=NAME,
            exe=NAME,
            slot=st.just(slot),
            allocators=NAMES,
            rss_bytes=maybe(COUNT),
            rss_growth_bytes=maybe(st.integers(-(1 << 62), 1 << 62)),
            ended=maybe(st.sampled_from(["exited", "exec", "lost"])),
            ended_by=maybe(NAME),
            backend=maybe(NAME),
            blind_s=rounded(4),
        )
        for pid, slot in SLOTS.items()
    )
)
COSTS = st.builds(
    Cost,
    hits_per_s=maybe(rounded(1)),
    target_cpu_percent=maybe(rounded(2)),
    tool_cpu_percent=maybe(rounded(2)),
    tool_rss_bytes=maybe(COUNT),
    kernel_bytes=maybe(COUNT),
    slowed_to_s=maybe(rounded(3)),
    map_fill_percent=st.dictionaries(NAME, rounded(3, 100.0), max_size=3),
)
LOST = st.dictionaries(st.sampled_from([loss.name for loss in LOSSES]), maybe(COUNT)).map(Losses)


@st.composite
def cohorts(draw):
    epochs = sorted({epoch_at(n) for n in draw(st.lists(st.integers(0, 90_000), max_size=4))})
    return tuple(Cohort(epoch, draw(COUNT), draw(COUNT), draw(COUNT)) for epoch in epochs)


@st.composite
def sites(draw, stack, now):
    pid = draw(st.sampled_from(sorted(SLOTS)))
    at = CallSite(
        id=f"{SLOTS[pid]:x}-{stack:016x}",
        slot=SLOTS[pid],
        stack=StackId(stack),
        pid=pid,
        family=draw(maybe(NAME)),
        allocator=draw(maybe(NAME)),
        complete=draw(st.booleans()),
        guessed=draw(maybe(st.booleans())),
        frames=draw(st.lists(FRAMES, max_size=3).map(tuple)),
        end=draw(maybe(NAME)),
    )
    oldest = draw(maybe(st.integers(0, int(now)).map(float)))
    return Site(at, draw(COUNTS), oldest, draw(maybe(tenths(10**9))), draw(cohorts()))


DRAINS = st.builds(Drain, maybe(MILLISECONDS), MILLISECONDS)


@st.composite
def pictures(draw):
    now = draw(st.integers(0, 10**8)) / 1000
    stacks = draw(st.lists(COUNT, unique=True, max_size=4))
    return Picture(
        time=EPOCH + timedelta(milliseconds=draw(st.integers(0, 10**10))),
        since_attach_s=now,
        targets=draw(TARGETS),
        totals=draw(COUNTS),
        growth=draw(maybe(tenths(10**9))),
        sites=tuple(draw(sites(stack, now)) for stack in stacks),
        losses=draw(LOST),
        cost=draw(COSTS),
        mode=draw(NAME),
        final=draw(st.booleans()),
        filters=draw(NAMES),
        stack_depth=draw(SMALL),
        naming=Naming(draw(SMALL), draw(SMALL), draw(NAMES)),
        drain=draw(maybe(DRAINS)),
    )
