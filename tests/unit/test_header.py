"""What stands at the top, from one line to all that it would like to have."""

import pytest

from ebpftrace.analysis.headline import Headline
from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.trend import TOO_EARLY, Trend
from ebpftrace.model.ids import Pid
from ebpftrace.tui.header import ENDED, OVER, State, header_lines, opening_lines, wanted
from ebpftrace.tui.options import Recorded
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.hostile import HOSTILE
from tests.unit.texts import MONSTROUS, plain, texts

NOTHING = Headline(None, None, None)
GROWING = Trend("growing", 1024.0, 900.0, 1100.0)
TEN = tuple(target(pid=Pid(n), ended="exited" if n < 8 else None) for n in range(10))


def state(**given):
    values = {
        "headline": NOTHING,
        "overall": TOO_EARLY,
        "late_s": None,
        "paused_s": None,
        "rules": Rules.standard(),
    }
    return State(**{**values, **given})


def lines(*sites, most=9, said=None, **given):
    return header_lines(picture(*sites, **given), said or state(), most)


def header(*sites, **given):
    return texts(lines(*sites, **given))


def test_the_header_names_the_target_its_memory_and_the_totals():
    held = "2.0 KiB in 2 blocks, +2.0 KiB since attach, +30.0 KiB/min"
    resident = "resident 8.6 MiB, +40.0 KiB since attach"
    assert header(site(counts=counts(2, 2048)), growth=512.0) == [
        "app (pid 42)  12.0 s since attach  mode full  1 site  glibc  /srv/app",
        "growth   too early to say",
        f"tracked  {held}   {resident}",
        "calls    allocated 2 (2.0 KiB), freed 0 (0 B)",
    ]


def test_the_last_line_left_is_the_totals():
    assert header(site(), most=1)[0].startswith("tracked")
    assert [row.split()[0] for row in header(site(), most=2)] == ["app", "tracked"]
    assert [row.split()[0] for row in header(site(), most=3)] == ["app", "growth", "tracked"]


@pytest.mark.parametrize("most", range(1, 12))
@pytest.mark.parametrize("targets", [(), TEN[:1], TEN[:3], TEN])
def test_there_are_never_more_lines_than_there_is_room_for(most, targets):
    said = header(site(), most=most, targets=targets)
    assert 1 <= len(said) <= most
    like = wanted(picture(site(), targets=targets))
    if targets:
        assert len(said) == like or most < like


def test_an_ended_target_is_marked_beside_its_name():
    (first, *_) = lines(targets=(target(ended="exec"),))
    assert plain(first).startswith("app (pid 42)  replaced by exec  12.0 s since attach")
    assert first[1].role == "alarm"
    said = header(targets=(target(ended="exec"), target(pid=Pid(43))))
    assert "app (pid 42)  replaced by exec  resident" in said[3]


@pytest.mark.parametrize("most", [1, 2, 9])
def test_a_final_picture_says_so_and_what_to_do(most):
    (first, *_) = lines(final=True, most=most, targets=(target(ended="exited"),))
    assert plain(first).startswith(ENDED)
    assert first[0].role == "alarm"


def test_a_watch_that_is_over_before_its_targets_does_not_call_them_ended():
    assert header(final=True, targets=(*TEN[:1], target()))[0].startswith(OVER)


def test_pictures_that_do_not_come_are_said():
    (first, *_) = lines(site(), said=state(late_s=7.0))
    assert plain(first).startswith("no picture for 7.0 s  app (pid 42)")
    assert first[0].role == "alarm"


def test_a_final_picture_is_the_last_so_that_none_is_missing():
    assert "no picture" not in header(site(), final=True, said=state(late_s=7.0))[0]


@pytest.mark.parametrize("most", [1, 2, 9])
def test_a_picture_that_is_held_says_how_old_it_is_and_what_goes_on(most):
    (first, *_) = lines(site(), said=state(paused_s=5.0), most=most)
    assert plain(first).startswith("PAUSED, 5.0 s behind; p goes on  app (pid 42)")
    assert first[0].role == "alarm"
    assert header(site(), said=state(paused_s=0.0))[0].startswith("PAUSED, 0 ms behind")


