"""How `scripts/compare-valgrind` reads two tools, and when it takes a difference for explained."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from ebpftrace.model.losses import Losses
from scripts.running import surroundings
from scripts.running.causes import ROOM, UNEXPLAINED, VARIES, compared
from scripts.running.heap_use import HeapUse, Unreadable, of_ebpftrace, of_valgrind

LOG = """\
==7== HEAP SUMMARY:
==7==     in use at exit: 33,095 bytes in 144 blocks
==7==   total heap usage: 1,214 allocs, 1,070 frees, 78,560 bytes allocated
==7==
"""
USE = HeapUse(bytes=33_095, blocks=144, allocations=1_214, frees=1_070, allocated=78_560)
COUNTS = {
    "bytes": 33_095,
    "blocks": 144,
    "allocated_blocks": 1_214,
    "freed_blocks": 1_070,
    "allocated_bytes": 78_560,
}


def written(ended: str | None = "exited", losses: Mapping[str, int] | None = None) -> str:
    picture = {"schema": "ebpftrace.picture/1", "losses": dict(Losses(losses))}
    end = {"schema": "ebpftrace.exit/1", "ended": ended, "counts": COUNTS}
    return "\n".join(map(json.dumps, (picture, end)))


class Runs:
    """Answers in turn, the last one for ever."""

    def __init__(
        self,
        valgrind: Sequence[HeapUse],
        ebpftrace: Sequence[HeapUse],
        without_room: Sequence[HeapUse] = (USE._replace(bytes=1),),
    ) -> None:
        self.by_valgrind = answers(valgrind).__next__
        self.by_ebpftrace = answers(ebpftrace).__next__
        self.without_room = answers(without_room).__next__


def answers(given: Sequence[HeapUse]) -> Iterator[HeapUse]:
    yield from given
    while True:
        yield given[-1]


def test_valgrinds_summary_is_read() -> None:
    assert of_valgrind(LOG) == USE


def test_a_log_without_a_summary_is_refused_with_its_last_line() -> None:
    with pytest.raises(Unreadable, match="valgrind: ls: command not found"):
        of_valgrind("valgrind: ls: command not found\n")


def test_what_run_says_of_the_end_is_read() -> None:
    assert of_ebpftrace(written()) == USE


@pytest.mark.parametrize("ended", [None, "lost", "exec"])
def test_a_program_that_was_not_seen_to_its_end_is_refused(ended: str | None) -> None:
    with pytest.raises(Unreadable, match="to its end"):
        of_ebpftrace(written(ended))


def test_a_run_that_wrote_nothing_is_refused() -> None:
    with pytest.raises(Unreadable):
        of_ebpftrace("")


@pytest.mark.parametrize("loss", ["blocks_full", "call_lost", "missed_free", "unmatched_free"])
def test_a_loss_that_changes_figures_is_no_basis_for_a_comparison(loss: str) -> None:
    with pytest.raises(Unreadable, match=loss):
        of_ebpftrace(written(losses={loss: 2}))


def test_a_short_stack_changes_no_figures() -> None:
    assert of_ebpftrace(written(losses={"stack_truncated": 3, "nested": 9})) == USE


def test_equal_figures_need_no_cause() -> None:
    verdict = compared(Runs([USE], [USE]))
    assert verdict.causes == ()
    assert verdict.well
    assert verdict.text() == "same"


def test_a_constant_difference_of_one_byte_is_unexplained() -> None:
    verdict = compared(Runs([USE], [USE._replace(bytes=33_096)]))
    assert verdict.causes == (UNEXPLAINED,)
    assert not verdict.well
    assert verdict.difference == HeapUse(1, 0, 0, 0, 0)


def test_figures_that_vary_over_the_same_range_explain_each_other() -> None:
    more, less = USE._replace(bytes=34_000), USE._replace(bytes=33_000)
    assert compared(Runs([less, more], [USE, USE])).causes == (VARIES,)


def test_figures_that_vary_apart_from_each_other_explain_nothing() -> None:
    valgrind = [USE, USE._replace(bytes=34_000)]
    ebpftrace = [USE._replace(bytes=35_000), USE._replace(bytes=36_000)]
    assert compared(Runs(valgrind, ebpftrace)).causes == (UNEXPLAINED,)


def test_one_figure_that_varies_does_not_explain_another() -> None:
    valgrind = [USE, USE._replace(bytes=34_000)]
    ebpftrace = [USE._replace(allocations=1_200)]
    assert compared(Runs(valgrind, ebpftrace)).causes == (UNEXPLAINED,)


def test_room_to_spare_is_the_cause_where_the_difference_goes_without_it() -> None:
    fewer = USE._replace(allocations=1_200, frees=1_056)
    assert compared(Runs([USE], [fewer], without_room=[USE])).causes == (ROOM,)
    varied = [USE, USE._replace(bytes=33_100)]
    assert compared(Runs([USE], [fewer], without_room=varied)).causes == (ROOM, VARIES)


def test_stand_ins_have_the_names_and_the_length_of_what_is_preloaded(tmp_path: Path) -> None:
    folder = f"/usr/libexec/{'x' * len(str(tmp_path))}"
    preloaded = f"{folder}/vgpreload_core.so:{folder}/vgpreload_memcheck.so"
    found = surroundings.with_stand_ins({"A": "1", "LD_PRELOAD": preloaded}, tmp_path)
    assert list(found) == ["A", "LD_PRELOAD"]
    assert len(found["LD_PRELOAD"]) == len(preloaded)
    names = [Path(path).name for path in found["LD_PRELOAD"].split(":")]
    assert names == ["vgpreload_core.so", "vgpreload_memcheck.so"]
    assert all(Path(path).is_file() for path in found["LD_PRELOAD"].split(":"))


def test_the_allocator_without_room_says_what_was_asked_for_and_keeps_what_is_in_a_block(
    tmp_path: Path,
) -> None:
    environment = surroundings.without_room({"LD_PRELOAD": str(tmp_path / "vgpreload.so")})
    assert len(environment["LD_PRELOAD"]) == len(str(tmp_path / "vgpreload.so"))
    asked = """
from ctypes import CDLL, c_size_t, c_void_p, string_at, memmove
it = CDLL(None)
for name in ("malloc", "calloc", "realloc", "aligned_alloc"):
    getattr(it, name).restype = c_void_p
room = lambda block: it.malloc_usable_size(c_void_p(block))
block = it.malloc(c_size_t(23))
memmove(block, b"what is kept in the blk", 23)
more = it.realloc(c_void_p(block), c_size_t(1001))
aligned = it.aligned_alloc(c_size_t(4096), c_size_t(4097))
print(room(it.calloc(c_size_t(3), c_size_t(7))), room(more), string_at(more, 23), aligned % 4096,
      room(aligned), it.realloc(c_void_p(more), c_size_t(0)), it.malloc(c_size_t(2**63)),
      it.calloc(c_size_t(2**40), c_size_t(2**40)))
it.free(c_void_p(aligned))
"""
    said = subprocess.run(
        [sys.executable, "-c", asked],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said == "21 1001 b'what is kept in the blk' 0 4097 None None None\n"
