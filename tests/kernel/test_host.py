"""On a host that refuses something, `doctor` and `attach` end with the same cause and its fix."""

import re
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.host import release
from tests.kernel.harness import (
    REPOSITORY,
    TIME_SCALE,
    TOOL,
    Workload,
    backends,
    probed_text,
    run_tool,
)
from tests.kernel.hosts import (
    BPF,
    PERF_EVENT_OPEN,
    PIDFD_OPEN,
    Prefix,
    bcc_folder,
    libbcc,
    private_pids,
    refusing,
    with_bcc,
    with_mounts,
    without_capabilities,
)

# A compiler that was used before would not be missed.
pytestmark = pytest.mark.usefixtures("fresh_cache")

OK, FAILED_CHECK, NOT_ATTACHED = 0, 1, 3
HIDE_SYS = "mount -t tmpfs none /sys"
FAKE_LOCKDOWN = """
mount -t securityfs none /sys/kernel/security
file=$(mktemp); echo 'none integrity [confidentiality]' >$file
mount --bind $file /sys/kernel/security/lockdown; rm $file"""
# Gives back instructions that are not those of the program.
GARBAGE = """
import ctypes
text = ctypes.create_string_buffer(b'garbage!' * 3, 24)
class lib:
    bpf_function_start = staticmethod(lambda *_: ctypes.addressof(text))
    bpf_function_size = staticmethod(lambda *_: 24)
    bpf_table_fd = staticmethod(lambda *_: 99)
class libbcc:
    lib = lib
class BPF:
    module = None
    def __init__(self, **_): print('what is this')
"""
NOTHING = "import types; libbcc = types.SimpleNamespace(); BPF = lambda **_: None"


@pytest.fixture(scope="module")
def idle() -> Iterator[Workload]:
    """A target that could be attached to."""
    with Workload("family", "stay") as target:
        yield target


def doctor(*args: object, host: Prefix = ()) -> subprocess.CompletedProcess[str]:
    return run_tool("doctor", *args, user=host)


def attach(target: Workload, *args: object, host: Prefix = ()) -> subprocess.CompletedProcess[str]:
    return run_tool("attach", "--json", "--count", 1, "-p", target.pid, *args, user=host)


def refused(target: Workload, host: Prefix, cause: str, fix: str, *args: object) -> None:
    """Both commands name `cause` and `fix`, neither shows a traceback or leaves a probe."""
    found = doctor(host=host)
    assert found.returncode == FAILED_CHECK, found.stdout + found.stderr
    assert found.stderr == ""
    failures = re.findall(r"^FAILED .*\n +fix: .*", found.stdout, re.MULTILINE)
    assert any(cause in said and fix in said for said in failures), found.stdout
    assert "defect" not in found.stdout
    assert found.stdout.splitlines()[-1].startswith("attach cannot work here: ")

    ended = attach(target, *args, host=host)
    assert ended.returncode == NOT_ATTACHED, ended.stderr
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr
    assert cause in ended.stderr
    assert fix in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert probed_text(target.pid) == []


def refused_to_perf(target: Workload, host: Prefix, cause: str, fix: str) -> None:
    """What perf events cannot do without and links can: named, and attach goes by links."""
    if backends() == ("perf",):
        refused(target, host, cause, fix)
        return
    found = doctor(host=host)
    assert found.returncode == OK, found.stdout + found.stderr
    notes = re.findall(r"^note .*\n +fix: .*", found.stdout, re.MULTILINE)
    assert any(cause in said and fix in said for said in notes), found.stdout
    assert attach(target, host=host).returncode == OK

    ended = attach(target, "--backend", "perf", host=host)
    assert ended.returncode == NOT_ATTACHED
    assert cause in ended.stderr
    assert fix in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert probed_text(target.pid) == []


@pytest.mark.parametrize(
    "names, cause",
    [
        (("all",), "CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF"),
        (("sys_admin", "perfmon"), "has not CAP_PERFMON."),
        (("sys_admin", "bpf"), "has not CAP_BPF."),
        (("sys_admin", "sys_ptrace"), "has not CAP_SYS_PTRACE."),
    ],
)
def test_a_missing_capability_is_named(idle: Workload, names: tuple[str, ...], cause: str):
    refused(idle, without_capabilities(*names), cause, "sudo")


