"""The tool in a time namespace, whose clocks are not those by which the kernel side stamps."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kernel.harness import Program, Tracer, Workload, copied, wait_until
from tests.kernel.hosts import Prefix
from tests.kernel.pictures import Picture
from tests.kernel.running import HELD, run, starts

LIMIT_S = 1000
"""More than any run takes, and far less than the first of the clocks differs."""


@pytest.fixture(params=[100_000, -1])
def elsewhen(request: pytest.FixtureRequest) -> Iterator[Prefix]:
    """In front of a command: so many seconds from now."""
    shift = str(request.param)
    command = [str(shutil.which("unshare")), "--time", "--monotonic", shift, "--boottime", shift]
    holder = Program([*command, "sleep", str(LIMIT_S)])
    try:
        comm = Path(f"/proc/{holder.pid}/comm")
        wait_until(lambda: comm.read_text() == "sleep\n", "the namespace")
        yield ("nsenter", f"--time=/proc/{holder.pid}/ns/time_for_children")
    finally:
        holder.close()


def test_ages_are_those_of_the_host(elsewhen):
    began = time.monotonic()
    with Workload("family", "stay") as target, Tracer(target, user=elsewhen) as tracer:
        target.phases()
        final = tracer.finish().final
    lasted = time.monotonic() - began
    assert final.allocated == (12, 331_000)
    assert final.held == (11, 330_000)
    assert 0 <= since_attach_s(final) <= lasted
    assert all(0 <= site.raw["oldest_s"] <= lasted for site in final.sites if site.held[0])


def test_a_newcomer_is_late_by_as_much_as_it_was(elsewhen, tmp_path):
    began = time.monotonic()
    program = copied(tmp_path, "family", "ebpft-elsewhen")
    with Tracer(options=("-n", "ebpft-elsewhen"), user=elsewhen) as tracer:
        with Workload(program, "stay") as target:
            tracer.until(lambda picture: picture.targets)
            target.phases()
        [late] = [one["missed_s"] for one in tracer.finish().final.targets]
    assert 0 <= late <= time.monotonic() - began


def test_a_program_is_held_at_every_exec_until_it_is_traced(elsewhen):
    ran = run("env", starts(), user=elsewhen)
    assert [what for name, what in ran.programs if name == "starts"] == [HELD]
    assert ran.lost == {}
    assert [one["missed_s"] for one in ran.final.targets] == [0, 0]


def since_attach_s(picture: Picture) -> float:
    return float(picture.raw["since_attach_s"])
