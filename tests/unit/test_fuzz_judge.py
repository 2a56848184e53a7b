"""The fuzzer's judge finds what it is there to find, and its mutations leave inputs that are read."""

import json
import os
import subprocess
import sys
import time

import pytest

from ebpftrace.errors import UsageError
from scripts.fuzzing import fuzz
from scripts.fuzzing.judge import judge
from scripts.fuzzing.mutation import mutated
from scripts.fuzzing.registry import TARGETS
from scripts.fuzzing.shown import json_text, printable, report
from scripts.fuzzing.target import Finding, Limits, Part, Target
from tests.unit.hostile import HOSTILE

HARMLESS = {"[abi:cxx11]", "[/usr/lib]", "x[/]y", "[bold red]", "wide漢字名前"}
LEFT_OPEN: list[int] = []


def tried(attempt, **given):
    """An attempt of which the input is of no matter."""
    target = Target("x", "", lambda _: attempt(), lambda: [b""], (UsageError,), **given)
    judge(target, b"")


def refuses():
    raise UsageError("It is none.")


def test_what_is_declared_is_no_finding():
    tried(refuses)


def test_what_is_not_declared_comes_out_as_it_is():
    with pytest.raises(ZeroDivisionError):
        tried(lambda: 1 // 0)


def spins():
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            sum(range(1000))
        except Exception:  # noqa: BLE001 - what catches everything is ended, too
            continue


def test_what_does_not_end_is_a_finding():
    with pytest.raises(Finding, match=r"more than 0.2 s of processor time"):
        tried(spins, limits=Limits(seconds=0.2))


def test_memory_beyond_the_limit_is_a_finding():
    with pytest.raises(Finding, match="MiB of memory, and may take 16"):
        tried(lambda: b"x" * (64 << 20), limits=Limits(memory=16 << 20))
    tried(lambda: b"x" * (8 << 20), limits=Limits(memory=16 << 20))


def leaves_open():
    LEFT_OPEN.append(os.open("/", os.O_RDONLY))


def test_a_descriptor_that_is_left_open_is_a_finding():
    try:
        with pytest.raises(Finding, match="1 descriptors are left open"):
            tried(leaves_open)
    finally:
        for fd in LEFT_OPEN:
            os.close(fd)


def writes(path):
    with path.open("w"):
        pass


def test_whatever_is_written_or_started_is_a_finding(tmp_path):
    for attempt, what in (
        (lambda: writes(tmp_path / "file"), "file' is opened to be written"),
        (lambda: (tmp_path / "file").rename(tmp_path / "other"), "os.rename"),
        (lambda: subprocess.run(["true"], check=True), "subprocess.Popen"),
        (lambda: os.system("true"), "os.system"),
    ):
        with pytest.raises(Finding, match=what):
            tried(attempt)
    tried(lambda: subprocess.run(["true"], check=True), starts=True)


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_terminal_would_obey_or_hide_is_a_finding(name):
    if name in HARMLESS or name.isprintable():
        printable(name, "a name")
        report(f"{name}\n{name}\n", "a report")
        json_text(f'{{"a": ["{name}"]}}\n', "a line")
        return
    for show in (lambda: printable(name, "a name"), lambda: json_text(repr_of(name), "a line")):
        with pytest.raises(Finding):
            show()


def repr_of(name):
    """As JSON."""
    return json.dumps({"a": name})


@pytest.mark.parametrize("name", [n for n, t in TARGETS.items() if t.parts is not None])
def test_parts_that_are_put_back_as_they_are_leave_an_input_that_is_still_read(name):
    target = TARGETS[name]
    strict = Target(name, "", target.attempt, target.seeds, starts=target.starts)
    assert target.parts is not None
    for seed in target.seeds():
        if is_refused(strict, seed):
            continue
        for part in every(target.parts(seed), 3):
            assert not is_refused(strict, part.put(part.content))


def is_refused(strict, data):
    try:
        strict.attempt(data)
    except TARGETS[strict.name].declared:
        return True
    return False


def every(parts, depth):
    """Some of them, and of what is in them."""
    for part in parts[:: max(1, len(parts) // 4)]:
        yield part
        if part.inner is not None and depth:
            yield from (part.within(one) for one in every(part.inner(part.content), depth - 1))


def test_a_change_is_made_to_one_part_alone():
    def part(data, at):
        return Part(data[at : at + 1], lambda new: data[:at] + new + data[at + 1 :])

    def parts(data):
        return [part(data, 0), part(data, 2)]

    target = Target("x", "", lambda _: None, list, parts=parts)
    made = {mutated(target, b"abc", 9, seed, lambda part, room: part.upper()) for seed in range(50)}
    assert made == {b"Abc", b"abC", b"ABC"}


def test_where_there_is_no_atheris_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "atheris", None)
    monkeypatch.setattr(sys, "argv", ["fuzz", "elf"])
    with pytest.raises(SystemExit, match="scripts/setup --fuzz"):
        fuzz._main()


def test_every_target_is_listed_with_what_it_reads(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["fuzz", "--list"])
    assert fuzz._main() == 0
    listed = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert listed.keys() == TARGETS.keys()
    assert all(listed.values())
