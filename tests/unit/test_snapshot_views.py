"""What a report says of a snapshot, as text and as JSON."""

import io
import json
from datetime import datetime, timedelta, timezone

import pytest

from ebpftrace.analysis.charting import line_of
from ebpftrace.analysis.selection import Selection
from ebpftrace.export import snapshot_json, snapshot_text, text
from ebpftrace.export.process_lines import process_lines
from ebpftrace.export.text import MOST_OF_TEXT
from ebpftrace.model.picture import Point
from ebpftrace.model.snapshot import Limit, MappedRange, Trigger
from ebpftrace.snapshot.jsonl.recorded import Reader
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.hostile import HOSTILE
from tests.unit.said import said_of_snapshot
from tests.unit.snapshot_builders import GIB, MIB, facts, group, host, memory, snapshot

TAKEN = picture().time
LIMITS = "limits   open files 1 024"
SNAPSHOT_KEYS = ["file", "trigger", "watch", "tool", "host", "processes", "history", "notes"]


def lines(given=None, now=TAKEN, **more):
    known = given or snapshot(**more)
    return list(snapshot_text.lines(known, "x.ebpftrace", Selection(top=10), now))


def report(*given, **more):
    return "\n".join(lines(*given, **more))


def of_process(now=12.0, tracked=MIB, **given):
    return "\n".join(process_lines(facts(**given), tracked, now))


def test_first_comes_when_and_how_long_ago():
    local = TAKEN.astimezone()
    first = lines(now=TAKEN + timedelta(hours=2, minutes=5))[0]
    assert first == f"{local:%Y-%m-%d %H:%M:%S} (2h 05m ago)  12.0 s since attach  mode full"


def test_a_clock_that_went_back_is_said():
    assert "(1m 00s ahead of this clock)" in lines(now=TAKEN - timedelta(minutes=1))[0]


def test_then_why_by_what_where_and_the_file():
    said = lines(trigger=Trigger("oom", "The memory group ran out of memory."))
    assert said[1] == "  why      The memory group ran out of memory."
    assert said[2] == "  by       ebpftrace 0.1.0"
    assert said[3].startswith("  on       web1: Linux 6.1.0-13-amd64 x86_64, Debian GNU/Linux 12, ")
    assert said[3].endswith("4 processors, 16.0 GiB of memory, 3.0 GiB available")
    assert said[4] == "  file     x.ebpftrace"


def test_what_a_recording_does_not_know_takes_no_line():
    said = report(
        snapshot(trigger=Trigger("", ""), tool="", watch="", host=None, processes=(), history=())
    )
    assert not any(word in said for word in ("why", "  by ", "  on ", "command", "history"))


def test_the_rest_is_the_report_of_the_picture():
    drawn = picture(site(counts=counts(4)))
    said = lines(snapshot(drawn, processes=()))
    assert said[5:] == list(text.lines(drawn, Selection(top=10)))[1:]


def test_each_process_has_its_facts_under_it():
    one, two = target(pid=1, slot=1), target(pid=2, slot=2)
    drawn = picture(
        site("a", slot=1, counts=counts(1, MIB)),
        site("b", slot=2, counts=counts(1, 2 * MIB)),
        targets=(one, two),
    )
    known = (facts(pid=2, slot=2, command_line=("second",)), facts(command_line=("first",)))
    said = lines(snapshot(drawn, processes=known))
    assert [line for line in said if "command" in line] == [
        "    command  first",
        "    command  second",
    ]
    tracked = [line.partition("tracked ")[2] for line in said if "  memory  " in line]
    assert tracked == ["1.0 MiB: 5.00 % of RssAnon", "2.0 MiB: 10.00 % of RssAnon"]


def test_who_a_process_is():
    started = datetime(2026, 11, 20, 11, tzinfo=timezone.utc).astimezone()
    said = of_process(users=(0, 33))
    assert "command  /srv/app --port 80" in said
    assert f"process  started {started:%Y-%m-%d %H:%M:%S} by pid 1, users 0, 33" in said
    assert "process  start not known" in of_process(started=None, parent=None, users=())


