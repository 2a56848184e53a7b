"""Calls of an allocator as lines that the script `mtrace` reads."""

from collections.abc import Mapping

import pytest

from ebpftrace.export.mtrace import END, START, Lines, remark
from ebpftrace.model.calls import CallKind, CallRecord
from ebpftrace.text import clean
from tests.unit.hostile import HOSTILE

CALLER = 0x555555555235
APP = {CALLER - 1: ("/srv/app", 0x1234)}


def call(
    kind: CallKind, address: int = 0x5500, old: int = 0, size: int = 0, caller: int = CALLER
) -> CallRecord:
    return address, old, size, caller, 77, 1, kind


def written(
    *calls: CallRecord, where: Mapping[int, tuple[str, int]] = APP, lines: Lines | None = None
) -> list[str]:
    return (lines or Lines(where.get)).of(calls).decode().splitlines()


@pytest.mark.parametrize(
    "one, said",
    [
        (call(CallKind.ALLOCATED, size=10), ["+ 0x5500 0xa"]),
        (call(CallKind.ALLOCATED), ["+ 0x5500 0"]),
        (call(CallKind.ALLOCATED, 0, size=10), ["+ (nil) 0xa"]),
        (call(CallKind.FREED), ["- 0x5500"]),
        (call(CallKind.RESIZING), ["< 0x5500"]),
        (call(CallKind.RESIZED, size=10), ["> 0x5500 0xa"]),
        (call(CallKind.RESIZED, size=0), ["> 0x5500 0"]),
        (call(CallKind.RESIZED, old=0x5400, size=10), ["< 0x5400", "> 0x5500 0xa"]),
        (call(CallKind.RESIZE_FAILED, 0, old=0x5400, size=10), ["! 0x5400 0xa"]),
    ],
)
def test_a_call_is_written_as_glibc_writes_it(one: CallRecord, said: list[str]) -> None:
    assert written(one) == [f"@ /srv/app:[0x1234] {rest}" for rest in said]


def test_a_caller_in_no_file_is_an_address_of_the_process() -> None:
    one = call(CallKind.ALLOCATED, size=10, caller=0x7F0000001000)
    assert written(one) == ["@ [0x7f0000000fff] + 0x5500 0xa"]


def test_a_free_that_nobody_saw_has_no_caller() -> None:
    assert written(call(CallKind.FREED, caller=0)) == ["- 0x5500"]


def test_the_same_address_in_two_files_is_the_same_number_and_another_text() -> None:
    where = {n: (name, 0x1233) for n, name in enumerate(["/a.so", "/b.so", "/a.so"])}
    calls = [call(CallKind.ALLOCATED, size=1, caller=n + 1) for n in where]
    callers = [line.split()[1] for line in written(*calls, where=where)]
    assert callers == ["/a.so:[0x1233]", "/b.so:[0x01233]", "/a.so:[0x1233]"]


@pytest.mark.parametrize(
    "name",
    [
        *map(clean, HOSTILE),
        "/tmp/a b",
        "/tmp/$(reboot)",
        "/tmp/`id`",
        "/tmp/a;id|id&id>x<y",
        "/tmp/'\"\\*?~!#{}",
        "/tmp/line\nline",
        "/srv/app (deleted)",
        "/x[0x10]:y",
        "- 0x5500",
    ],
)
def test_a_path_has_nothing_that_a_shell_or_the_script_would_take_for_its_own(name: str) -> None:
    (line,) = written(call(CallKind.FREED), where={CALLER - 1: (name, 0x1234)})
    at, caller, rest = line.split(" ", 2)
    path, bracket = caller.split(":[")
    assert (at, bracket, rest) == ("@", "0x1234]", "- 0x5500")
    assert len(path) == len(name)
    assert all(one.isalnum() or one in "_./+@:,=%-" for one in path)


def test_paths_as_they_are_used_stay_as_they_are() -> None:
    path = "/opt/größe_1/x86_64-linux-gnu/libstdc++.so.6.0.30"
    (line,) = written(call(CallKind.FREED), where={CALLER - 1: (path, 1)})
    assert line.startswith(f"@ {path}:[")


def test_callers_without_end_are_written_as_the_first_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ebpftrace.export.mtrace._MOST_CALLERS", 2)
    calls = [call(CallKind.FREED, caller=n % 3 + 1) for n in range(7)]
    said = written(*calls, where={n: ("/srv/app", n) for n in range(3)})
    assert [line.split()[1] for line in said] == [f"/srv/app:[{n % 3:#x}]" for n in range(7)]


def test_a_caller_whose_code_went_is_asked_for_again() -> None:
    where = {0x1000: ("/old.so", 0x10), 0x1FFF: ("/old.so", 0x20), 0x2000: ("/app", 0x30)}
    lines = Lines(where.get)
    calls = [call(CallKind.FREED, caller=at + 1) for at in where]
    written(*calls, lines=lines)
    where.update(dict.fromkeys(where, ("/new.so", 64)))
    lines.forget(0x1000, 0x2000)
    said = [line.split()[1] for line in written(*calls, lines=lines)]
    assert said == ["/new.so:[0x40]", "/new.so:[0x40]", "/app:[0x30]"]


def test_a_remark_is_of_the_kind_that_the_script_leaves_out() -> None:
    assert {line.split()[0] for line in (START, END, remark("2 calls are missing"))} == {b"="}
