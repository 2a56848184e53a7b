"""No return probe where a C++ exception can pass: what throws goes on, and dies without the guard."""

import signal

import pytest

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
from ebpftrace.probes import exceptions
exceptions.refuse = lambda found, modules: (tuple(found), ())
from ebpftrace.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("program", ["throws", "throws_static"])
def test_exceptions_beside_a_known_malloc_pass_and_everything_is_seen(program: str):
    with Workload(program) as target, Tracer(target) as tracer:
        target.phases()
        ended = tracer.finish()
        assert target.leave() == 0
    (site,) = (s for s in ended.final.sites if s.functions[:1] == ["leak_after_throw"])
    assert site.held == (10, 10_000)
    assert ended.final.faults.keys() <= {"stack_cut"}  # it is over before the rules are there


def test_a_malloc_that_throws_is_left_out_with_a_sentence_and_its_program_goes_on():
    with Workload("throws_pool") as target, Tracer(target) as tracer:
        probed = probed_text(target.pid)
        target.phases()
        ended = tracer.finish()
        assert target.leave() == 0
    names = [path.rpartition("/")[2] for path in probed]
    assert [name for name in names if not name.startswith("ld-")] == ["libc.so.6"]
    assert "throws_pool can throw C++ exceptions through its malloc" in ended.stderr
    assert ended.final.sites_in("leak_after_throw") == []


def test_without_the_guard_the_program_dies_at_its_first_throw():
    with Workload("throws_pool") as target:
        assert status_of(target, UNGUARDED) == -signal.SIGABRT


def test_a_preloaded_wrapper_is_probed_in_a_c_program_only():
    with Workload("nested_wrapper", preload="libwrap.so") as target:
        assert "libwrap.so" in run_tool("probes", "-p", target.pid).stdout.partition("note:")[0]
    with Workload("throws_pool", preload="libwrap.so") as target:
        table, _, notes = run_tool("probes", "-p", target.pid).stdout.partition("note:")
    assert "libwrap.so" not in table
    assert "libwrap.so may call the malloc of " in notes


def test_doctor_says_what_is_left_out_in_the_words_of_the_plan():
    with Workload("throws_pool") as target:
        lines = run_tool("doctor", "-p", target.pid).stdout.splitlines()
    (line,) = [line for line in lines if "can throw C++ exceptions through its malloc" in line]
    assert line.split()[:2] == ["note", "exceptions"]
    assert any(line.split()[:3] == ["ok", "patched", "code"] for line in lines)
