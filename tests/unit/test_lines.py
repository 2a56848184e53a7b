import threading
import time

import pytest

from ebpftrace.symbols import file_lines
from ebpftrace.symbols import lines as lines_module
from ebpftrace.symbols.file_lines import Line
from ebpftrace.symbols.locations import Location
from ebpftrace.symbols.resolver.client import ModuleFailed, Opened, ResolverGone
from ebpftrace.symbols.store import StoreUnusable
from ebpftrace.threads import Thread
from tests.unit.line_builders import FIRST, SECOND, FakeStore, LookUp, at, looking_up


@pytest.fixture
def up():
    with looking_up() as one:
        yield one


def held_back(up: LookUp, *addresses: int, identity=FIRST) -> None:
    """Ask while nobody answers, so that it is known what is asked before what."""
    up.resolver.gate.clear()
    up.want(*addresses, identity=identity)


def test_a_place_is_pending_and_then_has_its_lines_with_their_texts(up):
    held_back(up, 5)
    assert up.find(5) is None
    assert up.lines.naming() == (1, 1, ())
    up.resolver.gate.set()
    up.settle()
    assert up.find(5) == (
        Line(Location("f5", "/0.h", 5, 1), "text of /0.h:5"),
        Line(Location("main", "/0.c", 1, None), "text of /0.c:1"),
    )
    assert up.lines.naming() == (1, 0, ())


def test_what_nobody_asked_for_has_no_lines_and_is_not_pending(up):
    assert up.find(5) == ()


def test_places_are_asked_once_however_often_they_are_wanted(up):
    held_back(up, 5, 5, 6)
    up.want(6, 5, 7)
    up.resolver.gate.set()
    up.settle()
    up.want(5, 6, 7)
    up.settle()
    asked = [address for _, addresses in up.resolver.asked for address in addresses]
    assert sorted(asked) == [5, 6, 7]
    assert up.resolver.opened == [0]


def test_batches_come_in_the_order_of_asking_file_by_file(up):
    held_back(up, *range(100, 300))
    up.want(1, 2, identity=SECOND)
    up.resolver.gate.set()
    up.settle()
    assert [module for module, _ in up.resolver.asked] == [0, 0, 0, 0, 1]
    asked = [
        address for module, addresses in up.resolver.asked for address in addresses if not module
    ]
    assert asked == list(range(100, 300))
    assert max(len(addresses) for _, addresses in up.resolver.asked) == 64


def test_places_that_were_looked_up_are_told_in_their_order(up):
    up.want(3, 1, 2)
    up.settle()
    assert [address for _, address in up.lines.arrived(0)] == [3, 1, 2]
    assert up.lines.arrived(3) == []


def test_a_file_without_debug_information_has_nothing_pending(up):
    up.resolver.answer = Opened(has_debug_info=False, refused=(), unanswered=None)
    up.want(*range(200))
    up.settle()
    assert up.find(150) == ()
    up.want(*range(500, 600))
    assert up.lines.naming() == (200, 0, ())
    assert up.find(555) == ()
    assert len(up.resolver.opened) == 1


def test_for_a_file_that_nothing_here_describes_no_process_is_started(up):
    up.described = False
    up.want(5)
    up.settle()
    assert (up.find(5), up.resolver.opened) == ((), [])


def test_where_servers_may_know_it_they_are_asked(up):
    up.described = False
    up.resolver.asks_servers = True
    up.want(5)
    up.settle()
    assert up.found(5) == ["f5", "main"]


@pytest.mark.parametrize("what", ["open", "find"])
def test_a_file_that_cannot_be_read_is_named_once_and_others_go_on(up, what):
    def fails(step, module):
        if step == what and module == 0:
            return ModuleFailed("it has \x1b[31mburnt")
        return None

    up.resolver.fails = fails
    held_back(up, *range(200))
    up.want(7, identity=SECOND)
    up.resolver.gate.set()
    up.settle()
    assert up.find(150) == ()
    assert up.found(7, SECOND) == ["f7", "main"]
    assert up.lines.naming().notes == ("/lib/1.so has no files and lines: it has ·[31mburnt.",)


def test_where_nothing_can_be_read_it_is_said_once_and_nothing_is_pending(up):
    up.resolver.fails = lambda what, module: ResolverGone("No drgn here.")
    up.want(*range(200))
    up.want(1, identity=SECOND)
    up.settle()
    assert up.lines.naming() == (201, 0, ("No drgn here.",))
    assert up.find(1, SECOND) == ()


