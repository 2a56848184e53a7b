"""A process is probed only where it is proven that it lives through return probes."""

from types import SimpleNamespace
from typing import Any

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.host import status
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.session import hazards

PROCESS: Any = SimpleNamespace(pid=7, comm="server", threads=lambda: [7, 8])
SAFE = ProbeTrial(survives_seccomp=True, survives_strict_seccomp=True, survives_shadow_stack=True)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> dict[str, status.Status]:
    """What /proc says of each thread; those not in it are plain."""
    found: dict[str, status.Status] = {}
    plain = status.Status(seccomp=0)
    monkeypatch.setattr(status, "of", lambda thread: found.get(thread, plain))
    return found


def test_a_plain_process_needs_no_proof(threads):
    hazards.check(PROCESS, ProbeTrial())


@pytest.mark.parametrize("mode, proof", [(1, "survives_strict_seccomp"), (2, "survives_seccomp")])
@pytest.mark.parametrize("survives", [False, None])
def test_one_thread_under_seccomp_is_enough_to_refuse_without_proof(
    threads, mode: int, proof: str, survives: bool | None
):
    threads["7/task/8"] = status.Status(seccomp=mode)
    hazards.check(PROCESS, SAFE)
    others: dict[str, Any] = {"survives_seccomp": True, "survives_strict_seccomp": True}
    with pytest.raises(CannotAttach, match=r"Process 7 \(server\) is not probed: .*seccomp"):
        hazards.check(PROCESS, ProbeTrial.from_object(others | {proof: survives}))


@pytest.mark.parametrize("survives", [False, None])
def test_a_shadow_stack_is_refused_without_proof(threads, survives: bool | None):
    threads["7/task/8"] = status.Status(seccomp=0, features=("shstk", "wrss"))
    hazards.check(PROCESS, SAFE)
    with pytest.raises(CannotAttach, match="shadow stack"):
        hazards.check(PROCESS, ProbeTrial(survives_shadow_stack=survives))


def test_what_could_not_be_tried_is_said_to_be_so(threads):
    threads["7/task/7"] = status.Status(seccomp=2)
    with pytest.raises(CannotAttach, match="could not be tried here"):
        hazards.check(PROCESS, ProbeTrial())
    with pytest.raises(CannotAttach, match="ends a program of our own here"):
        hazards.check(PROCESS, ProbeTrial(survives_seccomp=False))


def test_what_is_started_is_cautioned_where_nothing_proves_that_it_lives():
    assert hazards.caution(SAFE) is None
    assert "ends a program of our own" in (
        hazards.caution(ProbeTrial(survives_seccomp=False)) or ""
    )
    assert "could not be tried" in (hazards.caution(ProbeTrial()) or "")
