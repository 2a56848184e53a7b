"""What a diff says, as text and as JSON."""

import io
import json

import pytest

from ebpftrace.analysis.diff import Shown, beyond, diff
from ebpftrace.analysis.responsible import Rules
from ebpftrace.export import diff_json, diff_text
from ebpftrace.model.losses import Losses
from tests.unit.builders import counts, frame, picture, site
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import KIB, host, snapshot

KEYS = [
    "schema",
    "same_watch",
    "elapsed_s",
    "snapshots",
    "change",
    "kinds",
    "empty_sites",
    "suppressed",
    "sites",
    "others",
    "threshold",
    "notes",
]
SITE_KEYS = [
    "kind",
    "held",
    "change",
    "grew_in_steps",
    "pids",
    "stacks",
    "allocator",
    "family",
    "complete",
    "guessed",
    "end",
    "responsible",
    "frames",
]
SNAPSHOT_KEYS = [
    "file",
    "time",
    "since_attach_s",
    "watch",
    "tool",
    "trigger",
    "host",
    "mode",
    "filters",
    "targets",
    "totals",
    "unlisted",
    "losses",
]
MAIN = frame("main", offset=0x99)


def holding(since=12.0, **sizes):
    sites = [
        site(
            name,
            frames=(frame(name, offset=sum(map(ord, name))), MAIN),
            counts=counts(min(size, 2), size),
        )
        for name, size in sizes.items()
    ]
    return snapshot(picture(*sites, since_attach_s=since))


BEFORE = holding(a=KIB, b=KIB, c=3 * KIB, d=KIB, e=KIB)
AFTER = holding(72.0, a=0, b=2 * KIB, c=KIB, d=KIB, e=KIB, f=9 * KIB)


def shown(top=10, sort="growth"):
    return Shown(sort, top, Rules.standard())


def lines(*snapshots, hidden=None, **how):
    found = diff([one.picture for one in snapshots], hidden)
    files = [f"{number}.ebpftrace" for number in range(len(snapshots))]
    return list(diff_text.lines(snapshots, files, found, shown(**how), BEFORE.picture.time))


def report(*snapshots, **how):
    return "\n".join(lines(*snapshots, **how))


def test_both_snapshots_come_first_each_with_its_losses():
    lossy = snapshot(picture(losses=Losses({"blocks_full": 3})), host=host(name="web2"))
    said = lines(BEFORE, lossy)
    heads = [n for n, line in enumerate(said) if line.startswith(("before  ", "after  "))]
    first, second = said[: heads[1]], said[heads[1] :]
    assert [
        any(f"{n}.ebpftrace" in line for line in part) for n, part in enumerate((first, second))
    ]
    assert "  lost     nothing" in first
    assert "  LOST     blocks_full 3" in second
    assert any("web1" in line for line in first)
    assert any("web2" in line for line in second)


def test_what_is_the_same_in_both_headers_is_said_once():
    said = report(BEFORE, AFTER)
    assert said.count("Debian") == said.count("/srv/app") == 1
    assert said.count("  why ") == said.count("  file ") == 2


def test_totals_and_classes_have_their_change_and_course():
    said = lines(BEFORE, AFTER)
    assert (
        "  tracked  +7.0 KiB, +0 blocks, +7.0 KiB/min  7.0 KiB in 10 blocks → 14.0 KiB in 10"
        in ("\n".join(said))
    )
    assert "  new      1 call site: +9.0 KiB, +2 blocks  nothing → 9.0 KiB in 2 blocks" in said
    assert "  gone     1 call site: -1.0 KiB, -2 blocks  1.0 KiB in 2 blocks → nothing" in said
    assert any(line.startswith("  grown    1 call site: +1.0 KiB, +0 blocks") for line in said)
    assert any(line.startswith("  shrunk   1 call site: -2.0 KiB, +0 blocks") for line in said)
    assert any(line.startswith("  same     2 call sites: +0 B") for line in said)


def test_sites_come_by_the_size_of_their_change_each_with_its_whole_stack():
    said = lines(BEFORE, AFTER)
    heads = [line.split()[1] for line in said if line.startswith("  #")]
    assert heads == ["f", "c", "b", "a"]
    first = said.index("  #1  f [app] ← main")
    assert said[first + 1] == (
        "      new  +9.0 KiB, +2 blocks, +9.0 KiB/min  nothing → 9.0 KiB in 2 blocks  malloc (glibc)"
    )
    assert said[first + 2 : first + 4] == ["      ▸ f  [app]", "        main  [app]"]


def test_the_rest_is_counted():
    assert lines(BEFORE, AFTER, top=1)[-1] == (
        "  and 3 other call sites that changed, by -2.0 KiB together"
    )


def test_between_watches_there_is_no_rate():
    other = snapshot(AFTER.picture, watch="b2")
    assert "/min" not in report(BEFORE, other)
    assert "  note     They are of different watches" in report(BEFORE, other)


def test_equal_files_say_that_nothing_changed():
    said = lines(BEFORE, BEFORE)
    assert said[-1] == "  same     nothing changed in 5 call sites"
    assert not any(line.startswith("  #") for line in said)


