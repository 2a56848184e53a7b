import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ebpftrace.symbols.resolver.client import Resolver

ROOT = Path(__file__).parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: rest.strip() for name, _, rest in (line.partition(":") for line in lines)}


def asked(resolver: Resolver) -> int:
    """Begin it by a first question; its pid."""
    with Path("/usr/bin/python3").open("rb") as file:
        resolver.open(0, "/usr/bin/python3", [file.fileno()], None)
    assert resolver.pid is not None
    return resolver.pid


@pytest.fixture
def pid(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EBPFTRACE_SECRET", "known")
    monkeypatch.setenv("DEBUGINFOD_URLS", "http://127.0.0.1:1")
    resolver = Resolver()
    yield asked(resolver)
    resolver.stop()


@needs_root
def test_it_is_nobody_without_groups(pid):
    now = status(pid)
    assert now["Uid"].split() == now["Gid"].split() == ["65534"] * 4
    assert now["Groups"] == ""


def test_it_has_no_capability_and_can_get_none(pid):
    now = status(pid)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert int(now[kind], 16) == 0
    assert now["NoNewPrivs"] == "1"


def test_nobody_else_of_its_user_may_look_into_it(pid):
    # What a process that is not dumpable has in /proc belongs to root.
    assert Path(f"/proc/{pid}/environ").stat().st_uid == 0


def test_it_has_neither_our_environment_nor_our_directory(pid):
    if os.geteuid() == 0:
        assert Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") == [
            b"LC_ALL=C.UTF-8",
            b"OMP_NUM_THREADS=1",
            b"PYTHONDONTWRITEBYTECODE=1",
            b"",
        ]
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert os.getsid(pid) == pid


@needs_root
def test_it_has_a_network_of_its_own_unless_servers_may_be_asked(pid):
    ours = os.readlink("/proc/self/ns/net")
    assert os.readlink(f"/proc/{pid}/ns/net") != ours
    resolver = Resolver(debuginfod=True)
    try:
        other = asked(resolver)
        assert os.readlink(f"/proc/{other}/ns/net") == ours
        assert status(other)["Uid"].split() == ["65534"] * 4
        assert status(other)["NoNewPrivs"] == "1"
    finally:
        resolver.stop()


@needs_root
def test_it_has_open_only_what_it_was_asked_about(pid):
    links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
    files = ("/dev/null", os.path.realpath("/usr/bin/python3"), "/usr/lib/debug/")
    other = [link for link in links if not link.startswith(files)]
    assert len(other) == 1
    assert other[0].startswith("socket:")


def limits(pid: int) -> dict[str, list[str]]:
    rows = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {row[:25].strip(): row[25:].split()[:2] for row in rows}


def test_its_limits_cannot_be_raised(pid):
    now = limits(pid)
    assert now["Max file size"] == ["0", "0"]
    assert now["Max core file size"] == ["0", "0"]
    assert now["Max open files"] == ["1024", "1024"]
    assert int(now["Max data size"][1]) == 16 << 30
    assert int(now["Max data size"][0]) < 1 << 30
    assert int(now["Max cpu time"][0]) < 60


def test_it_gives_way_to_others(pid):
    assert os.getpriority(os.PRIO_PROCESS, pid) == 10 + os.getpriority(os.PRIO_PROCESS, 0)


MAKER = """
import os, sys, time
from pathlib import Path
from ebpftrace.symbols.resolver.client import Resolver
resolver = Resolver()
with Path("/usr/bin/python3").open("rb") as file:
    resolver.open(0, "/usr/bin/python3", [file.fileno()], None)
print(resolver.pid, flush=True)
time.sleep(60)
"""


def ended(pid: int) -> bool:
    try:
        return status(pid)["State"].startswith(("Z", "X"))
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.parametrize("asleep", [False, True])
def test_it_ends_when_its_maker_is_killed(asleep):
    with subprocess.Popen([sys.executable, "-c", MAKER], cwd=ROOT, stdout=subprocess.PIPE) as maker:
        assert maker.stdout
        pid = int(maker.stdout.readline())
        if asleep:  # it cannot even notice that its socket is closed
            os.kill(pid, signal.SIGSTOP)
        maker.kill()
    end = time.monotonic() + 5
    while not ended(pid):
        assert time.monotonic() < end
        time.sleep(0.02)


INSIDE = """
import ctypes, json, os, socket, sys
from ebpftrace.symbols.resolver import confined
confined.enter(os.getppid(), network=False)
said = {}
def tried(name, function, *arguments):
    try:
        function(*arguments)
        said[name] = "done"
    except OSError as error:
        said[name] = type(error).__name__
def connect(address):
    with socket.socket() as one:
        one.settimeout(5)
        one.connect(address)
def write():
    # A file that it was given before: there is no right to it that could be missing.
    os.write(int(sys.argv[3]), b"x")
tried("write", open, sys.argv[1], "w")
tried("read", open, sys.argv[1])
tried("setuid", os.setuid, 0)
tried("setgroups", os.setgroups, [0])
tried("chroot", os.chroot, "/")
tried("connect", connect, ("127.0.0.1", int(sys.argv[2])))
tried("kill", os.kill, os.getppid(), 0)
tried("nice", os.nice, -1)
import resource, signal
tried("limit", resource.prlimit, 0, resource.RLIMIT_NOFILE, (4096, 4096))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
tried("append", write)
print(json.dumps(said))
"""


@needs_root
def test_from_inside_nothing_of_roots_can_be_reached(tmp_path):
    import socket

    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as server, secret.open("a") as given:
        port = server.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-c", INSIDE, secret, str(port), str(given.fileno())],
            cwd=ROOT,
            capture_output=True,
            check=True,
            pass_fds=[given.fileno()],
        )
    said = json.loads(done.stdout)
    assert "done" not in said.values(), said
    assert said["connect"] == "OSError"  # the network is unreachable
    assert secret.read_text() == "secret"


def test_it_does_not_enter_when_its_maker_has_ended_already():
    code = (
        "import os; from ebpftrace.symbols.resolver import confined\n"
        "try: confined.enter(1 << 22, network=False)\n"
        "except ProcessLookupError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout == b"refused\n"
