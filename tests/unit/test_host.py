"""What host facts make of the texts of /proc, /sys and /etc, and of an error number."""

import errno
import os
from types import SimpleNamespace

import pytest

from ebpftrace.host import capabilities, lockdown, namespaces, release, status
from ebpftrace.host.explain import Call, Facts, because, confinement
from ebpftrace.host.release import MACHINES
from ebpftrace.kernel import programs

ROOT, NOTHING = (1 << 41) - 1, 0
CAP_SYS_ADMIN = 1 << 21


def test_a_status_file_tells_capabilities_filter_pids_shadow_stack_and_users():
    text = "Name:\tx\nUid:\t1000\t0\t0\t0\nCapEff:\t000001ffffffffff\nSeccomp:\t2\nNSpid:\t700\t3\n"
    found = status.parse(text + "x86_Thread_features:\tshstk wrss\n")
    assert found == status.Status(ROOT, 2, (700, 3), ("shstk", "wrss"), (1000, 0, 0, 0))


@pytest.mark.parametrize("text", ["", "CapEff:\n", "CapEff:\tzz\nSeccomp:\tmany\nNSpid:\t-\n"])
def test_a_status_file_that_does_not_tell_leaves_it_unknown(text):
    assert status.parse(text) == status.Status()


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x1c", "\x85", "\u2028"])
def test_the_name_of_a_process_is_none_of_the_fields(end):
    # 15 bytes, of which the kernel escapes newline and backslash (proc_task_name of fs/proc/array.c).
    assert status.parse(f"Name:\tx{end}Seccomp:\t1\nUid:\t5\n") == status.Status(uids=(5,))


def test_a_process_that_is_not_there_has_an_unknown_status():
    assert status.of(1 << 30) == status.Status()


def test_sys_admin_replaces_the_newer_capabilities():
    assert capabilities.missing(CAP_SYS_ADMIN) == ()
    assert capabilities.missing(ROOT & ~CAP_SYS_ADMIN) == ()
    assert capabilities.missing(ROOT & ~CAP_SYS_ADMIN & ~(1 << 38)) == ("CAP_PERFMON",)
    assert len(capabilities.missing(NOTHING)) == 3


def test_who_may_not_open_deleted_files_of_others_is_told_what_is_missing():
    both = ("CAP_DAC_READ_SEARCH", "CAP_CHECKPOINT_RESTORE")
    assert capabilities.opens_by_path(NOTHING) == both
    assert capabilities.opens_by_path(CAP_SYS_ADMIN) == both[:1]
    assert capabilities.opens_by_path(1 << 2) == both[1:]
    assert capabilities.opens_by_path(1 << 2 | 1 << 40) == ()


@pytest.mark.parametrize(
    "text, mode",
    [
        ("none integrity [confidentiality]\n", "confidentiality"),
        ("none [integrity] confidentiality", "integrity"),
        ("[none] integrity confidentiality", "none"),
        ("", None),
        ("rubbish", None),
    ],
)
def test_the_lockdown_mode_stands_in_brackets(text, mode):
    assert lockdown.parse(text) == mode


@pytest.mark.parametrize(
    "inode, pids, first",
    [
        (4026531836, (700,), True),
        (4026532178, (2,), False),
        (4026531836, (700, 2), False),
        (None, (2,), None),
    ],
)
def test_the_first_pid_namespace_is_known_by_its_inode(inode, pids, first):
    assert namespaces.initial_pid(inode, pids) is first


def test_os_release_lines_are_shell_assignments():
    text = "ID=debian\nPRETTY_NAME=\"Debian 'x' \x1b[31m\"\n# no\nBAD='unclosed\n"
    assert release.parse_os_release(text) == {"ID": "debian", "PRETTY_NAME": "Debian 'x' ·[31m"}


@pytest.mark.parametrize(
    "fields, command",
    [
        ({"ID": "ubuntu", "ID_LIKE": "debian"}, "apt install python3-bpfcc"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "dnf install python3-bcc"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "zypper install python3-bcc"),
        ({"ID": "arch"}, "pacman -S python-bcc"),
        ({"ID": "other"}, "python3-bpfcc on Debian"),
        ({}, "python3-bpfcc on Debian"),
    ],
)
def test_bcc_is_installed_by_the_command_of_the_distribution(fields, command):
    assert command in release.bcc_package(fields)
    assert release.bcc_again(fields).startswith("Install BCC again")


