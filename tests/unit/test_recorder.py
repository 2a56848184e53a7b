"""The loop of the recorder: when it writes what, and why."""

from dataclasses import replace

import pytest

from ebpftrace.model.ids import Slot
from ebpftrace.model.snapshot import Trigger
from ebpftrace.recorder.conditions import parse
from ebpftrace.recorder.endings import ending
from ebpftrace.recorder.recorder import Outcome
from ebpftrace.recorder.thresholds import threshold
from ebpftrace.recorder.waiting import Seen
from tests.unit.builders import target
from tests.unit.recorder_bench import Bench

OTHER = target(pid=43, comm="other")
HIGH = Trigger("high", "above it")
ASKED = Trigger("asked", "asked for")


# --- intervals and limits -----------------------------------------------------------------------------


def test_the_first_one_comes_soon_then_one_every_time_and_a_last_one():
    bench = Bench(every=60.0, duration=200.0)
    assert bench.run() == Outcome(False, None)
    assert [(kind, round(at)) for kind, _, at in bench.kept] == [
        ("start", 0),
        ("interval", 60),
        ("interval", 120),
        ("interval", 180),
        ("final", 200),
    ]
    assert bench.kept[1][1] == "every 1m 00s"
    assert bench.kept[-1][1] == "the end of --duration 3m 20s"


def test_count_is_of_snapshots_the_last_one_included():
    bench = Bench(count=3)
    bench.run()
    assert bench.kinds == ["start", "interval", "final"]
    assert bench.kept[-1][1] == "every 1m 00s; the last of --count 3"


def test_a_count_of_one_is_one_snapshot():
    bench = Bench(count=1)
    bench.run()
    assert bench.kinds == ["final"]


def test_a_signal_ends_it_with_a_last_snapshot_and_status_0():
    bench = Bench().at(5.0, lambda: Seen(stopped="SIGTERM"))
    assert bench.run() == Outcome(False, None)
    assert bench.kept[-1][:2] == ("final", "ended by SIGTERM")


def test_a_signal_before_the_first_snapshot_still_leaves_one():
    bench = Bench().at(0.0, lambda: Seen(stopped="SIGINT"))
    bench.run()
    assert bench.kinds == ["final"]


def test_an_interval_that_was_missed_is_not_made_up_for():
    bench = Bench(every=10.0, duration=60.0)
    bench.at(35.0, lambda: setattr(bench, "now", 35.0))
    bench.script.insert(0, (5.0, lambda: setattr(bench, "now", 34.0)))
    bench.run()
    assert [round(at) for kind, _, at in bench.kept if kind == "interval"] == [34, 40, 50]


def test_each_snapshot_is_told_in_one_line():
    bench = Bench(count=2)
    bench.run()
    assert bench.told[0] == "2026-11-20T12:00:00Z the start: 1-start.ebpftrace, 2.0 KiB"
    assert len(bench.told) == 2


def test_the_history_is_of_all_pictures_so_far():
    bench = Bench(count=3).comes(10.0).comes(20.0)
    bench.run()
    assert bench.points == [1, 4, 5]


def test_a_watch_that_begins_anew_has_a_history_of_its_own():
    bench = Bench(count=3)
    bench.comes(10.0).comes(20.0)
    bench.at(30.0, lambda: bench.begins_anew("another", ago=0.5))
    bench.comes(30.0).comes(40.0)
    bench.run()
    assert bench.points == [1, 3, 4]


# --- triggers -------------------------------------------------------------------------------------------


def test_the_picture_of_a_trigger_is_drawn_after_it():
    bench = Bench().comes(29.9).fires(30.0, ASKED)
    bench.run()
    kind, sentence, at = bench.kept[1]
    assert (kind, sentence) == ("asked", "asked for")
    assert at > 30.0


def test_a_trigger_does_not_move_the_intervals():
    bench = Bench().fires(30.0, ASKED)
    bench.run()
    assert [round(at) for kind, _, at in bench.kept if kind == "interval"] == [60, 120, 180]


def test_triggers_at_one_time_share_a_snapshot():
    bench = Bench().fires(30.0, Trigger("oom", "out of it"), ASKED)
    bench.run()
    assert bench.kept[1][:2] == ("oom", "out of it; asked for")


def test_a_storm_takes_one_snapshot_in_ten_seconds_and_its_number_is_said():
    bench = Bench(duration=24.0, every=1000.0)
    for number in range(1200):
        bench.fires(1.0 + number / 100, HIGH)
    bench.run()
    high = [one for one in bench.kept if one[0] == "high"]
    assert [round(at) for _, _, at in high] == [1, 11, 21]
    assert "1000 times since the last one" in high[1][1]


def test_what_a_storm_left_is_in_the_last_sentence():
    bench = Bench(duration=5.0).fires(1.0, HIGH).fires(2.0, HIGH).fires(3.0, HIGH)
    bench.run()
    assert bench.kept[-1][1].startswith("above it (2 times since the last one); ")
    assert bench.kept[-1][0] == "final"


def test_a_size_that_a_picture_passes_takes_a_snapshot_at_once():
    bench = Bench([threshold(parse("rss=10M"))]).comes(30.0, rss=11 << 20)
    bench.run()
    assert bench.kinds[:3] == ["start", "rss", "interval"]
    assert round(bench.kept[1][2]) == 30


def test_what_the_drawn_picture_itself_gives_cause_for_is_in_the_same_snapshot():
    bench = Bench([threshold(parse("rss=1M"))], duration=20.0)
    bench.run()
    assert bench.kinds == ["start", "final"]
    assert "resident memory has reached" in bench.kept[0][1]


