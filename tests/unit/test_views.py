"""What the text report and the JSON line say of a picture."""

import io
import json

import pytest

from ebpftrace.analysis.responsible import Rules
from ebpftrace.analysis.selection import Selection, select
from ebpftrace.export import jsonl, text
from ebpftrace.model.ids import StackId
from ebpftrace.model.losses import LOSSES, UNDETECTED, Losses
from ebpftrace.model.picture import Cohort, Cost, Naming
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.said import said_of_picture

TOP_KEYS = [
    "schema",
    "final",
    "time",
    "since_attach_s",
    "mode",
    "targets",
    "totals",
    "sites",
    "others",
    "suppressed",
    "stacks",
    "naming",
    "losses",
    "cost",
]
SITE_KEYS = [
    "id",
    "pid",
    "family",
    "allocator",
    "blocks",
    "bytes",
    "allocated_blocks",
    "allocated_bytes",
    "freed_blocks",
    "freed_bytes",
    "adopted_blocks",
    "adopted_bytes",
    "oldest_s",
    "growth_bytes_per_s",
    "trend",
    "cohorts",
    "complete",
    "guessed",
    "end",
    "responsible",
    "frames",
]


def report(*given, **more):
    return "\n".join(text.lines(picture(*given, **more), Selection()))


def test_sites_come_largest_first_and_the_rest_is_summed():
    sites = [site(str(n), counts=counts(n, n * 10)) for n in (1, 3, 2)]
    chosen = select(picture(*sites), Selection(top=1))
    assert [one.counts.blocks for one in chosen.sites] == [3]
    assert (chosen.others.sites, chosen.others.blocks, chosen.others.bytes) == (2, 3, 30)


@pytest.mark.parametrize(
    "key,first", [("bytes", "big"), ("blocks", "many"), ("growth", "fast"), ("age", "old")]
)
def test_each_sort_key_has_its_own_first_row(key, first):
    sites = [
        site("big", counts=counts(1, 1000), oldest_at=5.0),
        site("many", counts=counts(9, 10), oldest_at=5.0),
        site("fast", growth=50.0, oldest_at=5.0),
        site("old", oldest_at=1.0),
    ]
    chosen = select(picture(*sites), Selection(sort=key))
    assert chosen.sites[0].at.frames[0].function == first


def test_top_zero_is_all():
    sites = [site(str(n)) for n in range(60)]
    assert len(select(picture(*sites), Selection(top=0)).sites) == 60


def test_older_leaves_out_sites_that_hold_nothing_old_and_totals_stay():
    chosen = select(
        picture(site("old", oldest_at=1.0), site("young", oldest_at=11.0)), Selection(older=5.0)
    )
    assert [one.at.frames[0].function for one in chosen.sites] == ["old"]
    assert chosen.others.blocks == 1


def test_a_line_of_json_has_every_key_and_ends_there():
    out = io.StringIO()
    jsonl.write(picture(site()), Selection(), out)
    assert out.getvalue().count("\n") == 1
    said = json.loads(out.getvalue())
    assert set(TOP_KEYS) <= set(said)
    assert set(SITE_KEYS) <= set(said["sites"][0])
    assert said["schema"] == "ebpftrace.picture/1"
    assert said["time"] == "2026-11-20T12:00:00.123Z"


def test_a_line_of_json_says_how_whole_the_stacks_are_and_why_one_ends():
    losses = Losses({"stack_cut": 2, "stack_truncated": 1})
    cut = site(counts=counts(9), complete=False, end="unreadable")
    said = said_of_picture(picture(cut, losses=losses, stack_depth=96), Selection())
    assert said["stacks"] == {
        "depth": 96,
        "allocations": 9,
        "whole": 6,
        "guessed": 0,
        "truncated": 1,
        "cut": 2,
    }
    assert said["sites"][0]["end"] == "unreadable"


def test_what_is_not_known_is_null_and_never_0():
    said = said_of_picture(
        picture(site(oldest_at=None, growth=None), targets=(target(rss_bytes=None),)), Selection()
    )
    assert said["sites"][0]["oldest_s"] is None
    assert said["sites"][0]["growth_bytes_per_s"] is None
    assert said["targets"][0]["rss_bytes"] is None
    assert said["cost"]["target_cpu_percent"] is None
    assert {name for name, count in said["losses"].items() if count is None} == UNDETECTED


def leaking(seconds: int):
    """100 bytes in each of so many seconds, at most a minute; nothing freed."""
    cohorts = tuple(Cohort(epoch, 1, 100) for epoch in range(seconds))
    return site(counts=counts(len(cohorts), 100 * len(cohorts)), cohorts=cohorts)


def test_each_site_says_its_trend():
    drawn = picture(leaking(60), since_attach_s=60.0)
    assert said_of_picture(drawn, Selection())["sites"][0]["trend"] == {
        "word": "growing",
        "bytes_per_s": 100.0,
        "low": 100.0,
        "high": 100.0,
    }
    assert "malloc (glibc)  growing +5.9 KiB/min (5.9 to 5.9)" in report(
        leaking(60), since_attach_s=60.0
    )


def test_a_trend_that_is_not_known_is_null():
    drawn = picture(leaking(3), since_attach_s=3.0)
    assert said_of_picture(drawn, Selection())["sites"][0]["trend"] == {
        "word": None,
        "bytes_per_s": None,
        "low": None,
        "high": None,
    }
    assert "too early to say" in report(leaking(3), since_attach_s=3.0)


