"""Who reads what is known of the processes, when, and what is left of it after their end."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from ebpftrace.host.facts import host_facts
from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.snapshot import BlockColumns, MappedRange, MemoryGroup, Trigger
from ebpftrace.session import facts as session_facts
from ebpftrace.session import known
from ebpftrace.session.facts import Facts
from ebpftrace.session.taking import taken
from ebpftrace.target import facts
from ebpftrace.target.facts import Status
from ebpftrace.target.mapped import MOST_MAPPINGS
from ebpftrace.target.memory_group import GroupPlace
from tests.unit.builders import picture
from tests.unit.builders import target as a_target
from tests.unit.space_builders import StubProcess, mapping, space

PLACE = GroupPlace("/sys/fs/cgroup/app", 2, "/app\x1b", "/sys/fs/cgroup")


class Host:
    """What /proc and the group say of every process, and how often they were asked."""

    def __init__(self, monkeypatch):
        self.rss: int | None = 100
        self.figures = {"memory.current": 7, "memory.events.oom_kill": 0}
        self.place: GroupPlace | None = PLACE
        self.reads = 0
        self.rollups = 0
        for name, value in {
            "command_line": lambda _: ("app", "-x"),
            "environment": lambda _: ("A=b",),
            "started": lambda _: None,
            "limits": lambda _: {},
            "status": self.status,
            "rollup": self.rollup,
        }.items():
            monkeypatch.setattr(facts, name, value)
        monkeypatch.setattr(known, "place_of", lambda _: self.place)
        monkeypatch.setattr(known, "limits_of", lambda _: {"memory.max": 9})
        monkeypatch.setattr(known, "figures_of", lambda _: dict(self.figures))
        monkeypatch.setattr(known, "statistics_of", lambda _: {"memory.stat.anon": 5})
        monkeypatch.setattr(session_facts, "SHARE", float("inf"))

    def status(self, _):
        self.reads += 1
        return Status(Pid(1), (0, 0, 0, 0), {} if self.rss is None else {"VmRSS": self.rss})

    def rollup(self, _):
        self.rollups += 1
        return {"Rss": self.rss}


class Traced:
    def __init__(self, *maps):
        self.process = StubProcess(*maps)
        self.space = space(self.process)
        self.slot = Slot(3)
        self.ended: str | None = None


class Watch:
    """A session's facts; `now` is the time since the attach."""

    def __init__(self, *targets: Any, always=True, environment=False):
        self.now = 0.0
        self.facts = Facts(lambda: self.now, always=always, environment=environment)
        for target in targets:
            self.facts.add(target)

    def draw(self, at, final=False):
        self.now = at
        self.facts.before_picture(final=final)

    def newest(self):
        """Asked on a thread, answered on this one."""
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(self.facts.newest()))
        asking.start()
        while asking.is_alive():
            self.facts.on_idle()
            asking.join(0.001)
        return answers[0]


@pytest.fixture
def host(monkeypatch):
    return Host(monkeypatch)


def test_the_last_figures_before_the_end_are_kept_with_their_moment(host):
    target = Traced()
    watch = Watch(target)
    watch.draw(1.0)
    host.rss = 200
    watch.draw(2.0)
    host.rss = None  # its memory goes first
    watch.draw(3.0)
    target.ended = "exited"
    watch.draw(4.0, final=True)
    (one,) = watch.facts.newest()
    assert one.memory is not None
    assert (one.memory.status, one.memory.status_at) == ({"VmRSS": 200}, 2.0)
    assert (one.command_line, one.parent, one.users) == (("app", "-x"), 1, (0, 0, 0, 0))


def test_reading_takes_its_share_of_the_time_unless_somebody_asks(host, monkeypatch):
    monkeypatch.setattr(session_facts, "SHARE", 1e-9)
    watch = Watch(*(Traced() for _ in range(3)))
    at_once = host.reads
    for at in range(5):
        watch.draw(at + 1.0)
    assert host.reads == at_once + 3
    watch.newest()
    assert host.reads == at_once + 6
    watch.draw(9.0, final=True)
    seen = [one.memory.status_at for one in watch.facts.newest() if one.memory is not None]
    assert seen == [9.0] * 3


def test_many_processes_share_the_time_for_reading(host, monkeypatch):
    watch = Watch()
    shares = []
    monkeypatch.setattr(session_facts, "SHARE", 0.5)
    targets: list[Any] = [Traced() for _ in range(4)]
    for target in targets:
        watch.facts.add(target)
        shares.append(watch.facts._share())
    targets[0].ended = targets[1].ended = "exited"
    assert [*shares, watch.facts._share()] == [0.5, 0.25, 0.5 / 3, 0.125, 0.25]


def test_of_a_process_that_has_ended_nothing_is_read_any_more(host):
    target = Traced()
    watch = Watch(target)
    target.ended = "exec"
    reads = host.reads
    watch.draw(1.0)
    assert host.reads == reads


def test_the_sums_of_all_mappings_are_read_once_in_a_while(host):
    watch = Watch(Traced())
    for at in range(5):
        watch.draw(at + 1.0)
        watch.newest()
    (one,) = watch.newest()
    assert host.rollups == 1
    assert one.memory is not None
    assert (one.memory.rollup, one.memory.rollup_at) == ({"Rss": 100}, 1.0)