def test_user_ids_that_are_all_one_are_one():
    assert of_process(users=(0, 0, 0, 0)).splitlines()[1].endswith(", user 0")
    assert of_process(users=(33, 0, 33, 33)).splitlines()[1].endswith(", users 33, 0, 33, 33")


def test_what_a_new_name_left_of_the_command_is_no_part_of_it():
    padded = of_process(command_line=("redis-server *:6379" + 20 * " ",)).splitlines()
    assert padded[0] == "command  redis-server *:6379"


def test_memory_is_said_by_the_names_of_the_kernel():
    said = of_process(memory=memory(rollup={"Pss": 5 * MIB, "LazyFree": 0}))
    assert (
        "memory   VmRSS 30.0 MiB, RssAnon 20.0 MiB, RssFile 10.0 MiB, VmSwap 0 B, Pss 5.0" in said
    )
    assert "LazyFree" not in said


def test_what_is_tracked_may_be_more_than_what_is_resident():
    assert "tracked 40.0 MiB: more than RssAnon, so not all of it was touched" in of_process(
        tracked=40 * MIB
    )


def test_what_came_after_the_figures_were_read_is_not_called_untouched():
    said = of_process(now=13.0, tracked=40 * MIB)
    assert said.splitlines()[2].endswith("tracked 40.0 MiB: more than RssAnon was 1.0 s before")


@pytest.mark.parametrize("at, words", [(2.0, " (10.0 s before the others)"), (11.0, "")])
def test_a_rollup_that_was_read_long_before_the_rest_says_so(at, words):
    said = of_process(memory=memory(rollup={"Pss": 5 * MIB}, rollup_at=at))
    assert f"VmSwap 0 B, Pss 5.0 MiB{words}, tracked" in said


def test_figures_from_before_the_picture_say_so():
    assert "1m 00s before" in of_process(now=72.0)
    assert "before" not in of_process(now=13.0)


def test_a_memory_group_says_how_near_its_limit_is():
    assert "group    /system.slice/app.service: 31.0 MiB of memory.max 32.0 MiB (97 %)" in (
        of_process()
    )
    first = group(
        version=1,
        limits={"memory.limit_in_bytes": GIB, "memory.memsw.limit_in_bytes": None},
        figures={"memory.usage_in_bytes": GIB // 2, "memory.failcnt": 3},
    )
    said = of_process(group=first)
    assert "512 MiB of memory.limit_in_bytes 1.0 GiB (50 %), memory.failcnt 3" in said


def test_a_memory_group_says_what_happened_in_it():
    figures = {
        "memory.current": 1,
        "memory.peak": MIB,
        "memory.events.oom_kill": 2,
        "memory.events.oom": 0,
        "memory.stat.anon": 7,
        "memory.stat.sock": 7,
    }
    said = of_process(group=group(limits={"memory.max": None}, figures=figures))
    assert said.endswith(
        "1 B, no limit, peak 1.0 MiB, memory.events.oom_kill 2, anon 7 B\n" + LIMITS
    )


def test_a_limit_of_nothing_divides_nothing():
    assert "31.0 MiB of memory.max 0 B" in of_process(group=group(limits={"memory.max": 0}))


def test_limits_that_matter_are_said_where_there_are_any():
    limits = {
        "Max address space": Limit(GIB, None),
        "Max data size": Limit(None, None),
        "Max open files": Limit(1024, 4096),
        "Max processes": Limit(7, 7),
    }
    assert "limits   address space 1.0 GiB, open files 1 024" in of_process(limits=limits)
    assert "limits" not in of_process(limits={"Max data size": Limit(None, None)})


def test_the_history_is_a_line_for_each_series():
    points = tuple(Point(float(n), n * MIB, None if n < 50 else GIB) for n in range(100))
    said = lines(snapshot(history=points))
    start = said.index("  history  of 1m 39s")
    assert said[start + 1].startswith("    tracked  ▁")
    assert said[start + 1].endswith("█  0 B to 99.0 MiB, last 99.0 MiB")
    assert said[start + 2].endswith("1.0 GiB to 1.0 GiB, last 1.0 GiB")


def test_a_history_of_nothing_known_is_blank():
    points = [Point(1.0, 5, None), Point(2.0, 5, None)]
    assert line_of(points, [None, None], 4) == "    "
    assert line_of(points, [5, 5], 4) == "▁▁▁▁"
    assert line_of([], [], 3) == "   "
    assert "history" not in report(snapshot(history=(Point(1.0, 5, 5),)))


def test_notes_are_the_last_lines():
    assert lines(notes=("One.", "Two."))[-2:] == ["  note     One.", "  note     Two."]


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 100_000, "漢" * 100_000])
def test_no_name_breaks_a_line(name):
    clean = name.translate({ord(sign): "·" for sign in "\n\r\t\x1b\x85\x9b\x07\udc80\u202e\u2066"})
    known = snapshot(
        picture(site(clean, frames=(frame(clean, source=clean),))),
        tool=clean,
        trigger=Trigger("end", clean),
        host=host(name=clean, kernel=clean),
        processes=(facts(command_line=(clean,) * 9, group=group(path=clean)),),
        notes=(clean,),
    )
    plain = len(lines(snapshot(picture(site(frames=(frame(source="x"),))), notes=("x",))))
    said = report(known)
    assert len(said.splitlines()) == plain
    about = said.partition("  tracked")[0].splitlines()
    assert all(len(line) < MOST_OF_TEXT + 80 for line in about if "glibc" not in line)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_report_fits_what_its_output_can_encode(encoding):
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    points = tuple(Point(float(n), n, n) for n in range(8))
    snapshot_text.write(snapshot(history=points, tool="漢"), "x", Selection(), out)
    out.seek(0)
    assert "....." in out.read()


