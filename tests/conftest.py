"""Decides for every test in tests/kernel whether this machine can run it.

Such a test is marked `kernel`. It is skipped, with the reason, where BPF cannot work; with
EBPFTRACE_REQUIRE_KERNEL=1 any skip in tests/kernel, whoever asked for it, is a failure.
"""

import ctypes
import functools
import os
import platform
from collections.abc import Generator
from pathlib import Path

import pytest

from ebpftrace.errors import CannotAttach
from ebpftrace.kernel import bccapi

KERNEL_TESTS = Path(__file__).parent / "kernel"
UPROBE_PMU = Path("/sys/bus/event_source/devices/uprobe/type")
BPF_SYSCALL = {"x86_64": 321, "aarch64": 280}
BPF_MAP_CREATE = 0
BPF_MAP_TYPE_ARRAY = 2


def pytest_configure(config: pytest.Config) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        # A worker has a thread that reads, and from Python 3.12 on any fork beside one is warned of.
        config.addinivalue_line("filterwarnings", "ignore:.*fork.*:DeprecationWarning")


def pytest_report_header() -> str:
    return f"kernel: {platform.release()} {platform.machine()}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if KERNEL_TESTS in item.path.parents:
            item.add_marker("kernel")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("kernel") and (reason := why_no_bpf()):
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if KERNEL_TESTS in item.path.parents and not hasattr(report, "wasxfail"):
        refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if KERNEL_TESTS in collector.path.parents:
        refuse_skip(report)
    return report


def refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure with its reason, where EBPFTRACE_REQUIRE_KERNEL=1 asks for it."""
    if report.skipped and os.environ.get("EBPFTRACE_REQUIRE_KERNEL") == "1":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"EBPFTRACE_REQUIRE_KERNEL=1 forbids this skip. {reason}"


@functools.cache
def why_no_bpf() -> str | None:
    """Say in a sentence why no BPF program can be attached here; None where it can."""
    if os.geteuid() != 0:
        return "This needs root: run sudo scripts/test."
    if why := why_no_bpf_syscall():
        return why
    if not UPROBE_PMU.exists():
        return f"This kernel has no uprobe events: {UPROBE_PMU} is missing."
    try:
        bccapi.bcc()
    except CannotAttach as error:
        return str(error)
    return None


def why_no_bpf_syscall() -> str | None:
    """Try the smallest map there is: one array of one element of four bytes."""
    number = BPF_SYSCALL.get(platform.machine())
    if number is None:
        return f"BPF tests know x86-64 and arm64, not {platform.machine()}."
    attributes = (ctypes.c_uint32 * 32)(BPF_MAP_TYPE_ARRAY, 4, 4, 1)
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.syscall(number, BPF_MAP_CREATE, attributes, ctypes.sizeof(attributes))
    if descriptor < 0:
        return f"The bpf() system call does not work here: {os.strerror(ctypes.get_errno())}."
    os.close(descriptor)
    return None