def test_a_line_of_json_says_how_fast_everything_grows():
    said = said_of_picture(picture(growth=12.345), Selection())
    assert said["growth_bytes_per_s"] == 12.3


def test_every_loss_is_a_key_in_the_order_of_the_kernel():
    said = said_of_picture(picture(), Selection())
    assert list(said["losses"]) == [loss.name for loss in LOSSES]


def test_a_report_of_a_good_day_says_that_nothing_was_lost():
    assert "lost     nothing" in report(site())


def test_a_loss_stands_in_the_report_with_its_count_and_its_way_out():
    said = report(site(), losses=Losses({"blocks_full": 1234}))
    assert "LOST     blocks_full 1 234" in said
    assert "--max-blocks" in said
    assert "nothing" not in said


def test_a_fact_is_no_loss():
    said = report(site(), losses=Losses({"unmatched_free": 3}))
    assert "lost     nothing" in said
    assert "unmatched_free 3" in said


def test_tracked_growth_stands_beside_the_growth_of_resident_memory():
    said = report(site(counts=counts(2, 2048)))
    assert "+40.0 KiB since attach" in said
    assert "+2.0 KiB since attach" in said


def test_a_stack_that_ends_early_is_marked():
    assert "…" in report(site(complete=False))
    assert "…" not in report(site(complete=True))


def test_the_report_says_how_whole_the_stacks_are():
    said = report(site(counts=counts(4)), losses=Losses({"stack_guessed": 1}))
    assert "  stacks   75.00 % whole, 25.00 % guessed\n" in said


def test_a_site_without_a_stack_says_so():
    assert "stack not kept" in report(site(stack=StackId(0), frames=()))
    assert "not here yet" in report(site(frames=(), allocator=None, family=None))


def test_sites_that_hold_nothing_are_summed_not_listed():
    said = report(site("gone", counts=counts(0, 0, freed=5)))
    assert "gone" not in said
    assert "1 other site" in said


def test_an_unnamed_frame_is_its_offset_in_its_module():
    assert "0x1234  [app]" in report(site(frames=(frame(None),)))


WRAPPED = (
    frame("xmalloc", file="/src/x.c", line=3, column=7, inlined=True),
    frame("serve", file="/src/serve.c", line=42, source="p = xmalloc(n);"),
    *(frame(f"caller{n}") for n in range(60)),
)


def test_a_site_is_headed_by_its_responsible_frame_and_the_nearest_callers():
    said = report(site(frames=WRAPPED)).splitlines()
    head = said.index("  #1  serve serve.c:42 ← caller0 ← caller1 ← caller2")
    assert said[head + 1].startswith("      100 B in 1 block")
    assert said[head + 2 : head + 6] == [
        "        xmalloc  /src/x.c:3  [app]  (inlined)",
        "      ▸ serve  /src/serve.c:42  [app]",
        "          │ p = xmalloc(n);",
        "        caller0  [app]",
    ]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_report_fits_what_its_output_can_encode(encoding):
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    frames = (frame("漢", source="é"), *WRAPPED)
    text.write(picture(site(frames=frames, complete=False)), Selection(), out)
    out.seek(0)
    said = out.read()
    assert "  #1  ? [app] <- xmalloc <- serve" in said
    assert "      > ?  [app]\n          | " in said
    assert "        ...  (" in said


def test_no_frame_of_a_stack_is_left_out():
    said = report(site(frames=WRAPPED))
    assert all(f"        caller{n}  [app]" in said for n in range(60))


def test_json_says_which_frame_is_responsible():
    chosen = Selection(rules=Rules.standard().with_skipped(["serve"]))
    drawn = picture(site(frames=WRAPPED))
    assert said_of_picture(drawn, Selection())["sites"][0]["responsible"] == 1
    assert said_of_picture(drawn, chosen)["sites"][0]["responsible"] == 2
    assert said_of_picture(picture(site(frames=())), chosen)["sites"][0]["responsible"] is None


def test_the_report_says_how_far_the_look_up_of_lines_is_until_it_is_done():
    some = Naming(wanted=5_678, pending=4_444)
    assert "  lines    1 234 of 5 678 places looked up\n" in report(site(), naming=some)
    assert "  lines " not in report(site(), naming=Naming(wanted=5_678))


def test_what_keeps_code_without_lines_is_said_once():
    notes = ("no debug file of libx.so",) * 2
    said = report(site(), naming=Naming(wanted=5, notes=notes))
    assert said.count("  lines    no debug file of libx.so\n") == 1


def test_filters_in_the_kernel_are_named_in_the_header():
    assert "--min-size 4096" in report(site(), filters=("--min-size 4096",)).splitlines()[0]


def test_an_ended_target_stays_and_is_marked():
    assert "ended" in report(site(), targets=(target(ended="exited"),))
    killed = target(ended="exited", ended_by="SIGKILL, out of memory")
    assert "ended: SIGKILL, out of memory" in report(site(), targets=(killed,))
    assert "replaced by exec" in report(site(), targets=(target(ended="exec"),))


def test_time_without_probes_is_on_the_screen():
    assert "no probes for 4 ms" in report(site(), targets=(target(blind_s=0.004),))


def test_the_price_is_on_the_screen_as_far_as_it_is_known():
    said = report(site(), cost=Cost(hits_per_s=20_000.0, tool_cpu_percent=1.0))
    assert "20 000 probe hits/s, 1.0 % in this tool" in said
