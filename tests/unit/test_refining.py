from collections.abc import Sequence

from ebpftrace.drain import refining as refining_module
from ebpftrace.drain.refining import FIRST_SITES, Refining
from ebpftrace.drain.space import Space
from ebpftrace.model.frames import Frame
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Site
from tests.unit.builders import frame, site


class Later:
    """A space whose frames have lines when the test says so; what was asked for is noted."""

    def __init__(self, known: Sequence[Frame] = ()) -> None:
        self.known = set(known)
        self.asked: list[Frame] = []
        self._come: dict[Frame, tuple[Frame, ...]] = {}

    def space(self) -> Space:
        return Space(1, Pid(42), lambda pcs: (), self.refined, self.arrived)

    def refined(self, frames: Sequence[Frame]) -> list[tuple[Frame, ...] | None]:
        self.asked += frames
        return [better(one) if one in self.known else None for one in frames]

    def come(self, *frames: Frame) -> None:
        self._come |= {one: better(one) for one in frames}

    def arrived(self) -> dict[Frame, tuple[Frame, ...]]:
        come, self._come = self._come, {}
        return come


def better(one: Frame) -> tuple[Frame, ...]:
    return (
        frame("inner", file="x.h", inlined=True, address=one.address),
        frame(one.function, file="x.c", address=one.address),
    )


def names(one: Site | None) -> list[str | None]:
    assert one is not None
    return [each.function for each in one.at.frames]


A, B, C = frame("a", address=1), frame("b", address=2), frame("c", address=3)


def one_space(known: Sequence[Frame] = ()) -> tuple[Later, Refining]:
    later = Later(known)
    return later, Refining({1: later.space()})


def test_what_comes_later_takes_its_place_among_the_other_frames():
    later, refining = one_space()
    drawn: list[Site | None] = [site(frames=(A, B, C))]
    refining.ask(drawn, [], idle=True)
    assert names(drawn[0]) == ["a", "b", "c"]
    later.come(B)
    refining.refine(drawn)
    assert names(drawn[0]) == ["a", "inner", "b", "c"]
    later.come(A, C)
    refining.refine(drawn)
    assert names(drawn[0]) == ["inner", "a", "inner", "b", "inner", "c"]


def test_what_is_known_already_is_put_in_at_once():
    _, refining = one_space(known=[A])
    drawn: list[Site | None] = [site(frames=(A, B))]
    refining.ask(drawn, [], idle=True)
    assert names(drawn[0]) == ["inner", "a", "b"]


def test_a_frame_of_several_sites_changes_in_all_of_them():
    later, refining = one_space()
    drawn: list[Site | None] = [
        site("x", frames=(A, B)),
        site("y", frames=(B,)),
        site("z", frames=(C,)),
        site("r", frames=(B, A, B)),
    ]
    refining.ask(drawn, [], idle=True)
    later.come(B)
    refining.refine(drawn)
    assert [names(one) for one in drawn] == [
        ["a", "inner", "b"],
        ["inner", "b"],
        ["c"],
        ["inner", "b", "a", "inner", "b"],
    ]


def test_counters_of_a_site_stay_as_they_are():
    later, refining = one_space()
    before = site(frames=(A,), growth=5.0)
    drawn: list[Site | None] = [before]
    refining.ask(drawn, [], idle=True)
    later.come(A)
    refining.refine(drawn)
    assert drawn[0] is not None
    assert drawn[0]._replace(at=before.at) == before
    assert drawn[0].at._replace(frames=()) == before.at._replace(frames=())


def test_sites_that_became_part_of_others_are_left_out():
    later, refining = one_space()
    drawn: list[Site | None] = [site(frames=(A,)), site(frames=(A, B)), None]
    refining.ask(drawn, [(100, 2)], idle=True)
    drawn[0] = None
    later.come(A)
    refining.refine(drawn)
    assert drawn[0] is None
    assert names(drawn[1]) == ["inner", "a", "b"]


def test_the_sites_that_hold_most_are_asked_for_first():
    later, refining = one_space()
    frames = [frame(f"f{n}", address=n) for n in range(200)]
    drawn: list[Site | None] = [site(f"s{n}", frames=(frames[n],)) for n in range(200)]
    held = [(n * 7919 % 200, n) for n in range(200)]
    refining.ask(drawn, held, idle=False)
    most = [frames[n] for _, n in sorted(held, reverse=True)[:FIRST_SITES]]
    assert later.asked == most
    refining.ask(drawn, [], idle=False)
    assert later.asked == most
    refining.ask(drawn, [], idle=True)
    assert sorted(one.address for one in later.asked) == list(range(200))


def test_when_idle_so_many_at_once_and_each_once(monkeypatch):
    monkeypatch.setattr(refining_module, "_SITES_AT_ONCE", 500)
    later, refining = one_space()
    drawn: list[Site | None] = [
        site(f"s{n}", frames=(frame(f"f{n}", address=n),)) for n in range(1200)
    ]
    seen = []
    for _ in range(4):
        refining.ask(drawn, [(n, n) for n in range(10)], idle=True)
        seen.append(len(later.asked))
    assert seen == [500, 1000, 1200, 1200]


def test_a_site_whose_stack_comes_later_is_asked_for_then():
    later, refining = one_space()
    drawn: list[Site | None] = [site(frames=())]
    refining.ask(drawn, [(1, 0)], idle=True)
    assert later.asked == []
    drawn[0] = site(frames=(A,))
    refining.forget(0)
    refining.ask(drawn, [], idle=True)
    assert later.asked == [A]
    refining.forget(7)


def test_frames_that_look_alike_in_two_processes_are_of_two_files():
    one, two = Later(), Later()
    refining = Refining({1: one.space(), 2: two.space()})
    drawn: list[Site | None] = [site(frames=(A,)), site(frames=(A,), slot=Slot(2))]
    refining.ask(drawn, [], idle=True)
    one.come(A)
    refining.refine(drawn)
    assert [names(each) for each in drawn] == [["inner", "a"], ["a"]]
    two.come(A)
    refining.refine(drawn)
    assert [names(each) for each in drawn] == [["inner", "a"], ["inner", "a"]]


def test_a_space_without_lines_changes_nothing():
    refining = Refining({1: Space(1, Pid(42), lambda pcs: ())})
    before = site(frames=(A, B))
    drawn: list[Site | None] = [before]
    refining.ask(drawn, [(1, 0)], idle=True)
    refining.refine(drawn)
    assert drawn == [before]
