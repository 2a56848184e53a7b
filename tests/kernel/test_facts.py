"""By what a process ended, and what was known of it and its memory just before."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.kernel.harness import Tracer, Workload, workload

# A parent that reaps at once: nothing is left in /proc then.
_REAPS = """exec 3<&0; sh -c 'echo $$; exec "$0" "$@"' "$0" "$@" <&3 3<&- & exec 3<&-; wait"""


class Reaped(Workload):
    """`ends` as the child of a shell that waits for it."""

    def __init__(self, *args: object) -> None:
        super().__init__(Path("/bin/sh"), "-c", _REAPS, workload("ends"), *args)

    @property
    def pid(self) -> int:
        return int(self.said[0])


ENDINGS = {
    ("exit", 0): "status 0",
    ("exit", 3): "status 3",
    ("thread", 5): "status 5",
    ("fault",): "SIGSEGV",
    ("killed",): "SIGKILL",
}


@pytest.mark.oldkernel
def test_a_target_says_by_what_it_ended_though_its_parent_has_reaped_it():
    with ExitStack() as stack:
        targets = {how: stack.enter_context(Reaped(*how)) for how in ENDINGS}
        tracer = stack.enter_context(Tracer(*targets.values()))
        assert {each["ended_by"] for each in tracer.first.targets} == {None}
        for target in targets.values():
            target.phases()
        os.kill(targets.pop(("killed",)).pid, signal.SIGKILL)
        for target in targets.values():
            target.go()
        ended = tracer.ended()
    assert [each["ended_by"] for each in ended.final.targets] == list(ENDINGS.values())
    assert ended.final.held_in("keep") == (50, 5000)
    assert ended.status == 4
