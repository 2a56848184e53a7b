"""What gives cause for a snapshot, by itself: sizes, rates, pressure, how often; no kernel is asked."""

import os
from pathlib import Path

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder import group_v1, group_v2, pressure
from ebpftrace.recorder.alarms import Alarm, Alarms, Spent
from ebpftrace.recorder.arming import arm
from ebpftrace.recorder.conditions import Condition, parse
from ebpftrace.recorder.limiter import LEAST_GAP_S, Limiter
from ebpftrace.recorder.thresholds import threshold
from ebpftrace.target.pressure import HOST, file_of
from tests.unit.builders import counts, picture, target

MIB = 1 << 20


def seen(at: float, *, rss: int | None = 0, tracked: int = 0):
    return picture(since_attach_s=at, targets=(target(rss_bytes=rss),), totals=counts(size=tracked))


def fired(alarm: Alarm, *values: int | None) -> list[bool]:
    """Did it fire at each of these sizes of resident memory, a second apart?"""
    pictures = (seen(float(at), rss=value) for at, value in enumerate(values))
    return [alarm.at_picture(one) is not None for one in pictures]


# --- what is asked for ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, expected",
    [
        ("rss=2G", ("rss", 2 << 30, None)),
        ("tracked=500M", ("tracked", 500 * MIB, None)),
        ("rss=60M/m", ("rss", MIB, "m")),
        ("tracked=1M/s", ("tracked", MIB, "s")),
        ("pressure=12.5%", ("pressure", 12.5, None)),
        ("pressure=10", ("pressure", 10, None)),
    ],
)
def test_a_condition_is_a_size_a_rate_or_a_percentage(text, expected):
    assert parse(text)[1:] == expected


@pytest.mark.parametrize(
    "text",
    [
        *("rss", "rss=", "rss=0", "rss=2G/d", "rss=-1", "rss=2G/", "cpu=5", "=5", "", "rss=1x/m"),
        *("pressure=0", "pressure=101%", "pressure=x", "pressure=0.0001%", "pressure=10%/s"),
    ],
)
def test_any_other_condition_is_refused(text):
    with pytest.raises(UsageError):
        parse(text)


# --- sizes and rates --------------------------------------------------------------------------------


def test_a_size_fires_once_until_it_fell_below_nine_tenths():
    alarm = threshold(parse("rss=1000"))
    sizes = (999, 1000, 2000, 901, 1000, 899, 999, 1000, 1001)
    assert fired(alarm, *sizes) == [n in (1, 7) for n in range(9)]


def test_a_size_that_is_passed_at_the_first_picture_fires():
    trigger = threshold(parse("tracked=500M")).at_picture(seen(0.0, tracked=600 * MIB))
    assert trigger == Trigger("tracked", "tracked memory has reached 500 MiB: 600 MiB")


def test_resident_memory_is_that_of_all_who_live():
    living = [target(rss_bytes=600), target(rss_bytes=600)]
    alarm = threshold(parse("rss=1000"))
    ended = target(rss_bytes=600, ended="exited")
    assert alarm.at_picture(picture(targets=(living[0], ended))) is None
    assert alarm.at_picture(picture(targets=tuple(living)))


def test_what_is_not_known_neither_passes_nor_falls_below():
    assert fired(threshold(parse("rss=1000")), None, 1000, None, 1000) == [
        False,
        True,
        False,
        False,
    ]


def test_a_rate_needs_ten_seconds():
    sizes = [MIB * at for at in range(13)]
    assert fired(threshold(parse("rss=60M/m")), *sizes).index(True) == 10


def test_a_rate_says_over_which_time():
    alarm = threshold(parse("rss=50M/m"))
    alarm.at_picture(seen(0.0))
    trigger = alarm.at_picture(seen(30.0, rss=30 * MIB))
    assert trigger == Trigger(
        "rss", "resident memory grew by 60.0 MiB a minute over the last 30.0 s"
    )


def test_a_rate_is_over_the_last_minute_alone():
    alarm = threshold(parse("rss=60M/m"))
    sizes = [0] * 100 + [2 * MIB * at for at in range(1, 61)]
    assert fired(alarm, *sizes).index(True) == 99 + 30


def test_a_rate_fires_once_until_it_fell_below_nine_tenths():
    alarm = threshold(parse("rss=1M/s"))
    rising = [2 * MIB * at for at in range(100)]
    level = [rising[-1]] * 100
    again = [rising[-1] + 2 * MIB * at for at in range(100)]
    assert sum(fired(alarm, *rising, *level)) == 1
    assert sum(fired(threshold(parse("rss=1M/s")), *rising, *level, *again)) == 2