def test_without_sys_admin_uprobes_work_or_it_is_named(idle: Workload):
    host = without_capabilities("sys_admin")
    if attach(idle, "--backend", "perf", host=host).returncode == OK:  # before ba677dbe77af
        assert doctor(host=host).returncode == OK
    else:
        refused_to_perf(idle, host, "permits uprobes with CAP_SYS_ADMIN only", "sudo")


def test_root_of_a_user_namespace_is_told_that_it_does_not_help(idle: Workload):
    refused(idle, ("unshare", "--user", "--map-root-user"), "user namespace of its own", "outside")


@pytest.mark.parametrize("answer", ["EPERM", "ENOSYS"])
@pytest.mark.parametrize(
    "number, call",
    [(BPF, "bpf()"), (PERF_EVENT_OPEN, "perf_event_open()"), (PIDFD_OPEN, "pidfd_open()")],
)
def test_a_seccomp_filter_around_the_tool_is_named(
    idle: Workload, number: int, call: str, answer: str
):
    cause = f"{call} gives {answer}, and a seccomp filter is around ebpftrace"
    says_so = refused_to_perf if number == PERF_EVENT_OPEN else refused
    says_so(idle, refusing(number, answer), cause, "--security-opt seccomp=unconfined")


@pytest.mark.parametrize(
    "answer, cause, fix",
    [
        ("ENOMEM", "the kernel has no memory for it", "--max-blocks"),
        ("E2BIG", "it is larger than the kernel allows", "--max-blocks"),
        ("EINVAL", "does not know its kind", "5.10"),
    ],
)
def test_a_map_that_cannot_be_created_is_explained(
    idle: Workload, answer: str, cause: str, fix: str
):
    refused(idle, refusing(BPF, answer), cause, fix)


def test_a_host_without_sys_is_told_to_mount_it(idle: Workload):
    refused_to_perf(idle, with_mounts(HIDE_SYS), "/sys is not mounted", "mount -t sysfs sysfs /sys")


def test_a_kernel_without_uprobe_events_is_named(idle: Workload):
    hide = "mount -t tmpfs none /sys/bus/event_source/devices"
    refused_to_perf(
        idle, with_mounts(hide), "offers no uprobes to perf events", "CONFIG_UPROBE_EVENTS"
    )


@pytest.mark.parametrize("most", [12, 16, 20, 24, 28, 32, 46, 60, 88])
def test_too_few_open_files_are_named_with_the_command(idle: Workload, most: int):
    host = ("prlimit", f"--nofile={most}")
    says_so = refused_to_perf if most >= 60 else refused
    says_so(idle, host, f"may not open more than {most} files", "ulimit -n 65536")


def test_too_little_address_space_is_a_matter_of_memory(idle: Workload):
    host = ("prlimit", f"--as={150 << 20}")
    refused(idle, host, "failed to map segment", "ulimit -v")


def test_bcc_that_is_not_installed_is_named_with_its_package(idle: Workload):
    hide = f"mount -t tmpfs none {bcc_folder()}"
    refused(idle, with_mounts(hide), "The Python module bcc was not found", "Install BCC")


def test_bcc_without_its_library_is_installed_again(idle: Workload):
    hide = f"mount --bind /dev/null {libbcc()}"
    refused(idle, with_mounts(hide), "BCC is installed but cannot be loaded", "Install BCC again")


@pytest.mark.parametrize(
    "code, cause",
    [
        ("raise RuntimeError('broken on purpose')", "cannot be loaded: broken on purpose"),
        ("raise SystemExit('out')", "cannot be loaded: out"),
        ("import nothing_of_this_name", "cannot be loaded: No module named"),
        ("def", "cannot be loaded: invalid syntax"),
    ],
)
def test_bcc_that_is_broken_is_installed_again(idle: Workload, code: str, cause: str):
    refused(idle, with_bcc(code), cause, "Install BCC again")