def test_a_group_has_its_limits_figures_and_statistics_under_a_clean_name(host):
    watch = Watch(Traced())
    watch.draw(1.0)
    (one,) = watch.newest()
    figures = {**host.figures, "memory.stat.anon": 5}
    assert one.group == MemoryGroup("/app·", 2, {"memory.max": 9}, figures)


def test_after_the_end_the_group_says_what_it_has_counted_but_not_that_its_memory_is_free(host):
    target = Traced()
    watch = Watch(target)
    watch.draw(1.0)
    target.ended = "exited"
    host.figures = {"memory.current": 0, "memory.events.oom_kill": 1}
    watch.draw(2.0)
    host.figures = {"memory.current": 90, "memory.events.oom_kill": 5}
    watch.draw(3.0)
    (one,) = watch.newest()
    assert one.group is not None
    assert one.group.figures["memory.current"] == 7
    assert one.group.figures["memory.events.oom_kill"] == 1


def test_a_group_that_was_removed_keeps_its_last_figures(host):
    watch = Watch(Traced())
    watch.draw(1.0)
    host.figures = {}
    watch.draw(2.0)
    (one,) = watch.newest()
    assert one.group is not None
    assert one.group.figures["memory.current"] == 7


def test_without_a_group_there_is_none(host):
    host.place = None
    watch = Watch(Traced())
    watch.draw(1.0)
    assert watch.newest()[0].group is None


def test_mappings_are_those_of_the_moment_when_somebody_asks(host):
    target = Traced(mapping(path="[heap]", inode=0, perms="rw-p"))
    watch = Watch(target, always=False)
    assert [row.path for row in watch.newest()[0].mappings] == ["[heap]"]
    target.process.now = ()
    target.ended = "exited"
    assert [row.path for row in watch.newest()[0].mappings] == ["[heap]"]


def test_where_nobody_asks_nothing_is_read_unless_that_is_wanted(host):
    watch = Watch(Traced(), always=False)
    reads = host.reads
    watch.draw(1.0)
    watch.facts.on_idle()
    assert host.reads == reads
    (one,) = watch.newest()
    assert one.memory is not None


def test_an_environment_is_there_only_if_it_was_asked_for(host):
    assert Watch(Traced()).newest()[0].environment is None
    assert Watch(Traced(), environment=True).newest()[0].environment == ("A=b",)


def test_who_asks_a_thread_that_does_not_answer_is_told_what_was_known(host, monkeypatch):
    monkeypatch.setattr(session_facts, "ANSWER_S", 0.05)
    watch = Watch(Traced())
    watch.draw(1.0)
    assert watch.facts.newest()[0].memory is not None


def test_after_the_final_picture_nobody_waits(host):
    watch = Watch(Traced())
    watch.draw(1.0, final=True)
    assert watch.facts.newest()[0].memory is not None


class Session:
    def __init__(self, *processes):
        self.processes = processes

    def facts(self):
        return self.processes

    def block_columns(self, of):
        yield BlockColumns([0], [1], [2], [3], [len(of.sites)])


WHY = Trigger("asked", "SIGUSR1.")
OF_IT = picture(targets=(a_target(pid=Pid(1), slot=Slot(3)),))


def test_a_snapshot_holds_the_picture_and_what_explains_it():
    shown = picture(watch="ab" * 16)
    made = taken(Session(), shown, WHY, [])
    assert (made.picture, made.trigger, made.watch) == (shown, WHY, shown.watch)
    assert made.tool.startswith("ebpftrace ")
    assert made.host is not None
    assert (made.blocks, made.notes, made.history) == (None, (), ())


def test_blocks_are_read_when_the_snapshot_is_asked_for_them():
    made = taken(Session(), picture(), WHY, [], blocks=True)
    assert made.blocks is not None
    assert [one.thread for one in made.blocks()] == [[0]]
    assert [one.thread for one in made.blocks()] == [[0]]


def test_a_process_that_was_attached_to_after_the_picture_is_not_in_its_snapshot(host):
    first, second = Watch(Traced(), Traced()).newest()
    later = replace(second, slot=Slot(4))
    assert taken(Session(first, later), OF_IT, WHY, []).processes == (first,)


def test_mappings_that_were_too_many_are_noted(host):
    row = MappedRange(0, 1, "r", 0, "")  # type: ignore[arg-type]
    (one,) = Watch(Traced()).newest()
    many = replace(one, mappings=(row,) * MOST_MAPPINGS)
    made = taken(Session(many), OF_IT, WHY, [])
    assert made.notes == ("Of the mappings of process 1 it holds the first 65 536.",)


def test_the_host_is_this_one():
    host = host_facts()
    assert host.memory_bytes is not None
    assert host.available_bytes is not None
    assert 0 < host.available_bytes <= host.memory_bytes
    assert host.processors >= 1
    assert host.page_size >= 4096
    assert host.name
    assert host.kernel
    assert host.boot is None or len(host.boot) == 36