def test_releases_are_compared_by_number():
    assert release.before(5, 11, "5.10.0-33-amd64")
    assert not release.before(5, 11, "6.1.0")
    assert not release.before(5, 11, "strange")


def test_taint_bits_are_letters():
    assert release.taints(1 << 12 | 1 << 13 | 1) == "POE"


def test_another_machine_and_pages_of_another_size_are_refused_with_a_sentence(monkeypatch):
    assert release.check_machine().verdict == "ok"
    monkeypatch.setattr("ebpftrace.host.release.mmap.PAGESIZE", 64 << 10)
    refused = release.check_machine()
    assert refused.verdict == "failed"
    assert refused.found == (
        "ebpftrace runs on kernels with pages of 4 KiB; here they have 64 KiB."
    )
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="riscv64"))
    assert "x86-64 and arm64; this machine is riscv64" in release.check_machine().found


def test_the_machines_named_are_those_that_programs_are_made_for():
    assert set(MACHINES) == set(programs._MACHINES)


@pytest.mark.parametrize(
    "number, call, known, cause",
    [
        (errno.EPERM, "map", Facts(NOTHING), "has not CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF"),
        (errno.EACCES, "event", Facts(NOTHING), "has not CAP_SYS_PTRACE"),
        (errno.EACCES, "event", Facts(ROOT & ~CAP_SYS_ADMIN), "with CAP_SYS_ADMIN only"),
        (errno.EPERM, "map", Facts(ROOT & ~CAP_SYS_ADMIN), "although the privileges"),
        (errno.EPERM, "map", Facts(ROOT, initial_user=False), "user namespace of its own"),
        (errno.EPERM, "map", Facts(ROOT, seccomp=2), "seccomp filter"),
        (errno.EPERM, "event", Facts(ROOT, seccomp=2, lockdown="confidentiality"), "seccomp"),
        (errno.ENOSYS, "event", Facts(ROOT, seccomp=2), "seccomp filter"),
        (errno.ENOSYS, "map", Facts(ROOT), "built without BPF"),
        (errno.ENOSYS, "event", Facts(ROOT), "built without perf events"),
        (errno.ENOSYS, "pidfd", Facts(ROOT), "no pidfd_open()"),
        (errno.EPERM, "map", Facts(ROOT, locked_bytes=65536), "locked memory"),
        (errno.EPERM, "event", Facts(ROOT, locked_bytes=65536), "although the privileges"),
        (errno.EPERM, "program", Facts(ROOT, lockdown="confidentiality"), "lockdown"),
        (errno.EPERM, "program", Facts(ROOT, lockdown="integrity"), "although the privileges"),
        (errno.EPERM, "map", Facts(ROOT, confined="docker-default (enforce)"), "docker-default"),
        (errno.EPERM, "tracepoint", Facts(), "although the privileges"),
        (errno.EMFILE, "event", Facts(ROOT, open_files=64), "more than 64 files"),
        (errno.ENFILE, "event", Facts(ROOT), "no more open files"),
        (errno.ENOMEM, "map", Facts(ROOT), "no memory"),
        (errno.E2BIG, "map", Facts(ROOT), "larger than the kernel allows"),
        (errno.EINVAL, "map", Facts(ROOT), "does not know its kind"),
        (errno.ENOSPC, "program", Facts(ROOT), "ENOSPC"),
        (9999, "program", Facts(ROOT), "9999"),
    ],
)
def test_an_error_number_is_explained_by_what_is_known_of_the_host(
    number: int, call: Call, known: Facts, cause: str
):
    error = because(number, call, "It cannot be done", known)
    assert cause in error.reason
    assert error.reason.startswith("It cannot be done: ")
    assert error.fix
    assert str(error) == f"{error.reason} {error.fix}"
    assert ".." not in str(error)


@pytest.mark.parametrize(
    "label, confined",
    [
        ("unconfined\n", None),
        ("", None),
        ("kernel\0", None),
        ("docker-default (enforce)", "docker-default (enforce)"),
        ("system_u:system_r:container_t:s0\0", "system_u:system_r:container_t:s0"),
    ],
)
def test_only_a_label_that_confines_is_a_cause(label, confined):
    assert confinement(label) == confined
