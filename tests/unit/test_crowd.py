"""Many processes in few words."""

from ebpftrace.analysis import crowd
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Target
from tests.unit.builders import target

FOLDED = target(pid=Pid(0), slot=Slot(0), comm="(ended)", ended="exited", programs=500)


def workers(count: int, **given: object) -> list[Target]:
    return [target(pid=Pid(100 + n), comm="nginx", **given) for n in range(count)]


def test_few_are_all_shown_in_their_order():
    few = [FOLDED, *workers(3)]
    assert crowd.pick(few, 4) == (few, ())


def test_of_many_those_that_live_and_grow_are_shown():
    grows = target(pid=Pid(7), rss_growth_bytes=1 << 30)
    shown, rest = crowd.pick([FOLDED, target(ended="exited"), *workers(5), grows], 3)
    assert shown[0] is grows
    assert all(one.alive for one in shown)
    assert rest[-1] is FOLDED
    assert len(rest) == 5


def test_one_that_stands_for_many_counts_as_many():
    assert crowd.counted([FOLDED, *workers(2)]) == "502 programs, 500 of them ended"
    assert crowd.counted(workers(1)) == "1 program"


def test_names_are_the_most_frequent_ones():
    assert crowd.names([*workers(30), target(comm="sh"), FOLDED]) == "nginx x 30, sh"
    many = [target(comm=name) for name in "abcde"]
    assert crowd.names(many) == "a, b, c, …"
    assert crowd.others([FOLDED]) == "and 500 programs, 500 of them ended"
