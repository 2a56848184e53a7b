"""Code in memory that is not the file's: it gets no probe, and a sentence says why."""

import signal

import pytest

from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from tests.kernel.harness import (
    Tracer,
    Workload,
    probed_text,
    run_tool,
)
from tests.kernel.unguarded import status_of

# The tool, whose guard refuses nothing.
UNGUARDED = """
import sys
from ebpftrace.probes import patched
patched.refuse = lambda found, placed, live: (found, ())
from ebpftrace.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("part", ["", "page"])
@pytest.mark.parametrize("program", ["moved_text", "moved_text_static"])
def test_a_malloc_that_was_moved_is_the_reason_why_nothing_can_be_traced(program: str, part: str):
    with Workload(program, *([part] if part else [])) as target:
        before = probed_text(target.pid)
        ran = run_tool("attach", "--json", "-p", target.pid, "--count", "1")
        assert probed_text(target.pid) == before
        target.phases()
        assert target.leave() == 0
    assert ran.returncode == 3
    assert "not mapped as code from the file, but moved (to huge pages, for instance)" in ran.stderr
    assert "none of its" not in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_file_whose_code_was_moved_as_a_whole_is_still_one_of_the_modules():
    with Workload("moved_text_static") as target, Process.open(target.pid) as process:
        modules = open_modules(process)
        (own,) = [m for m in modules if m.name.endswith("/moved_text_static")]
        assert own.image
        assert not any(part.executable for part in own.mappings)
        for module in modules:
            module.close()


def test_a_hooked_free_keeps_libc_from_being_probed():
    with Workload("patched_text", "free") as target:
        ran = run_tool("attach", "--json", "-p", target.pid, "--count", "1")
        target.phases()
        assert target.leave() == 0
    assert ran.returncode == 3
    assert "free of " in ran.stderr
    assert "is not as in the file, but patched by another tool" in ran.stderr


def test_a_hooked_birth_is_left_out_and_the_rest_is_exact():
    with Workload("patched_text", "valloc") as target, Tracer(target) as tracer:
        target.phases()
        ended = tracer.finish()
        assert target.leave() == 0
    assert "valloc of " in ended.stderr
    assert ended.final.site("leak_beside_hook").held == (10, 10_000)
    assert ended.final.held == (10, 10_000)
    assert ended.final.faults == {}


def test_without_the_guard_a_hooked_program_dies():
    with Workload("patched_text", "free") as target:
        ended_by = -status_of(target, UNGUARDED)
    assert ended_by in (signal.SIGSEGV, signal.SIGTRAP, signal.SIGILL)


def test_the_breakpoints_of_another_run_are_no_patch():
    with Workload("patched_text", "valloc") as target, Tracer(target):
        ran = run_tool("attach", "--json", "-p", target.pid, "--count", "1")
    assert ran.returncode == 0
    assert "malloc of " not in ran.stderr
