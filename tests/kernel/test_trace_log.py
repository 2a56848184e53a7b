"""Every call in a log: the lines of known programs, the order across threads, what glibc's own log says."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ebpftrace.export import mtrace
from ebpftrace.kernel import programs, sizes, sources
from ebpftrace.kernel.compiler import Unit
from ebpftrace.kernel.instructions import with_maps
from ebpftrace.model.picture import Counts, Picture
from ebpftrace.session.options import CaptureOptions
from ebpftrace.session.preparation import prepare
from ebpftrace.session.session import Session
from ebpftrace.session.tracing import Logged, LogText, TraceLog
from ebpftrace.target.process import Process
from tests.kernel.harness import TIME_SCALE, WORKLOADS, Workload, backends, wait_until, workload

# The compiler runs in a fork of a process that has the harness's reader threads.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

TEXT = LogText(mtrace.START, mtrace.END, mtrace.Lines, mtrace.remark)


@dataclass
class Watch:
    """A session with a log in `folder`, `1` being that of the first program."""

    session: Session
    folder: Path
    log: TraceLog | None = None
    picture: Picture | None = None
    logged: Logged | None = None

    def start_log(self) -> None:
        self.log = TraceLog(
            self.session.calls, TEXT, lambda number: FileIO(self.folder / str(number), "x")
        )

    def end(self) -> None:
        self.picture = self.session.stop()
        assert self.log is not None
        self.logged = self.log.finish()

    @property
    def totals(self) -> Counts:
        assert self.picture is not None
        return self.picture.heap

    def lines(self, program: int = 1) -> list[str]:
        return (self.folder / str(program)).read_text().splitlines()


@contextmanager
def logging_calls(
    target: Workload, folder: Path, *, log_at_once: bool = True, **options: Any
) -> Iterator[Watch]:
    capture = CaptureOptions(interval=0.2, trace_log=True, **options)
    session = Session.open([Process.open(target.pid)], prepare(capture), warn=print)
    watch = Watch(session, folder)
    try:
        if log_at_once:
            watch.start_log()
        yield watch
    finally:
        if watch.logged is None and watch.log is not None:
            watch.log.finish()
        session.close()


class Call(NamedTuple):
    sign: str
    address: str
    size: int
    caller: str


def calls(lines: list[str]) -> list[Call]:
    assert (lines[0], lines[-1]) == ("= Start", "= End")
    found = []
    for line in lines[1:-1]:
        at, caller, sign, address, *size = line.split(" ")
        assert at == "@"
        found.append(Call(sign, address, int(size[0], 16) if size else 0, caller))
    return found


class Replayed(NamedTuple):
    """`wrong`: calls that no order of a sound program has."""

    blocks: int
    bytes: int
    allocated: int
    freed: int
    wrong: int


def replayed(lines: list[str]) -> Replayed:
    live: dict[str, int] = {}
    allocated = freed = wrong = 0
    for call in calls(lines):
        if call.sign in "+>" and call.address != "(nil)":
            wrong += call.address in live
            live[call.address] = call.size
            allocated += 1
        elif call.sign in "-<":
            wrong += live.pop(call.address, None) is None
            freed += 1
    return Replayed(len(live), sum(live.values()), allocated, freed, wrong)


def as_replayed(totals: Counts) -> Replayed:
    held = totals.blocks, totals.bytes
    allocated = totals.allocated_blocks + totals.adopted_blocks
    return Replayed(*held, allocated, totals.freed_blocks, 0)


def functions(found: list[Call]) -> list[str]:
    """Of each call the function that it was made in, by the address that the log has."""
    names = []
    for call in found:
        module, address = re.fullmatch(r"(.+):\[(0x[0-9a-f]+)\]", call.caller).groups()  # type: ignore[union-attr]
        said = subprocess.run(
            ["addr2line", "-f", "-e", module, address], capture_output=True, text=True, check=True
        )
        names.append(said.stdout.split("\n")[0])
    return names


@pytest.mark.oldkernel
def test_a_known_program_gives_exactly_its_calls(tmp_path: Path) -> None:
    with Workload("family", "stay") as target, logging_calls(target, tmp_path) as watch:
        target.phases()
        watch.end()
    found = calls(watch.lines())
    plus = [("+", 30000)]
    signs = [(call.sign, call.size) for call in found]
    assert signs == [*3 * plus, ("+", 1000), ("<", 0), (">", 30000), *7 * plus]
    assert functions(found[:-1]) == [
        *("leak_malloc", "leak_calloc", "leak_realloc_null", "small_block"),
        *("leak_realloc_grow", "leak_realloc_grow", "leak_reallocarray", "leak_posix_memalign"),
        *("leak_aligned_alloc", "leak_memalign", "leak_valloc", "leak_pvalloc"),
    ]
    assert found[-1].caller.split(":")[0].rsplit("/", 1)[1].startswith("libc.so")  # strdup
    assert replayed(watch.lines()) == as_replayed(watch.totals)
    assert watch.logged == Logged(calls=13, lost=0, unwritten=0, files=1)


def test_every_form_of_realloc_is_written_as_glibc_does(tmp_path: Path) -> None:
    with Workload("realloc_cases") as target, logging_calls(target, tmp_path) as watch:
        target.phases(6)
        watch.end()
    most, half = 2**64 - 1, 2**63 - 1
    assert [(call.sign, call.size) for call in calls(watch.lines())] == [
        *(("+", 1000), ("!", half)),
        *(("+", 2000), ("-", 0)),
        ("+", 0),
        *(("+", 300), ("<", 0), (">", 600)),
        *(("!", most - 3), ("!", most), ("!", half)),  # products that overflow
        *(("+", 100), ("<", 0), (">", 100000), ("<", 0), (">", 50)),
    ]
    assert replayed(watch.lines()) == as_replayed(watch.totals)


def test_failed_calls_gave_nothing(tmp_path: Path) -> None:
    with Workload("failures") as target, logging_calls(target, tmp_path) as watch:
        target.phases()
        watch.end()
    found = calls(watch.lines())
    assert len(found) == 14
    assert {(call.sign, call.address) for call in found} == {("+", "(nil)")}


@pytest.mark.parametrize("backend", backends())
def test_a_log_of_threads_that_race_for_blocks_can_be_replayed_to_the_totals(
    backend: str, tmp_path: Path
) -> None:
    # Phase 8: what one thread's realloc lets go of is another's before that realloc has returned.
    with (
        Workload("realloc_cases", 10_000) as target,
        logging_calls(target, tmp_path, backend=backend) as watch,
    ):
        target.phases(8)
        watch.end()
    assert watch.logged is not None
    assert (watch.logged.lost, watch.logged.unwritten) == (0, 0)
    assert replayed(watch.lines()) == as_replayed(watch.totals)


def test_blocks_that_other_threads_free_are_freed_after_they_are_born(tmp_path: Path) -> None:
    with Workload("cross_free", 10_000) as target, logging_calls(target, tmp_path) as watch:
        target.phases()
        watch.end()
    assert replayed(watch.lines()) == Replayed(2000, 200_000, 20_000, 18_000, 0)
    assert as_replayed(watch.totals) == replayed(watch.lines())


def test_blocks_from_before_the_attach_are_freed_and_resized_in_the_log(tmp_path: Path) -> None:
    with Workload("pre_attach") as target, logging_calls(target, tmp_path) as watch:
        target.phases(5)
        watch.end()
    signs = [(call.sign, call.size) for call in calls(watch.lines())]
    assert signs[:4] == [("-", 0), ("<", 0), (">", 5000), ("-", 0)]
    assert Counter(signs[4:]) == Counter(
        [("-", 0), ("-", 0), ("<", 0), (">", 2000), ("!", signs[8][1]), ("+", 300), ("-", 0)]
    )
    told = replayed(watch.lines())
    assert (told.blocks, told.bytes) == (watch.totals.blocks, watch.totals.bytes) == (2, 2300)


def test_blocks_outside_the_sizes_asked_for_are_not_in_the_log(tmp_path: Path) -> None:
    with (
        Workload("threads", 2, 800) as target,
        logging_calls(target, tmp_path, min_size=1000, max_size=4000) as watch,
    ):
        target.phases()
        watch.end()
    found = calls(watch.lines())
    assert {call.size for call in found if call.sign in "+>"} == {1000, 4000}
    assert replayed(watch.lines()) == as_replayed(watch.totals)


def test_a_full_buffer_loses_calls_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sizes, "_trace_pages", lambda available: 4)
    with (
        Workload("threads", 2, 800) as target,
        logging_calls(target, tmp_path, log_at_once=False) as watch,
    ):
        target.phases()
        watch.start_log()
        watch.end()
    kept = 4 * os.sysconf("SC_PAGESIZE") // 48
    records = 2 * 800 // 8 * (7 * 2 + 2)  # a resize is two
    assert watch.logged is not None
    assert watch.logged.lost == records - watch.logged.calls
    assert kept - 1 <= watch.logged.calls <= kept
    assert watch.picture is not None
    assert [loss.name for loss, _ in watch.picture.losses.faults()] == ["trace_full"]
    assert watch.totals.allocated_blocks == watch.totals.freed_blocks == 1600
    assert watch.lines()[-2].startswith(f"= {watch.logged.lost} calls are missing: ")


def test_a_program_that_becomes_another_has_a_log_of_its_own(tmp_path: Path) -> None:
    with Workload("exec_self") as target, logging_calls(target, tmp_path) as watch:
        target.phases()
        target.go()
        target.expect("ready")
        wait_until(lambda: len(watch.session.latest().targets) == 2, "the second program is traced")
        target.phases()
        watch.end()
    before, after = calls(watch.lines()), calls(watch.lines(2))
    assert [(call.sign, call.size) for call in before] == [("+", 100)] * 10
    assert [(call.sign, call.size) for call in after] == [("+", 200)] * 20
    assert functions(after[:1]) == ["leak_after_exec"]


def test_libraries_that_come_later_at_one_address_are_told_apart(tmp_path: Path) -> None:
    with (
        Workload("plugins", "turns", round(500 * TIME_SCALE)) as target,
        logging_calls(target, tmp_path) as watch,
    ):
        target.phases()
        wait_until(
            lambda: sum(line.endswith(" 0x64") for line in watch.lines()) == 10,
            "the calls of the first library are written",
        )
        target.phases()
        watch.end()
    names = functions([call for call in calls(watch.lines()) if call.size == 100])
    assert names[:10] == ["leak_of_a"] * 10
    assert names[11:] == ["leak_of_b"] * 9  # the first one may come before the maps are read again


def code_of(text: str) -> dict[str, bytes]:
    """Of each program the instructions, with numbers of maps in place of descriptors."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "TRACER", Unit(text=lambda: text))
        compiled = programs.start_compiling(sizes.choose(1 << 30), 127).result()
    numbers = {fd: number for number, fd in enumerate(compiled.maps.values())}
    compiled.close()
    return {name: with_maps(code, numbers) for name, code in compiled.code.items()}


