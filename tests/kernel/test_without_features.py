"""What a kernel lacks has a way without: doctor says that it is not there, and the numbers stay exact.

Of other features the guests of scripts/kernel-matrix have none, and test_backends and test_session go without.
"""

import json

import pytest

from tests.kernel.harness import Tracer, Workload, run_tool
from tests.kernel.hosts import BPF, Prefix, refusing, with_mounts
from tests.kernel.stacks import CHAIN

KCMP, OPENAT2, ENABLE_STATS = 312, 437, 32
HOSTS: dict[str, Prefix] = {
    "types of the kernel (BTF)": with_mounts("mount -t tmpfs none /sys/kernel/btf"),
    "comparison of memory by kcmp": refusing(KCMP, "ENOSYS"),
    "openat2 within a root": refusing(OPENAT2, "ENOSYS"),
    "run time of programs": refusing(f"{BPF}:{ENABLE_STATS}", "EINVAL"),
    "memory pressure triggers (PSI)": with_mounts("mount -t tmpfs none /proc/pressure"),
}


def missing(host: Prefix) -> set[str]:
    found = run_tool("doctor", "--json", user=host)
    assert found.returncode == 0, found.stdout + found.stderr
    features = json.loads(found.stdout)["features"]
    return {feature["name"] for feature in features if feature["have"] is False}


@pytest.fixture(scope="module")
def missing_here() -> set[str]:
    return missing(())


@pytest.mark.parametrize("feature", HOSTS)
def test_without_it_attach_works_and_the_totals_and_stacks_are_exact(
    feature: str, missing_here: set[str]
):
    host = HOSTS[feature]
    # Session programs are called by their number among the types.
    assert missing(host) - missing_here - {"session programs"} == {feature}
    with Workload("chain") as target, Tracer(target, options=("--top", 0), user=host) as tracer:
        target.phases()
        ended = tracer.finish()
    assert ended.status == 0
    assert ended.final.faults == {}
    held = {name: ended.final.held_in(name)[0] for name in CHAIN}
    assert held == CHAIN
    if feature == "comparison of memory by kcmp":  # it could not tell who shares the memory
        assert [each["backend"] for each in ended.final.targets] == ["perf"]
