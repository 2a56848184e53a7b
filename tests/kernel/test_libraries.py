"""Allocators in libraries that come and go while they are watched."""

import subprocess
import sys

import pytest

from tests.kernel.harness import Tracer, Workload, backends, workload
from tests.kernel.running import run

LATE = {"keep_late": (10, 1000), "drop_late": (0, 0), "grow_late": (1, 700)}
EARLY = (2, 100)


def families(picture):
    return picture.targets[0]["allocators"]


def in_both_rounds(held):
    return 2 * held[0], 2 * held[1]


@pytest.mark.oldkernel
@pytest.mark.parametrize("backend", backends())
def test_an_allocator_that_is_loaded_while_it_is_watched_is_counted(backend: str):
    with (
        Workload("latecomer") as target,
        Tracer(target, options=("--backend", backend, "--top", 0)) as tracer,
    ):
        assert families(tracer.first) == ["glibc"]
        target.phases()  # it is loaded
        loaded = tracer.until(lambda picture: len(families(picture)) > 1)
        assert families(loaded) == ["glibc", "c"]
        assert loaded.held_in("keep_own") == (3, 90)
        target.phases()
        worked = tracer.settled()
        assert {name: worked.held_in(name) for name in LATE} == LATE
        assert worked.site("drop_late").freed == (5, 200)
        assert worked.site("keep_late").raw["family"] == "c"
        target.phases()  # unloaded, and loaded at another address: the file's probes are there at once
        again = tracer.settled()
        assert again.held_in("keep_late") == LATE["keep_late"]  # what it left behind stays in view
        assert again.held_in("in_late_constructor") == EARLY
        target.phases()
        final = tracer.finish().final
        assert final.faults == {}
        assert final.loss("unmatched_free") == 0
        found = {name: final.held_in(name) for name in LATE}
        assert found == {name: in_both_rounds(held) for name, held in LATE.items()}
        assert "liblate.so (c)" in tracer.stderr()


@pytest.mark.parametrize("threads", [(), ("threads",)], ids=["alone", "threads"])
def test_what_a_started_program_loads_is_counted_from_its_constructors_on(threads):
    ran = run(workload("latecomer"), "at-once", *threads, options=("--top", 0))
    assert ran.status == 0
    assert ran.lost.keys() <= ({"stack_cut"} if threads else set())
    assert ran.final.loss("unmatched_free") == 0
    both = {**LATE, "in_late_constructor": EARLY}
    found = {name: ran.final.held_in(name) for name in both}
    assert found == {name: in_both_rounds(held) for name, held in both.items()}
    assert families(ran.final) == ["glibc", "c"]


def test_a_program_that_calls_its_loader_s_function_all_the_time_crowds_nothing_out():
    with Workload("latecomer", "flood") as target, Tracer(target) as tracer:
        target.phases()
        tracer.until(lambda picture: len(families(picture)) > 1)
        target.phases()
        final = tracer.finish().final
        assert {name: final.held_in(name) for name in LATE} == LATE
        assert final.faults == {}


# At once after loading it, while no probe is there: the first block, for which it maps an arena.
LOADS_MIMALLOC = """
import ctypes
print("ready", flush=True)
input()
library = ctypes.CDLL("libmimalloc.so.2.0")
take = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_size_t)(("mi_malloc", library))
take(1000)
print("loaded", flush=True)
input()
for _ in range(100):
    take(1000)
print("taken", flush=True)
input()
"""


def test_what_an_allocator_has_mapped_before_it_was_probed_is_not_the_program_s():
    with subprocess.Popen(
        [sys.executable, "-c", LOADS_MIMALLOC],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as target:
        assert target.stdin
        assert target.stdout
        orders, answers = target.stdin, target.stdout

        def step(until):
            orders.write("\n")
            orders.flush()
            assert answers.readline() == until

        assert answers.readline() == "ready\n"
        with Tracer(target.pid, options=("--top", 0)) as tracer:
            step("loaded\n")
            tracer.until(lambda picture: "mimalloc" in families(picture))
            before = held_of(tracer.settled(), "mimalloc")
            step("taken\n")
            # An arena has 32 MiB; the stack under which it was mapped may come later than the call.
            after = tracer.until(lambda picture: picture.raw["mapped"]["bytes"] < 1 << 20)
            after = tracer.settled()
            step("")
        assert held_of(after, "mimalloc") == before + 100_000
        assert after.raw["mapped"]["bytes"] < 1 << 20
        assert after.loss("nested") >= 1


def held_of(picture, family):
    """Bytes."""
    return sum(site.held[1] for site in picture.sites if site.raw["family"] == family)
