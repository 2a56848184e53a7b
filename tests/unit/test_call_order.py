"""Calls as the kernel records them, in the order in which they can be replayed."""

import struct

from ebpftrace.drain.calls import CallOrder, of_slot, slots
from ebpftrace.kernel import layout
from ebpftrace.model.calls import CallKind, CallRecord

A, B = 0x5000, 0x6000
CALLER = 0x400100


def record(
    kind: CallKind,
    address: int = 0,
    old: int = 0,
    size: int = 0,
    thread: int = 1,
    slot: int = 1,
    caller: int = CALLER,
) -> bytes:
    """With the header that the ring buffer puts in front."""
    packed = layout.CALL.pack(address, old, size, caller, thread, slot, kind)
    return struct.pack("<II", len(packed), 0) + packed


def malloc(address: int, thread: int = 1) -> bytes:
    return record(CallKind.ALLOCATED, address, size=10, thread=thread)


def free(address: int, thread: int = 1) -> bytes:
    return record(CallKind.FREED, address, thread=thread)


def resizing(old: int, thread: int = 1) -> bytes:
    return record(CallKind.RESIZING, old=old, thread=thread, caller=0)


def resized(old: int, address: int, thread: int = 1) -> bytes:
    return record(CallKind.RESIZED, address, old, 20, thread)


def said(calls: list[CallRecord]) -> list[tuple[str, int]]:
    return [(CallKind(call[6]).name.lower(), call[0] or call[1]) for call in calls]


def test_allocations_and_frees_come_as_they_were_recorded() -> None:
    calls = CallOrder().put(malloc(A) + free(A) + malloc(A))
    assert calls == [
        (A, 0, 10, CALLER, 1, 1, CallKind.ALLOCATED),
        (A, 0, 0, CALLER, 1, 1, CallKind.FREED),
        (A, 0, 10, CALLER, 1, 1, CallKind.ALLOCATED),
    ]


def test_what_a_resize_takes_is_gone_before_another_thread_is_given_it() -> None:
    taken = malloc(A) + resizing(A) + malloc(A, thread=2) + resized(A, B) + free(A, thread=2)
    assert said(CallOrder().put(taken)) == [
        ("allocated", A),
        ("resizing", A),
        ("allocated", A),
        ("resized", B),
        ("freed", A),
    ]


def test_both_halves_of_a_resize_have_its_caller_and_the_old_block_is_told_once() -> None:
    assert CallOrder().put(resizing(A) + resized(A, B)) == [
        (A, 0, 0, CALLER, 1, 1, CallKind.RESIZING),
        (B, 0, 20, CALLER, 1, 1, CallKind.RESIZED),
    ]


def test_resizes_of_several_threads_do_not_mix() -> None:
    taken = resizing(A, 1) + resizing(B, 2) + resized(B, A, 2) + resized(A, B, 1)
    assert said(CallOrder().put(taken)) == [
        ("resizing", A),
        ("resizing", B),
        ("resized", A),
        ("resized", B),
    ]


def test_a_resize_that_failed_has_taken_nothing() -> None:
    failed = record(CallKind.RESIZE_FAILED, old=A, size=20)
    assert said(CallOrder().put(resizing(A) + failed)) == [("resize_failed", A)]


def test_a_resize_that_freed_did_so_where_it_began() -> None:
    taken = resizing(A) + malloc(A, thread=2) + record(CallKind.RESIZE_FREED, old=A)
    assert said(CallOrder().put(taken)) == [("freed", A), ("allocated", A)]


def test_a_resize_that_was_lost_leaves_no_word() -> None:
    lost = record(CallKind.RESIZE_LOST, old=A)
    assert said(CallOrder().put(resizing(A) + lost + free(A))) == [("freed", A)]


def test_what_follows_a_resize_waits_for_its_result() -> None:
    order = CallOrder()
    assert said(order.put(malloc(A) + resizing(A) + malloc(A, thread=2))) == [("allocated", A)]
    assert order.put(free(A, thread=2)) == []
    assert said(order.put(resized(A, B) + free(B))) == [
        ("resizing", A),
        ("allocated", A),
        ("freed", A),
        ("resized", B),
        ("freed", B),
    ]


def test_a_result_whose_begin_is_missing_tells_both() -> None:
    order = CallOrder()
    assert order.put(resized(A, B)) == [(B, A, 20, CALLER, 1, 1, CallKind.RESIZED)]
    assert said(order.put(record(CallKind.RESIZE_FREED, old=B))) == [("freed", B)]


def test_nothing_waits_for_ever() -> None:
    order = CallOrder(most_held=3)
    assert order.put(resizing(A) + malloc(B, 2) + free(B, 2)) == []
    assert said(order.put(malloc(B, 2))) == [("allocated", B), ("freed", B), ("allocated", B)]
    assert said(order.put(resized(A, B))) == [("resized", B)]


def test_the_rest_is_told_without_what_never_returned() -> None:
    order = CallOrder()
    order.put(malloc(A) + resizing(A) + malloc(B, thread=2))
    assert said(order.rest()) == [("allocated", B)]
    assert order.rest() == []


def test_records_of_two_programs_are_told_apart() -> None:
    mine = [record(CallKind.FREED, A, slot=n) for n in (1, 0x101, 1)]
    taken = b"".join(mine)
    assert slots(taken) == {1, 0x101}
    assert of_slot(taken, 1) == mine[0] + mine[2]
    assert of_slot(taken, 0x101) == mine[1]
    assert (slots(b""), slots(mine[1])) == (set(), {0x101})
