"""What a program held at its end: in numbers, as text, as JSON."""

import json

import pytest

from ebpftrace.analysis.exiting import AtExit, at_exit
from ebpftrace.analysis.selection import Selection
from ebpftrace.export import exit_json, exit_text
from ebpftrace.model.ids import Slot
from ebpftrace.model.losses import Losses
from ebpftrace.model.picture import Counts
from ebpftrace.text import clean
from tests.unit.builders import counts, picture, site, suppressions, target
from tests.unit.hostile import HOSTILE


def exited(*sites, threshold=0, by="status 0", selection=None, **given) -> AtExit:
    given.setdefault("targets", (target(ended="exited", ended_by=by),))
    return at_exit(picture(*sites, final=True, **given), selection or Selection(), threshold)


def chain(*kinds):
    """Programs in turn, each with one site of 100, 200, … bytes; the last one ended as `kinds` say."""
    targets = tuple(
        target(slot=Slot(n), comm=f"p{n}", exe=f"/bin/p{n}", ended=kind)
        for n, kind in enumerate(kinds, 1)
    )
    sites = [
        site(f"in_{n}", slot=Slot(n), counts=counts(n, 100 * n)) for n in range(1, len(kinds) + 1)
    ]
    return exited(*sites, targets=targets)


def test_of_one_program_everything_counts():
    found = exited(site(counts=counts(3, 300, freed=5)), site("b", counts=counts(1, 11)))
    assert (found.held.blocks, found.held.bytes, found.held.freed_blocks) == (4, 311, 5)
    assert (found.before, found.known) == ((), True)


def test_of_a_chain_only_the_last_program_counts():
    found = chain("exec", "exec", "exited")
    assert (found.held.blocks, found.held.bytes) == (3, 300)
    assert [one.at.frames[0].function for one in found.picture.sites] == ["in_3"]
    assert found.picture.targets == (found.target,)
    assert [(one.target.comm, one.counts.bytes) for one in found.before] == [
        ("p1", 100),
        ("p2", 200),
    ]


def test_a_chain_whose_last_program_never_allocated_holds_nothing():
    targets = (target(ended="exec"), target(slot=Slot(2), ended="exited"))
    found = exited(site(counts=counts(5, 500)), targets=targets)
    assert found.held == Counts(0, 0, 0, 0, 0, 0)
    assert not found.too_much


MAPPED = site("arena", family="mmap", allocator="mmap", counts=counts(2, 8192))


def test_what_the_program_has_mapped_for_itself_is_apart_and_nothing_in_use():
    heap = site(counts=counts(1, 50))
    found = exited(heap, MAPPED, threshold=60, mapped=MAPPED.counts)
    assert (found.held.blocks, found.held.bytes) == (1, 50)
    assert found.picture.sites == (heap,)
    assert found.mapped == (MAPPED,)
    assert not found.too_much
    text = "\n".join(exit_text.lines(found, Selection(), 0))
    assert "mapped          8 192 bytes in 2 mappings" in text
    assert "arena" not in text
    assert exit_json.as_object(found, ["a"], 0)["mapped"]["bytes"] == 8192


@pytest.mark.parametrize("threshold, too_much", [(0, True), (99, True), (100, False), (101, False)])
def test_as_much_as_the_threshold_is_not_too_much(threshold, too_much):
    assert exited(site(counts=counts(1, 100)), threshold=threshold).too_much is too_much


def test_what_is_suppressed_does_not_count_towards_the_threshold_but_is_held():
    known = Selection(suppressions=suppressions("known"))
    sites = site("known", counts=counts(2, 900)), site("new", counts=counts(1, 100))
    found = exited(*sites, threshold=100, selection=known)
    assert (found.held.bytes, found.suppressed.bytes, found.unsuppressed_bytes) == (1000, 900, 100)
    assert not found.too_much
    assert exited(*sites, threshold=99, selection=known).too_much


def test_a_filter_of_views_changes_no_total():
    found = exited(site(counts=counts(2, 900)), selection=Selection(top=1), threshold=899)
    assert found.too_much


@pytest.mark.parametrize(
    "ended, known", [("exited", True), ("exec", False), ("lost", False), (None, False)]
)
def test_only_what_was_watched_to_its_end_is_known(ended, known):
    assert chain(ended).known is known


def test_what_was_not_watched_from_its_start_is_not_known():
    end = picture(final=True, targets=(target(ended="exited"),))
    assert at_exit(end, Selection(), 0).known
    assert not at_exit(end, Selection(), 0, from_start=False).known


def test_only_losses_that_may_hide_blocks_are_named_as_such():
    lost = Losses({"blocks_full": 2, "stack_cut": 5, "ringbuf_full": 1, "nested": 9, "map_busy": 0})
    assert exited(losses=lost).hidden_by == {"blocks_full": 2}


def text_of(found, children=0, selection=None):
    return list(exit_text.lines(found, selection or Selection(), children))


