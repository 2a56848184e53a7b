"""Ordinary programs without frame pointers: every stack is whole, and each call site is its own.

The known answers are in the header comments of the workloads.
"""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ebpftrace.kernel import features
from ebpftrace.kernel.syscalls import open_uprobe
from ebpftrace.target.modules import open_modules
from ebpftrace.target.process import Process
from tests.kernel.harness import TIME_SCALE, Tracer, Workload
from tests.kernel.pictures import Picture
from tests.kernel.stacks import CHAIN, IN_CHAIN, assert_chain_counts, assert_whole

CHAINS = ["chain", "chain_debug_frame"]
if platform.machine() == "aarch64":
    CHAINS.append("chain_signed")


@pytest.fixture(scope="module", params=CHAINS)
def chain(request: pytest.FixtureRequest) -> Iterator[Picture]:
    """Unwind tables in .eh_frame, and in .debug_frame alone; and return addresses that are signed."""
    with Workload(request.param) as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        yield tracer.finish().final


@pytest.mark.elsewhere
def test_calls_without_frame_pointers_are_followed_to_the_start_of_the_program(chain: Picture):
    assert_chain_counts(chain)
    assert_whole(chain.site("leak_in_chain"), *IN_CHAIN)


@pytest.mark.elsewhere
@pytest.mark.oldkernel
def test_a_stack_leads_to_the_start_of_its_thread(chain: Picture):
    site = chain.site("leak_in_thread")
    assert_whole(site, "leak_in_thread", "thread_main", start=None)
    outer = {frame["module"].rpartition("/")[2] for frame in site.frames[2:]}
    assert (outer, len(site.frames)) == ({"libc.so.6"}, 4)


@pytest.mark.parametrize("function", ["leak_strdup", "leak_asprintf", "leak_getline"])
def test_a_libc_function_that_allocates_shows_who_called_it(chain: Picture, function: str):
    assert chain.held_in(function)[0] == CHAIN[function]
    site = max(chain.sites_in(function), key=lambda site: site.held)
    assert site.frames[0]["module"].endswith("/libc.so.6")
    assert site.callers(function)[:2] == [function, "main"]
    assert_whole(site)


def test_a_file_and_its_buffer_show_who_opened_it_and_who_read_it_first(chain: Picture):
    for function in ("open_file", "read_file"):
        site = chain.site(function)
        assert site.callers(function)[:2] == [function, "main"]
        assert_whole(site)


def test_no_whole_stack_is_counted_as_a_loss(chain: Picture):
    names = ("stack_guessed", "stack_cut", "stack_truncated", "stack_unreadable")
    assert {name: chain.loss(name) for name in names} == dict.fromkeys(names, 0)


@pytest.fixture(scope="module")
def containers() -> Iterator[Picture]:
    with Workload("containers") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        yield tracer.finish().final


@pytest.mark.parametrize(
    "function, size",
    [
        ("keep_title", 61),
        ("keep_line", 101),
        ("keep_name", 201),
        ("keep_numbers", 400),
        ("keep_object", 72),
    ],
)
def test_who_is_behind_operator_new_is_a_site_of_its_own(
    containers: Picture, function: str, size: int
):
    site = containers.site(function)
    assert site.held == (50, 50 * size)
    assert site.frames[0]["module"].rpartition("/")[2].startswith("libstdc++.so")
    assert site.callers(function)[:2] == [function, "main"]
    assert_whole(site)


def test_every_allocation_of_a_cplusplus_program_has_a_whole_stack(containers: Picture):
    assert containers.held[0] == 6 * 50
    assert containers.held_in("keep_pairs")[0] == 50
    for site in containers.sites:
        assert_whole(site)


@pytest.mark.parametrize("limit", [20, None])
def test_a_stack_deeper_than_the_limit_is_cut_there_and_counted(limit: int | None):
    options = ("--top", 0, *(("--stack-depth", limit) if limit else ()))
    with Workload("deep", 5, 10_000) as target, Tracer(target, options=options) as tracer:
        target.phases()
        final = tracer.finish().final
    assert (final.held, final.faults) == ((40, 40 * 32), {})
    by_depth = sorted(final.sites, key=lambda site: len(site.frames))
    assert [site.held for site in by_depth] == [(20, 640), (20, 640)]
    shallow, deep = by_depth
    callers = ("leak_at_depth", *["descend"] * 5, "go_down", "thread_main")
    assert_whole(shallow, *callers, start=None)
    assert deep.functions == ["leak_at_depth", *["descend"] * ((limit or 127) - 1)]
    assert (deep.complete, deep.guessed) == (False, False)
    assert final.loss("stack_truncated") == 20


@pytest.mark.oldkernel
def test_stacks_that_differ_in_one_return_address_only_are_told_apart():
    with Workload("alike") as target, Tracer(target, options=("--top", 0)) as tracer:
        target.phases()
        final = tracer.finish().final
    # On emulated processors some come before the first rule can be made; these stay short, and are counted.
    cut = final.loss("stack_cut")
    found = [final.held_in(caller)[0] for caller in ("one", "two", "three", "four")]
    assert max(found) <= 4100
    assert sum(found) >= 16_400 - cut
    assert cut < 400 * TIME_SCALE
    assert final.held == (16_400, 16_400 * 64)
    assert set(final.faults) <= {"stack_cut"}


@contextmanager
def pending_return_probe(pid: int, function: str) -> Iterator[None]:
    """Another tracer's uretprobe on a function of the executable: it replaces return addresses."""
    with Process.open(pid) as process:
        modules = open_modules(process)
        try:
            (image,) = (m.image for m in modules if m.name == process.exe)
            assert image
            (symbol,) = image.symbols({function})
            offset = image.file_offset(symbol.value)
            assert offset is not None
            events = features.uprobe_events()
            event = open_uprobe(process.exe, offset, pid, events.type, events.return_bit)
        finally:
            for module in modules:
                module.close()
        try:
            yield
        finally:
            os.close(event)


def test_return_addresses_replaced_by_another_tracer_are_recovered():
    with (
        Workload("chain") as target,
        pending_return_probe(target.pid, "outer"),
        pending_return_probe(target.pid, "middle"),
        Tracer(target, options=("--top", 0)) as tracer,
    ):
        target.phases()
        final = tracer.finish().final
    assert_chain_counts(final)
    assert_whole(final.site("leak_in_chain"), *IN_CHAIN)
    modules = {frame["module"] for site in final.sites for frame in site.frames}
    assert "[uprobes]" not in modules
