"""Calls of an allocator as lines that the script `mtrace` reads."""

import pytest

from ebpftrace.export.mtrace import Call, Kind, lines
from ebpftrace.text import clean
from tests.unit.hostile import HOSTILE


def call(kind: Kind = "malloc", address: int = 0x5500, **given: object) -> Call:
    values = {
        "old": 0,
        "size": 10,
        "caller_module": "/srv/app",
        "caller_offset": 0x1234,
        "caller_address": 0x555555555234,
    }
    return Call(kind, address, **{**values, **given})  # type: ignore[arg-type]


def written(*calls: Call) -> list[str]:
    return b"".join(lines(calls)).decode().splitlines()


AT = "@ /srv/app:[0x1233]"


@pytest.mark.parametrize(
    "one, said",
    [
        (call(), ["+ 0x5500 0xa"]),
        (call(size=0), ["+ 0x5500 0"]),
        (call(address=0), ["+ (nil) 0xa"]),
        (call("free"), ["- 0x5500"]),
        (call("free", address=0), []),
        (call("realloc", old=0x5400), ["< 0x5400", "> 0x5500 0xa"]),
        (call("realloc", old=0x5500), ["< 0x5500", "> 0x5500 0xa"]),
        (call("realloc"), ["+ 0x5500 0xa"]),
        (call("realloc", address=0, old=0x5400), ["! 0x5400 0xa"]),
        (call("realloc", address=0, old=0x5400, size=0), ["- 0x5400"]),
        (call("realloc", address=0), ["+ (nil) 0xa"]),
    ],
)
def test_a_call_is_written_as_glibc_writes_it(one, said):
    assert written(one) == [f"{AT} {rest}" for rest in said]


def test_a_caller_in_no_file_is_an_address_of_the_process():
    one = call(caller_module=None, caller_offset=None, caller_address=0x7F0000001000)
    assert written(one) == ["@ [0x7f0000000fff] + 0x5500 0xa"]


def test_the_same_address_in_two_files_is_the_same_number_and_another_text():
    files = ["/lib/a.so", "/lib/b.so", "/lib/a.so"]
    calls = [call(address=n, caller_module=name) for n, name in enumerate(files, 1)]
    callers = [line.split()[1] for line in written(*calls)]
    assert callers == ["/lib/a.so:[0x1233]", "/lib/b.so:[0x01233]", "/lib/a.so:[0x1233]"]


@pytest.mark.parametrize(
    "name",
    [
        *map(clean, HOSTILE),
        "/tmp/a b",
        "/tmp/$(reboot)",
        "/tmp/`id`",
        "/tmp/a;id|id&id>x<y",
        "/tmp/'\"\\*?~!#{}",
        "/srv/app (deleted)",
        "/x[0x10]:y",
        "- 0x5500",
    ],
)
def test_a_path_has_nothing_that_a_shell_or_the_script_would_take_for_its_own(name):
    (line,) = written(call(caller_module=name))
    at, caller, rest = line.split(" ", 2)
    path, bracket = caller.split(":[")
    assert (at, bracket, rest) == ("@", "0x1233]", "+ 0x5500 0xa")
    assert len(path) == len(name)
    assert all(one.isalnum() or one in "_./+@:,=%-" for one in path)


def test_paths_as_they_are_used_stay_as_they_are():
    path = "/opt/größe_1/x86_64-linux-gnu/libstdc++.so.6.0.30"
    assert written(call(caller_module=path))[0].startswith(f"@ {path}:[")


def test_callers_without_end_are_written_as_the_first_ones(monkeypatch):
    monkeypatch.setattr("ebpftrace.export.mtrace._MOST_CALLERS", 2)
    calls = [call(caller_offset=1 + n % 3, caller_address=n % 3 + 1) for n in range(7)]
    assert [line.split()[1] for line in written(*calls)] == [
        f"/srv/app:[{n % 3:#x}]" for n in range(7)
    ]