def test_files_that_are_refused_and_servers_that_fail_are_noted_clean(up):
    up.resolver.answer = Opened(
        has_debug_info=True, refused=("/a\nb.debug",), unanswered="no \x07 route"
    )
    up.want(5)
    up.settle()
    assert up.found(5) == ["f5", "main"]
    first, second = up.lines.naming().notes
    assert first.startswith("/a·b.debug is not the debug file of /lib/1.so")
    assert second.startswith("No debug file was fetched: no · route")


def test_notes_are_a_few_whatever_happens(up):
    up.resolver.fails = lambda what, module: ModuleFailed(f"reason {module}")
    for n in range(100):
        up.want(1, identity=(9, n, 0, 0))
    up.settle()
    assert len(up.lines.naming().notes) == 20


def test_names_are_demangled_and_clean(up):
    up.resolver.places = lambda module, n: [
        ("_ZN3app4PoolIiE4takeEj", "take", "/a\x1b]0;x\x07\n.c", 1, 1),
        (None, "pl\u202eain", None, None, None),
        ("memcpy@@GLIBC_2.14", "x", "", 3, 1),
        (None, None, "/a.c", 4, 1),
    ]
    up.want(5)
    up.settle()
    lines = up.find(5)
    assert lines
    assert [line.location.function for line in lines] == [
        "app::Pool<int>::take(unsigned int)",
        "pl·ain",
        "memcpy",
        None,
    ]
    assert lines[0].location.file == "/a·]0;x··.c"


def test_a_file_that_cannot_be_opened_has_no_lines(up):
    def make():
        raise FileNotFoundError

    up.lines.want(FIRST, [5], make)
    assert up.find(5) == ()
    assert up.lines.naming().wanted == 0


# --- what is kept ---------------------------------------------------------------------------------


def test_what_is_stored_needs_no_resolver():
    store = FakeStore(key={5: at("stored", 7)})
    with looking_up(store=store) as up:
        up.want(5, key="key")
        up.settle()
        assert up.find(5) == (
            Line(Location("stored", "/stored.c", 7, None), "text of /stored.c:7"),
        )
        assert not up.resolver.opened
    assert store.closed == 1


def test_what_is_not_stored_is_added():
    store = FakeStore(key={5: at("stored", 7)})
    with looking_up(store=store) as up:
        up.want(5, 6, key="key")
        up.settle()
        assert up.resolver.asked == [(0, [6])]
    assert [one.function for one in store.known["key"][6]] == ["f6", "main"]
    assert store.known["key"][5] == at("stored", 7)


def test_files_without_a_key_are_neither_stored_nor_asked_for():
    store = FakeStore()
    with looking_up(store=store) as up:
        up.want(5)
        up.settle()
        assert up.found(5) == ["f5", "main"]
    assert store.known == {}


def test_failures_are_not_stored():
    store = FakeStore()
    with looking_up(store=store) as up:
        up.resolver.fails = lambda what, module: ModuleFailed("no")
        up.want(5, key="key")
        up.settle()
    assert store.known == {}


def test_without_a_store_lines_are_found_all_the_same():
    def opening():
        raise StoreUnusable("Others may write it.")

    with looking_up(opening=opening) as up:
        up.want(5, key="key")
        up.settle()
        assert up.found(5) == ["f5", "main"]
        assert up.lines.naming().notes == ()


# --- limits ---------------------------------------------------------------------------------------


def test_beyond_the_most_places_there_are_no_lines_and_nothing_is_pending(up, monkeypatch):
    monkeypatch.setattr(lines_module, "_MOST_PLACES", 3)
    up.want(1, 2, 3, 4)
    up.settle()
    assert up.found(3)
    assert up.find(4) == ()
    assert up.lines.naming() == (3, 0, ("Of more than 3 places no lines are looked up.",))


def test_beyond_the_most_files_there_are_no_lines(up, monkeypatch):
    monkeypatch.setattr(lines_module, "_MOST_FILES", 1)
    up.want(1)
    up.want(1, identity=SECOND)
    up.settle()
    assert up.found(1)
    assert up.find(1, SECOND) == ()
    assert SECOND not in up.files
    assert up.lines.naming().notes == ("Of more than 1 files no lines are looked up.",)