@pytest.mark.parametrize(
    "code, cause, fix",
    [
        ("import os; os.kill(os.getpid(), 9)", "was killed by SIGKILL", "Free memory"),
        ("import os; os.kill(os.getpid(), 11)", "was killed by SIGSEGV", "--debug"),
        ("import os; os._exit(0)", "ended with status 0 and no answer", "--debug"),
        (NOTHING, "The BPF programs could not be made", "--debug"),
        ("def BPF(**_): raise Exception('odd')", "could not be made: odd", "--debug"),
    ],
)
def test_a_compiler_that_fails_ends_in_a_sentence(idle: Workload, code: str, cause: str, fix: str):
    refused(idle, with_bcc(code), cause, fix)


def test_a_compiler_that_makes_garbage_ends_in_a_sentence(idle: Workload):
    found = doctor(host=with_bcc(GARBAGE))
    assert found.returncode == FAILED_CHECK
    assert "clang turned a program of three lines into 676172626167652" in found.stdout
    ended = attach(idle, host=with_bcc(GARBAGE))
    assert ended.returncode == NOT_ATTACHED
    assert "The BPF programs could not be made" in ended.stderr


def test_a_host_without_room_for_temporary_files_is_named(idle: Workload):
    folders = ["/tmp", "/var/tmp", "/usr/tmp", str(REPOSITORY)]
    closed = "; ".join(
        f"mount --bind {folder} {folder}; mount -o remount,bind,ro {folder}"
        for folder in folders
        if Path(folder).is_dir()
    )
    refused(idle, with_mounts(closed), "The compiler cannot be started", "TMPDIR")


@pytest.mark.parametrize(
    "script, line",
    [
        ("mount -t tmpfs none /sys/kernel/btf", r"note +BTF .*not there; this version does with"),
        (FAKE_LOCKDOWN, r"note +lockdown +confidentiality"),
        ("mount -t tmpfs none /sys/kernel/tracing", r"ok +tracefs .*not needed"),
    ],
    ids=["no BTF", "lockdown", "no tracefs"],
)
def test_what_is_not_needed_keeps_nothing_from_working(idle: Workload, script: str, line: str):
    found = doctor(host=with_mounts(script))
    assert found.returncode == OK, found.stdout + found.stderr
    assert re.search(line, found.stdout, re.MULTILINE)
    assert attach(idle, host=with_mounts(script)).returncode == OK


def test_in_a_pid_namespace_of_its_own_others_are_not_there_and_the_reason_is(idle: Workload):
    found = doctor(host=private_pids())
    assert found.returncode == OK
    assert re.search(r"^note +pid namespace +one of its own", found.stdout, re.MULTILINE)
    ended = run_tool("attach", "--json", "-p", 3_999_999, user=private_pids())
    assert ended.returncode == NOT_ATTACHED
    assert "There is no process 3999999" in ended.stderr
    assert "pid namespace of its own" in ended.stderr


def test_in_a_pid_namespace_of_its_own_its_processes_are_traced():
    script = f"sleep 60 & {' '.join(TOOL)} attach --json --count 1 -p $!; status=$?; kill $!; exit $status"
    ended = subprocess.run(
        [*private_pids(), "sh", "-c", script],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60 * TIME_SCALE,
        check=False,
    )
    assert ended.returncode == OK, ended.stderr


@pytest.mark.oldkernel
def test_locked_memory_matters_only_where_the_kernel_charges_it(idle: Workload):
    host = ("prlimit", "--memlock=65536:65536", *without_capabilities("sys_resource"))
    if release.before(5, 11):
        refused(idle, host, "of which it may have 64.0 KiB", "ulimit -l unlimited")
    else:
        assert doctor(host=host).returncode == OK
        assert attach(idle, host=host).returncode == OK


@pytest.mark.everykernel
def test_maps_that_are_too_large_are_refused_where_they_are_allocated_in_advance(idle: Workload):
    if release.before(6, 1):
        ended = attach(idle, "--max-blocks", 1 << 27)
        assert ended.returncode == NOT_ATTACHED
        assert "The BPF map blocks cannot be created" in ended.stderr
        assert "--max-blocks" in ended.stderr
    else:
        ended = attach(idle, "--max-blocks", (1 << 27) + 1)
        assert ended.returncode == 2
    assert probed_text(idle.pid) == []


def test_doctor_takes_well_under_two_seconds_of_a_processor():
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert doctor().returncode == OK
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 2