def test_pictures_that_do_not_come_are_said_beside_the_one_that_is_held():
    said = header(site(), said=state(paused_s=5.0, late_s=7.0))[0]
    assert said.startswith("no picture for 7.0 s  PAUSED, 5.0 s behind")


RECORDED = Recorded("app ended: SIGKILL.", "web-7", over="the recording ends here")
TAKEN = "2026-11-20 13:00:00 (2h 05m ago)"


def test_what_was_recorded_says_when_where_and_why_before_anything_else():
    said = header(site(), said=state(taken=TAKEN, recorded=RECORDED))
    assert said[0] == f"taken    {TAKEN}  web-7: app ended: SIGKILL."
    assert said[1].startswith("app (pid 42)  12.0 s since attach")
    assert [row.split()[0] for row in said[2:]] == ["growth", "tracked", "calls"]


def test_the_end_of_a_recording_is_not_the_end_of_a_watch():
    said = header(site(), final=True, said=state(taken=TAKEN, recorded=RECORDED))
    assert said[1].startswith("the recording ends here  app (pid 42)")
    still = RECORDED._replace(over="")
    assert header(site(), final=True, said=state(taken=TAKEN, recorded=still))[1].startswith("app ")


@pytest.mark.parametrize("most", range(1, 7))
def test_of_what_was_recorded_there_are_no_more_lines_than_room_and_its_age_is_never_missing(most):
    said = header(site(), most=most, said=state(taken=TAKEN, recorded=RECORDED))
    assert len(said) == min(most, wanted(picture(site()), recorded=True))
    assert TAKEN in said[0]
    assert any("tracked" in row for row in said)


def test_many_targets_are_counted_and_the_living_come_first():
    said = header(targets=TEN)
    assert said[0].startswith("10 programs, 8 of them ended: app x 10  ")
    assert ["(pid 8)" in said[3], "(pid 9)" in said[4], "(pid 0)" in said[5]] == [True] * 3
    assert said[6] == ("and 7 programs, 7 of them ended: app x 7  (? lists them, 4 groups by them)")
    assert wanted(picture(targets=TEN)) == 8


def test_what_grows_is_an_alarm_and_says_how_fast():
    growth = lines(said=state(overall=GROWING))[1]
    assert plain(growth) == "growth   growing +60.0 KiB/min (52.7 to 64.5)"
    assert growth[1].role == "alarm"
    assert lines(said=state(overall=Trend("steady", 0.0, 0.0, 0.0)))[1][1].role == "good"


def test_the_site_that_grows_fastest_is_named_with_its_share_of_what_grows():
    leak = site(frames=(frame("xmalloc"), frame("serve", file="/src/serve.c", line=7)))
    found = Headline(leak, GROWING, 0.25)
    said = header(said=state(overall=GROWING, headline=found))[1]
    assert said.endswith("   25 % of it: serve serve.c:7")


def test_a_small_share_is_not_none_at_all():
    found = Headline(site(), GROWING, 0.004)
    assert "   less than 1 % of it: " in header(said=state(headline=found))[1]


def test_the_site_to_blame_is_by_the_frame_that_the_user_has_not_skipped():
    leak = site(frames=(frame("pool_get"), frame("serve")))
    rules = Rules.standard().with_skipped(["^pool_"])
    found = Headline(leak, GROWING, None)
    assert header(said=state(headline=found, rules=rules))[1].endswith("   fastest: serve [app]")


@pytest.mark.parametrize("name", [*HOSTILE, *MONSTROUS], ids=lambda name: ascii(name[:9]))
def test_the_name_of_the_program_comes_last_on_its_line_and_hides_no_figure(name):
    assert header(targets=(target(exe=name),))[0].endswith(f"mode full  0 sites  glibc  {name}")
    said = header(targets=(target(exe=name), target()))[3]
    assert said == f"app (pid 42)  resident 8.6 MiB, +40.0 KiB since attach  glibc  {name}"


def test_until_there_is_a_picture_it_says_what_is_done_and_how_to_leave():
    assert texts(opening_lines("")) == ["waiting for the first picture  q leaves"]
    assert texts(opening_lines("attaching 3 of 40")) == ["attaching 3 of 40  q leaves"]