def test_the_report_says_how_it_ended_and_what_it_held_to_the_byte():
    held = counts(1234, 56_789, freed=66)
    said = text_of(exited(site("keeps", counts=held), by="SIGSEGV"))
    assert said[:5] == [
        "app (pid 42) ended: SIGSEGV",
        "  /srv/app  glibc",
        "  in use at exit  56 789 bytes in 1 234 blocks (55.5 KiB)",
        "  allocated       56 855 bytes in 1 300 blocks",
        "  freed           66 bytes in 66 blocks",
    ]
    assert "      56 789 bytes in 1 234 blocks by malloc, after 66 others freed" in said
    assert any("keeps" in line for line in said)


def test_what_was_not_watched_to_its_end_is_not_called_its_exit():
    said = text_of(chain(None))
    assert said[0] == "p1 (pid 42) is still running"
    assert said[2].startswith("  in use          100 bytes")
    assert "at exit" not in "\n".join(said)


def test_programs_before_it_and_children_are_said():
    said = "\n".join(text_of(chain("exec", "exited"), children=1))
    assert "  before          p1 (/bin/p1), with 100 B in 1 block when it was replaced" in said
    assert "  children        1 process was started, and not watched" in said
    assert "in_1" not in said
    many = "\n".join(text_of(chain("exited"), children=1200))
    assert "1 200 processes were started, and not watched" in many
    assert "children" not in "\n".join(text_of(chain("exited")))


def test_losses_and_stacks_are_part_of_the_report():
    lost = Losses({"blocks_full": 1234, "stack_truncated": 25})
    said = "\n".join(text_of(exited(site(counts=counts(100, 100)), losses=lost)))
    assert "  stacks          75.00 % whole, 25.00 % deeper than " in said
    assert "  LOST     " in said
    assert "1 234" in said


def test_a_program_that_held_nothing_has_no_site():
    said = text_of(exited(site(counts=counts(0, 0, freed=3))))
    assert said[-1] == "  no site holds anything"
    assert text_of(exited())[-1] == "  no allocation since the attach"


def test_sites_beyond_the_top_are_counted_in_a_line():
    sites = [site(f"f{n}", counts=counts(1, 1000 - n)) for n in range(5)]
    said = text_of(exited(*sites), selection=Selection(top=2))
    assert said[-1] == "  and 3 other sites with 2 991 bytes in 3 blocks"
    assert sum(line.startswith("  #") for line in said) == 2


def test_suppressed_sites_are_left_out_and_named():
    known = Selection(suppressions=suppressions("known"))
    found = exited(site("known", counts=counts(2, 900)), selection=known)
    said = "\n".join(text_of(found, selection=known))
    assert "  suppressed      1 site with 900 B in 2 blocks by 1 suppression (leak:known)" in said
    assert "#1" not in said
    assert "no site holds anything that is not hidden" in said


def test_as_json_it_has_every_key():
    known = Selection(suppressions=suppressions("in_2"))
    last = target(slot=Slot(2), comm="b", exe="/bin/b", ended="exited", ended_by="status 3")
    first = target(ended="exec")
    sites = site("in_1", counts=counts(1, 10)), site("in_2", slot=Slot(2), counts=counts(2, 20))
    found = exited(*sites, targets=(first, last), threshold=5, selection=known)
    said = exit_json.as_object(found, ["env", "b"], 4)
    zero = {"freed_blocks": 0, "freed_bytes": 0, "adopted_blocks": 0, "adopted_bytes": 0}
    hidden = {"sites": 1, "blocks": 2, "bytes": 20}
    assert said == {
        "schema": "ebpftrace.exit/1",
        "mode": "full",
        "command": ["env", "b"],
        "pid": 42,
        "comm": "b",
        "exe": "/bin/b",
        "allocators": ["glibc"],
        "ended": "exited",
        "ended_by": "status 3",
        "counts": {"blocks": 2, "bytes": 20, "allocated_blocks": 2, "allocated_bytes": 20, **zero},
        "mapped": {"blocks": 0, "bytes": 0, "allocated_blocks": 0, "allocated_bytes": 0, **zero},
        "suppressed": {**hidden, "by": [{"name": "leak:in_2", **hidden}]},
        "threshold_bytes": 5,
        "too_much": False,
        "hidden_by": {},
        "before": [
            {
                "pid": 42,
                "comm": "app",
                "exe": "/srv/app",
                "counts": {
                    "blocks": 1,
                    "bytes": 10,
                    "allocated_blocks": 1,
                    "allocated_bytes": 10,
                    **zero,
                },
            }
        ],
        "followed": [],
        "children": 4,
    }


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_breaks_a_line_or_the_json(name):
    named = clean(name)
    shown = target(comm=named, exe=named, ended="exited", ended_by="status 0")
    found = exited(site(named), targets=(shown,))
    for line in text_of(found):
        assert line.isprintable()
    assert any(named in line for line in text_of(found))
    said = json.loads(json.dumps(exit_json.as_object(found, [named], 0)))
    assert (said["comm"], said["command"]) == (named, [named])