def test_what_is_hidden_or_in_no_site_is_said():
    later = snapshot(picture(*AFTER.picture.sites, totals=counts(99, 99 * KIB)))
    said = report(
        BEFORE, later, hidden=lambda at: "known" if at.frames[0].function == "f" else None
    )
    assert "  hidden   1 call site: +9.0 KiB, by 1 suppression (known)" in said
    assert "  unlisted in no call site: +85.0 KiB" in said
    assert "  #1  c" in said


def test_of_several_the_steps_are_counted_and_many_are_a_chart():
    three = [holding(12.0 + n, a=size) for n, size in enumerate((1, 3, 2))]
    assert "1 B in 1 block → 3 B in 2 blocks → 2 B in 2 blocks  grew in 1 of 2 steps" in report(
        *three
    )
    many = [holding(12.0 + n, a=n * KIB) for n in range(1, 9)]
    assert "1.0 KiB in 2 blocks → ▁▂▃▄▅▆▇█ → 8.0 KiB in 2 blocks  grew in 7 of 7" in report(*many)
    assert [line[:2] for line in lines(*three) if "since attach" in line][:3] == ["1.", "2.", "3."]


def test_notes_of_the_files_are_said_once():
    noted = snapshot(BEFORE.picture, notes=("No blocks were kept.",))
    assert report(noted, noted).count("No blocks were kept.") == 1


@pytest.mark.parametrize("name", [*HOSTILE, "x" * 100_000])
def test_no_name_breaks_a_line(name):
    clean = name.translate({ord(sign): "·" for sign in "\n\r\t\x1b\x85\x9b\x07\udc80\u202e\u2066"})
    drawn = picture(site(clean, frames=(frame(clean, module=clean, build_id=clean),)))
    other = picture(site(clean, frames=(frame(clean, module=clean, build_id="ab"),)))
    given = [snapshot(one, tool=clean, host=host(name=clean)) for one in (drawn, other)]
    said = "\n".join(lines(*given))
    assert len(said.splitlines()) == len(lines(*given))


# --- JSON -----------------------------------------------------------------------------------------


def as_object(*snapshots, hidden=None, threshold=None, **how):
    found = diff([one.picture for one in snapshots], hidden)
    passed = None if threshold is None else (threshold, beyond(found, threshold))
    files = [f"{number}.ebpftrace" for number in range(len(snapshots))]
    return diff_json.as_object(snapshots, files, found, shown(**how), passed)


def test_json_has_every_key_and_is_one_line():
    found = diff([BEFORE.picture, AFTER.picture])
    out = io.StringIO()
    diff_json.write([BEFORE, AFTER], ["0", "1"], found, shown(), None, out)
    said = json.loads(out.getvalue())
    assert out.getvalue().count("\n") == 1
    assert list(said) == KEYS
    assert said["schema"] == "ebpftrace.diff/1"
    assert all(list(one) == SITE_KEYS for one in said["sites"])
    assert all(list(one) == SNAPSHOT_KEYS for one in said["snapshots"])
    assert said["threshold"] is None


@pytest.mark.parametrize("key", [*KEYS, *SITE_KEYS, *SNAPSHOT_KEYS])
def test_every_key_is_explained(key):
    assert key in (diff_json.__doc__ or "")


def test_json_has_changes_with_rates_and_what_is_held_in_each():
    said = as_object(BEFORE, AFTER)
    assert said["elapsed_s"] == 60.0
    assert said["change"] == {"blocks": 0, "bytes": 7 * KIB, "bytes_per_s": 119.5}
    first = said["sites"][0]
    assert (first["kind"], first["grew_in_steps"], first["stacks"]) == ("new", 1, [0, 1])
    assert first["held"] == [{"blocks": 0, "bytes": 0}, {"blocks": 2, "bytes": 9 * KIB}]
    assert first["pids"] == [[], [42]]
    assert said["kinds"]["gone"]["change"]["bytes"] == -KIB


def test_json_lists_also_what_is_the_same_and_sums_the_rest():
    assert [one["kind"] for one in as_object(BEFORE, AFTER)["sites"]][-2:] == ["same", "same"]
    rest = as_object(BEFORE, AFTER, top=1)["others"]
    assert (rest["sites"], rest["change"]["bytes"]) == (5, -2 * KIB)


def test_json_says_what_is_suppressed_by_name():
    said = as_object(BEFORE, AFTER, hidden=lambda at: at.frames[0].function)["suppressed"]
    assert said["sites"] == 6
    assert said["change"]["bytes"] == 7 * KIB
    assert [one["name"] for one in said["by"]] == ["a", "b", "c", "d", "e", "f"]
    nothing = as_object(BEFORE, AFTER)["suppressed"]
    assert (nothing["sites"], nothing["held"], nothing["by"]) == (
        0,
        [{"blocks": 0, "bytes": 0}] * 2,
        [],
    )


def test_json_says_whether_a_threshold_was_passed():
    said = as_object(BEFORE, AFTER, threshold=8 * KIB)["threshold"]
    assert said == {"bytes": 8 * KIB, "passed": True, "total_bytes": None, "sites": 1}
    assert not as_object(BEFORE, AFTER, threshold=9 * KIB)["threshold"]["passed"]


def test_what_is_not_known_is_null():
    bare = snapshot(BEFORE.picture, host=None, watch="")
    said = as_object(bare, bare)
    assert said["same_watch"] is False
    assert (said["elapsed_s"], said["change"]["bytes_per_s"]) == (None, None)
    assert (said["snapshots"][0]["host"], said["snapshots"][0]["watch"]) == (None, None)
