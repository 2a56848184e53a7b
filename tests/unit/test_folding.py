"""Programs that ended long ago are one: their sites by code, whatever their addresses were."""

from ebpftrace.drain import folding
from ebpftrace.drain.drawing import Drawing
from ebpftrace.drain.folding import Folding
from ebpftrace.drain.sites import SiteBook
from ebpftrace.drain.space import Space
from ebpftrace.drain.stacks import StackBook
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Cohort, Counts, Site
from tests.unit.builders import frame, site
from tests.unit.test_drain import FakeTable

COUNTS = Counts(10, 1000, 4, 400, 1, 50)


def of(*names: str, at: int = 0, **given: object) -> Site:
    """A site whose code lies elsewhere by `at`."""
    frames = tuple(
        frame(name, offset=n, address=0x5000 + at + n, module="/app")
        for n, name in enumerate(names)
    )
    made = site(frames=frames)
    return made._replace(**{"counts": COUNTS, "oldest_at": 3.0, "cohorts": (), **given})  # type: ignore[arg-type]


def folded(*sites: Site) -> list[Site | None]:
    drawn: list[Site | None] = []
    folding = Folding()
    for one in sites:
        folding.fold(one, drawn)
    return drawn


def test_the_same_code_at_other_addresses_is_one_site():
    (one,) = folded(of("leak", "main"), of("leak", "main", at=0x1000))
    assert one is not None
    assert one.counts == Counts(20, 2000, 8, 800, 2, 100)
    assert (one.at.pid, one.at.slot) == (0, 0)
    assert [each.function for each in one.at.frames] == ["leak", "main"]


def test_other_code_is_another_site_with_an_id_of_its_own():
    drawn = folded(of("leak", "main"), of("cache", "main"), of("leak", "main"))
    assert [one.counts.allocated_blocks for one in drawn if one] == [20, 10]
    assert len({one.at.id for one in drawn if one}) == 2


def test_ages_are_put_together():
    (one,) = folded(
        of("leak", cohorts=(Cohort(1, 2, 20, 0), Cohort(5, 1, 10, 1))),
        of("leak", cohorts=(Cohort(0, 1, 5, 0), Cohort(5, 2, 20, 2)), oldest_at=0.5),
        of("leak", oldest_at=None),
    )
    assert one is not None
    assert one.cohorts == (Cohort(0, 1, 5, 0), Cohort(1, 2, 20, 0), Cohort(5, 3, 30, 3))
    assert (one.oldest_at, one.growth) == (0.5, 0.0)


def test_different_stacks_have_a_bound_behind_which_they_are_one_without_frames(monkeypatch):
    monkeypatch.setattr(folding, "MOST_SITES", 3)
    drawn = folded(*(of(f"f{n}") for n in range(10)))
    assert len(drawn) == 4
    last = drawn[-1]
    assert last is not None
    assert (last.at.frames, last.at.allocator, last.counts.allocated_blocks) == ((), None, 70)


class Watch:
    """Programs one after the other in slots of their own, each with two stacks of its own."""

    def __init__(self) -> None:
        self.table = FakeTable()
        self.book = SiteBook(self.table)  # type: ignore[arg-type]
        self.spaces: dict[int, Space] = {}
        self.drawing = Drawing(self.book, StackBook(), self.spaces)
        self.now = 0.0

    def runs(self, number: int) -> None:
        """It holds 3 blocks, and its slot is used again by every tenth."""
        slot = 1 + number % 10
        self.spaces[slot] = Space(number, Pid(1000 + number), lambda _: ())
        for stack in (1, 2):
            self.table.cohort(100 * number + stack, slot, 0, 2, 20, stack - 1, 10 * (stack - 1))

    def draws(self) -> tuple[Site, ...]:
        self.now += 1
        self.book.poll(0)
        return self.drawing.draw(self.now)

    def ends(self, number: int) -> None:
        for _ in self.book.forget_slots({Slot(1 + number % 10)}):
            pass

    def total(self, sites: tuple[Site, ...]) -> int:
        return sum(one.counts.blocks for one in sites)


def test_sites_add_up_to_the_totals_whatever_is_folded():
    watch = Watch()
    sites: tuple[Site, ...] = ()
    for number in range(1, 2000):
        watch.runs(number)
        sites = watch.draws()
        assert watch.total(sites) == watch.book.totals().blocks == 3 * number
        watch.ends(number)
        if number > 5:
            watch.drawing.fold(number - 5)
    assert len(sites) < 20
    assert len(watch.drawing._drawn) < 2100, "rows that are no more are given up"
    assert len({one.at.id for one in sites}) == len(sites)


def test_what_lives_goes_on_in_its_place_when_ranks_are_closed():
    watch = Watch()
    watch.spaces[500] = Space(9999, Pid(1), lambda _: ())
    for number in range(1, 1200):
        watch.table.cohort(7, 500, 0, number, 10 * number)
        watch.runs(number)
        sites = watch.draws()
        assert [one.counts.blocks for one in sites if one.at.pid == 1] == [number]
        watch.ends(number)
        watch.drawing.fold(number - 1)