def test_pictures_further_apart_than_a_minute_still_have_a_rate():
    alarm = threshold(parse("rss=1M/m"))
    assert alarm.at_picture(seen(0.0)) is None
    assert alarm.at_picture(seen(300.0, rss=10 * MIB))


def test_a_rate_is_of_one_watch():
    alarm = threshold(parse("rss=1M/s"))
    assert alarm.at_picture(seen(100.0)) is None
    assert alarm.at_picture(seen(1.0, rss=100 * MIB)) is None  # the numbers began anew
    assert alarm.at_picture(seen(12.0, rss=101 * MIB)) is None
    assert alarm.at_picture(seen(13.0, rss=200 * MIB))


# --- how often --------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_kind_takes_one_snapshot_in_ten_seconds_and_the_others_are_counted():
    clock = Clock()
    limiter = Limiter(clock)
    limiter.ask([Trigger("high", "first")])
    assert limiter.due() == [Trigger("high", "first")]
    for _ in range(1000):
        limiter.ask([Trigger("high", "later")])
    assert limiter.due() == []
    assert limiter.due_in() == LEAST_GAP_S
    clock.now += LEAST_GAP_S
    assert limiter.due_in() == 0
    assert limiter.due() == [Trigger("high", "later (1000 times since the last one)")]
    assert limiter.due_in() == float("inf")


def test_a_storm_of_one_kind_holds_back_no_other():
    limiter = Limiter(Clock())
    limiter.ask([Trigger("high", "x")])
    limiter.due()
    limiter.ask([Trigger("high", "x"), Trigger("oom", "y")])
    assert limiter.due() == [Trigger("oom", "y")]
    assert limiter.rest() == [Trigger("high", "x")]


def test_what_was_not_taken_after_all_waits_on():
    limiter = Limiter(Clock())
    limiter.ask([Trigger("oom", "y")])
    limiter.put_back(limiter.due())
    assert limiter.rest() == [Trigger("oom", "y")]


def test_one_that_is_asked_for_comes_within_a_second_of_the_last():
    clock = Clock()
    limiter = Limiter(clock)
    limiter.ask([Trigger("asked", "first")])
    limiter.due()
    limiter.ask([Trigger("asked", "second")])
    assert limiter.due_in() == 1.0
    clock.now += 1.0
    assert limiter.due() == [Trigger("asked", "second")]


def test_what_could_not_be_written_holds_the_next_one_back_for_a_second_more_each_time():
    clock = Clock()
    limiter = Limiter(clock)
    gaps = []
    for failures in (1, 2, 3, 60):
        limiter.ask([Trigger("oom", "y")])
        clock.now += limiter.due_in()
        limiter.failed(limiter.due(), failures)
        limiter.ask([Trigger("oom", "y")])
        gaps.append(limiter.due_in())
    assert gaps == [1.0, 2.0, 3.0, LEAST_GAP_S]


# --- pressure, by its average -------------------------------------------------------------------------


def average_file(folder: Path, percent: str) -> Path:
    file = folder / "memory.pressure"
    file.write_text(
        f"some avg10={percent} avg60=0.00 avg300=0.00 total=9\nfull avg10=0.00 total=0\n"
    )
    return file


def test_pressure_by_its_average_fires_once(tmp_path):
    alarm = pressure.Average(average_file(tmp_path, "3.00"), 10, "this host")
    told = []
    for percent in ("9.99", "10.00", "40.00", "9.50", "8.99", "12.50"):
        average_file(tmp_path, percent)
        told.append(alarm.at_picture(seen(0.0)))
    assert [one is not None for one in told] == [False, True, False, False, False, True]
    assert told[-1] == Trigger(
        "pressure", "tasks of this host waited for memory for 12.5 % of 10 s"
    )


def test_pressure_of_a_group_that_is_gone_is_spent(tmp_path):
    file = average_file(tmp_path, "3.00")
    alarm = pressure.Average(file, 10, "it")
    file.unlink()
    with pytest.raises(Spent, match="No such file"):
        alarm.at_picture(seen(0.0))


def test_pressure_is_that_of_the_group_where_it_has_one(tmp_path):
    assert file_of(tmp_path) == HOST
    assert file_of(average_file(tmp_path, "0.00").parent) == tmp_path / "memory.pressure"
    assert file_of(None) == HOST


# --- memory groups, as files ----------------------------------------------------------------------------


def events(folder: Path, **numbers: int) -> Path:
    file = folder / "memory.events"
    values = {"low": 0, "high": 0, "max": 0, "oom": 0, "oom_kill": 0, **numbers}
    file.write_text("".join(f"{name} {n}\n" for name, n in values.items()))
    return file