def test_without_a_log_the_programs_are_those_that_know_of_none() -> None:
    text = sources.flatten()
    hook = re.compile(r"^\t+trace_\w+\(.*\);$", re.MULTILINE)
    begin = text.index("#ifdef TRACE_PAGES\n\n#define NO_WAKEUP")
    end = text.index("#endif", begin) + len("#endif")
    # Not replaced by empty lines: an `if` without braces would then have another body.
    bare = hook.sub(";", text[:begin]) + hook.sub(";", text[end:])
    assert len(hook.findall(text[end:])) == 8
    assert "trace_free" not in bare
    assert code_of(bare) == code_of(text)


def not_freed(script_said: str) -> Counter[tuple[str, str]]:
    """(size, where) of each block that the script `mtrace` says is not freed."""
    rows = re.findall(r"^0x[0-9a-f]+ +(0x[0-9a-f]+) +at (.+)$", script_said, re.MULTILINE)
    return Counter(rows)


def script_on(log: Path) -> str:
    command = ["mtrace", str(workload("mtraced")), str(log)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 1, ran.stderr  # something is not freed
    return ran.stdout


def test_the_script_mtrace_names_what_it_names_of_glibc_s_own_log(tmp_path: Path) -> None:
    source = WORKLOADS / "mtraced.c"
    leaked = [
        f"{source}:{number}"
        for number, line in enumerate(source.read_text().splitlines(), 1)
        if line.endswith("/* leaked */")
    ]
    with Workload("mtraced") as target, logging_calls(target, tmp_path) as watch:
        target.phases()
        watch.end()
    ours = not_freed(script_on(tmp_path / "1"))
    assert sorted(at for size, at in ours if size != "0x7") == leaked

    theirs_log = tmp_path / "theirs"
    environment = {"MALLOC_TRACE": str(theirs_log), "LD_PRELOAD": "libc_malloc_debug.so.0"}
    subprocess.run(
        [workload("mtraced")],
        env={**os.environ, **environment},
        input=b"go\ngo\n",
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=60,
    )
    theirs = not_freed(script_on(theirs_log))
    assert sorted(size for size, _ in theirs.elements()) == sorted(
        size for size, _ in ours.elements()
    )
    # glibc gives return addresses, here of what follows on the next line, and we the calls before them.
    for (_, here), (_, there) in zip(sorted(ours), sorted(theirs), strict=True):
        file, line = here.rsplit(":", 1)
        assert there in (here, f"{file}:{int(line) + 1}", f"{file}:{int(line) + 2}")