def test_what_is_held_is_limited_and_that_is_noted(up, monkeypatch):
    monkeypatch.setattr(file_lines, "_MOST_HELD", 100_000)
    long = "n" * 4000
    up.resolver.places = lambda module, n: [(None, f"{long}{n}", None, n, 1)] * 64
    up.want(*range(1000))
    up.settle()
    held = [address for address in range(1000) if up.find(address)]
    assert 0 < len(held) < 100
    assert up.lines.naming().notes == (
        "Further files and lines are left out: they take too much memory.",
    )


def test_equal_texts_are_held_once(up):
    up.want(1, 2)
    up.settle()
    one, two = up.find(1), up.find(2)
    assert one
    assert two
    assert one[0].location.file is two[0].location.file


class Pauses:
    """Stands for the clock and the waiting of the thread: looking up takes as long as is said."""

    def __init__(self, patch: pytest.MonkeyPatch, took: float) -> None:
        self._now, self._took = 0.0, took
        self.paused: list[float] = []
        patch.setattr(lines_module.Lines, "_pause", lambda _, seconds: self.paused.append(seconds))
        patch.setattr(lines_module, "time", self)

    def monotonic(self) -> float:
        self._now += self._took
        return self._now


def test_after_a_burst_it_works_a_small_share_of_the_time(up, monkeypatch):
    pauses = Pauses(monkeypatch, 0.5)
    up.want(*range(16 * 64))
    up.settle()
    up.lines.close()
    # 5 s are free, which are ten batches; then 0.5 s of work to every 2.83 s of rest.
    assert pauses.paused == pytest.approx([0.5 * (1 / 0.15 - 1)] * 6)


# --- the end --------------------------------------------------------------------------------------


def test_settling_ends_at_its_limit(up):
    held_back(up, 5)
    began = time.monotonic()
    up.lines.settle(0.1)
    assert 0.1 <= time.monotonic() - began < 1
    assert up.find(5) is None


def test_closing_does_not_wait_for_a_resolver_that_hangs(up):
    held_back(up, *range(200))
    time.sleep(0.05)
    began = time.monotonic()
    up.lines.close()
    assert time.monotonic() - began < 1
    assert up.resolver.interrupted
    assert up.resolver.stopped
    assert [file.closed for file in up.files.values()] == [1]
    up.want(999)
    assert up.find(999) == ()


def test_closing_what_was_never_asked_does_nothing(up):
    up.lines.close()
    up.lines.close()
    assert up.resolver.interrupted == 0
    assert threading.active_count() < 50


def test_files_stay_open_while_a_thread_that_cannot_be_stopped_uses_them(up, monkeypatch):
    monkeypatch.setattr(lines_module, "_END_S", 0.1)
    monkeypatch.setattr(up.resolver, "interrupt", lambda: None)
    held_back(up, 5)
    time.sleep(0.05)
    up.lines.close()
    assert [file.closed for file in up.files.values()] == [0]
    up.resolver.gate.set()


def test_while_there_is_nothing_to_do_no_process_is_kept(up, monkeypatch):
    monkeypatch.setattr(lines_module, "_IDLE_S", 0.05)
    up.want(5)
    up.settle()
    end = time.monotonic() + 5
    while not up.resolver.stopped and time.monotonic() < end:
        time.sleep(0.01)
    assert up.resolver.stopped
    up.want(6)
    up.settle()
    assert up.found(6) == ["f6", "main"]
    assert len(up.resolver.opened) == 2


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")])
def test_too_little_of_something_ends_the_lines_with_a_note_and_not_the_watch(up, error):
    up.resolver.fails = lambda what, module: error if what == "find" else None
    held_back(up, 5, 6)
    up.resolver.gate.set()
    up.settle()
    assert (up.find(5), up.find(6)) == ((), ())
    assert up.lines.naming()[1] == 0
    (note,) = up.lines.naming()[2]
    assert note.startswith("No more lines are looked up. This host ")
    up.want(7)
    assert up.find(7) == ()


def test_without_a_thread_there_are_no_lines(up, monkeypatch):
    def refused(_self):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", refused)
    up.want(5)
    assert up.find(5) == ()
    assert up.lines.naming()[1] == 0