def test_memory_events_tell_what_rose(tmp_path):
    alarm = group_v2.MemoryEvents(events(tmp_path, high=7), "/g")
    told = []
    for more in ({"high": 8}, {"high": 8, "max": 5}, {"high": 11, "oom": 1, "oom_kill": 2}):
        events(tmp_path, **more)
        told.append(alarm.at_event())
    alarm.close()
    assert told == [
        Trigger("high", "memory group /g: above memory.high once"),
        None,
        Trigger(
            "oom",
            "memory group /g: out of memory once, 2 processes killed for memory, "
            "above memory.high 3 times",
        ),
    ]


def test_groups_above_are_asked_for_their_own_limits_only(tmp_path):
    own = tmp_path / "pod" / "container"
    own.mkdir(parents=True)
    file = events(own)
    (own.parent / "memory.events.local").touch()
    (own.parent / "memory.events").touch()
    assert group_v2.event_files(own) == [file, own.parent / "memory.events.local"]
    assert group_v2.event_files(tmp_path) == []


def test_kills_are_counted_where_the_kernel_takes_no_listener(tmp_path):
    control = tmp_path / group_v1.CONTROL
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    alarm = group_v1.Kills(tmp_path, "/g")
    assert alarm.at_picture(seen(0.0)) is None
    control.write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 5\n")
    assert alarm.at_picture(seen(1.0)) == Trigger(
        "oom", "memory group /g was out of memory: 2 killed"
    )
    assert alarm.at_picture(seen(2.0)) is None
    control.unlink()
    with pytest.raises(Spent):
        alarm.at_picture(seen(3.0))


# --- arming -------------------------------------------------------------------------------------------


def test_a_group_without_a_listener_is_looked_at_and_said(tmp_path):
    (tmp_path / group_v1.CONTROL).write_text("oom_kill 3\n")
    armed = arm([7, 8], [parse("rss=1G")], lambda _pid: (str(tmp_path), 1))
    assert [type(alarm).__name__ for alarm in armed.alarms] == ["Size", "Kills"]
    assert len(armed.missing) == 1
    assert "each picture only" in armed.missing[0]


@pytest.mark.parametrize("version", [1, 2])
def test_the_root_group_and_no_group_are_said_to_have_no_limit(tmp_path, version):
    (tmp_path / "release_agent").touch()
    places: tuple[tuple[str, int] | None, ...] = ((str(tmp_path), version), None)
    for where in places:
        armed = arm([7], [], {7: where}.get)
        assert armed.alarms == []
        assert len(armed.missing) == 1


def test_a_group_that_tells_nothing_is_said(tmp_path):
    armed = arm([7], [], lambda _pid: (str(tmp_path), 1))
    assert armed.alarms == []
    assert "No such file" in armed.missing[0]


def test_pressure_that_cannot_be_had_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("ebpftrace.target.pressure.HOST", tmp_path / "none")
    armed = arm([7], [Condition("pressure=10%", "pressure", 10)], lambda _pid: None)
    assert armed.alarms == []
    assert any("psi=1" in sentence for sentence in armed.missing)


def test_a_group_above_two_targets_is_listened_to_once(tmp_path):
    (tmp_path / "memory.events.local").write_text("high 0\n")
    groups = {7: tmp_path / "a", 8: tmp_path / "b"}
    for group in groups.values():
        group.mkdir()
        events(group)
    armed = arm(groups, [], lambda pid: (str(groups[pid]), 2))
    assert len(armed.alarms) == 3
    for alarm in armed.alarms:
        alarm.close()


# --- all that are armed -----------------------------------------------------------------------------------


class Once(Alarm):
    """Fires at one event and is spent at the next."""

    def __init__(self) -> None:
        super().__init__("it happens")
        self.descriptor, self.other = os.pipe()
        self.left = 1

    def at_event(self) -> Trigger | None:
        if not self.left:
            raise Spent("it is over")
        self.left = 0
        return Trigger("oom", "it happened")

    def close(self) -> None:
        os.close(self.other)
        assert self.descriptor is not None
        os.close(self.descriptor)


def test_an_alarm_that_is_spent_is_told_and_waited_for_no_more():
    told: list[str] = []
    alarm = Once()
    alarms = Alarms([alarm], told.append)
    ready = list(alarms.descriptors)
    assert alarms.at_event(ready) == [Trigger("oom", "it happened")]
    assert alarms.at_event(ready) == []
    assert told == ["no longer armed: it happens: it is over"]
    assert alarms.descriptors == {}
    alarms.close()