def test_a_source_that_draws_nothing_keeps_no_snapshot_from_being_written():
    bench = Bench(duration=300.0).comes(20.0)
    bench.at(29.0, lambda: setattr(bench, "hangs", True)).fires(30.0, ASKED)
    bench.run()
    kind, sentence, at = bench.kept[1]
    assert (kind, at) == ("asked", 20.0)
    assert "of before" in sentence


# --- ends -------------------------------------------------------------------------------------------------


def test_the_end_of_the_last_target_is_the_final_picture_and_status_4():
    bench = Bench().ends(30.0, 0, final=True, by="SIGKILL, out of memory")
    assert bench.run() == Outcome(True, None)
    assert bench.kept[-1] == ("end", "app (pid 42) ended: SIGKILL, out of memory", 30.0)
    assert len(bench.kept) == 2


def test_the_end_of_one_of_two_is_a_snapshot_and_the_watch_goes_on():
    bench = Bench()
    bench.targets.append(OTHER)
    bench.ends(30.0, 1, by="status 3")
    assert bench.run() == Outcome(False, None)
    assert bench.kept[1] == ("end", "other (pid 43) ended: status 3", 30.0)
    assert bench.kinds[2:] == ["interval", "interval", "interval", "final"]


def test_two_that_end_at_once_are_named_together():
    bench = Bench()
    bench.targets.append(OTHER)
    bench.ends(30.0, 0, 1, final=True)
    bench.run()
    assert bench.kept[-1][1] == "app (pid 42) ended: SIGKILL; other (pid 43) ended: SIGKILL"


def test_an_end_is_never_held_back():
    bench = Bench(every=1000.0)
    bench.targets += [target(pid=pid) for pid in range(100, 110)]
    for number in range(10):
        bench.ends(1.0 + number / 10, number)
    bench.run()
    assert bench.kinds.count("end") == 10


def test_a_trigger_whose_picture_is_the_last_one_is_told_with_the_end():
    bench = Bench()

    def killed() -> Seen:
        bench.targets = [target(ended="exited", ended_by="SIGKILL")]
        bench.drawn(final=True)
        return Seen(fired=(Trigger("oom", "out of memory"),))

    bench.at(30.0, killed)
    assert bench.run() == Outcome(True, None)
    assert bench.kept[-1][:2] == ("end", "app (pid 42) ended: SIGKILL; out of memory")
    assert len(bench.kept) == 2


def test_an_exec_waits_for_what_runs_now():
    bench = Bench()

    def replaced() -> Seen:
        bench.targets = [target(ended="exec")]
        return Seen(bench.drawn())

    def attached() -> Seen:
        bench.targets.append(target(comm="new"))
        return Seen(bench.drawn())

    bench.at(30.0, replaced).at(31.0, attached)
    bench.run()
    kind, sentence, when = bench.kept[1]
    assert (kind, sentence) == ("exec", "app (pid 42) runs another program now")
    assert when == pytest.approx(31.0, abs=0.1)


def test_execs_in_a_loop_do_not_fill_the_folder():
    bench = Bench(every=1000.0)
    for number in range(20):

        def replaced() -> Seen:
            bench.targets[-1] = replace(bench.targets[-1], ended="exec")
            bench.targets.append(target(comm="again", slot=Slot(2 + len(bench.targets))))
            return Seen(bench.drawn())

        bench.at(1.0 + number, replaced)
    bench.run()
    assert bench.kinds.count("exec") == 3
    assert any("times since the last one" in sentence for _, sentence, _ in bench.kept)


def test_a_slow_write_does_not_miss_an_end():
    bench = Bench()
    bench.targets.append(OTHER)
    bench.fires(30.0, ASKED).ends(30.5, 1).ends(31.0, 0, final=True)
    bench.run()
    assert [kind for kind in bench.kinds if kind == "end"] == ["end", "end"]


@pytest.mark.parametrize(
    "given, said",
    [
        ({"ended": "exited", "ended_by": None}, "app (pid 42) ended"),
        ({"ended": "lost"}, "app (pid 42) can no longer be traced"),
    ],
)
def test_an_end_of_which_less_is_known(given, said):
    assert ending(target(**given)) == said


def test_a_watch_that_fails_leaves_its_last_picture():
    def fail() -> Seen:
        raise RuntimeError("defect")

    bench = Bench().comes(30.0).at(31.0, fail)
    with pytest.raises(RuntimeError, match="defect"):
        bench.run()
    assert bench.kept[-1] == ("final", "the watch has failed, and this is the last picture", 30.0)


# --- a folder that takes nothing ----------------------------------------------------------------------------


def test_what_cannot_be_written_is_told_and_the_watch_goes_on():
    bench = Bench(every=10.0, duration=45.0)
    bench.full = {2, 3}
    assert bench.run() == Outcome(False, None)
    assert bench.kinds == ["start", "interval", "interval", "final"]
    assert bench.kept[1][1] == "every 10.0 s; 2 before this one could not be written"
    assert bench.kept[2][1] == "every 10.0 s"
    assert sum("No space left on device." in line for line in bench.told) == 2


def test_an_end_that_could_not_be_written_is_told_in_the_next_one_and_not_tried_all_the_time():
    bench = Bench()
    bench.targets.append(OTHER)
    bench.ends(30.0, 1)
    for second in range(31, 50):
        bench.comes(float(second))
    bench.full = {2}
    bench.run()
    assert bench.tries == len(bench.kept) + 1
    assert bench.kept[1][0] == "end"
    assert bench.kept[1][1].startswith("other (pid 43) ended: SIGKILL; every 1m 00s; 1 before")
    assert round(bench.kept[1][2]) == 60


def test_a_last_one_that_cannot_be_written_is_the_outcome():
    bench = Bench(duration=5.0)
    bench.full = {2}
    assert bench.run() == Outcome(False, "No space left on device.")
    assert not any("No space" in line for line in bench.told)