# --- JSON -----------------------------------------------------------------------------------------


def as_object(given):
    return said_of_snapshot(given, "x.ebpftrace", Selection())


def test_json_is_the_picture_and_one_more_key():
    out = io.StringIO()
    snapshot_json.write(snapshot(picture(site())), "x.ebpftrace", Selection(), out)
    said = json.loads(out.getvalue())
    assert out.getvalue().count("\n") == 1
    assert said["schema"] == "ebpftrace.picture/1"
    assert list(said["snapshot"]) == SNAPSHOT_KEYS
    assert said["snapshot"]["trigger"] == {"kind": "end", "sentence": "The process ended."}
    assert Reader().read(out.getvalue().encode()).picture.sites


def test_json_has_every_fact_of_a_process():
    known = facts(mappings=(MappedRange(1, 2, "r-xp", 0, "/srv/app", "ab12"),))  # type: ignore[arg-type]
    (said,) = as_object(snapshot(processes=(known,)))["snapshot"]["processes"]
    assert list(said) == list(type(known).__dataclass_fields__)
    assert said["started"] == "2026-11-20T11:00:00.000Z"
    assert said["limits"]["Max open files"] == {"soft": 1024, "hard": 4096}
    assert said["memory"]["status_bytes"]["RssAnon"] == 20 * MIB
    assert said["memory"]["rollup_bytes"] is None
    assert said["group"]["limits_bytes"] == {"memory.max": 32 * MIB}
    assert said["mappings"][0]["build_id"] == "ab12"
    assert said["environment"] is None


def test_what_is_not_known_is_null():
    bare = facts(started=None, parent=None, memory=None, group=None)
    said = as_object(snapshot(host=None, watch="", processes=(bare,)))["snapshot"]
    assert (said["host"], said["watch"]) == (None, None)
    assert [said["processes"][0][key] for key in ("started", "parent", "memory", "group")] == [
        None
    ] * 4


def test_history_in_json_is_in_bytes_and_seconds():
    said = as_object(snapshot(history=(Point(1.23456, 5, None),)))["snapshot"]
    assert said["history"] == [{"at_s": 1.235, "tracked_bytes": 5, "resident_bytes": None}]


def test_json_is_ascii_where_the_output_takes_no_utf_8():
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    snapshot_json.write(snapshot(tool="漢"), "x", Selection(), out)
    out.seek(0)
    assert json.loads(out.read())["snapshot"]["tool"] == "漢"
