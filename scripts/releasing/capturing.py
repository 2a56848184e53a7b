"""What needs root and BPF: watching a real process that leaks, and what is said where BCC is missing."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.releasing.environment import Environment, Failed
from scripts.releasing.table import Table

_SERVER = "leaking_server"
_LEAK = "session_create"
_FIND_BCC = "from ebpftrace.kernel.bccapi import found; print(found().parent)"
_WITHOUT = 'mount -t tmpfs none "$1" && shift && exec "$@"'
_NOT_FOUND = "The Python module bcc was not found"


def why_not() -> str | None:
    """Why nothing can be traced here, None where it can."""
    return None if os.geteuid() == 0 else "this needs root"


@contextlib.contextmanager
def leaking(tree: Path) -> Iterator[int]:
    """The pid of a server of the tree's own that leaks, as long as the context lasts."""
    folder = tree / "tests/workloads"
    subprocess.run(["make", "--silent", "-C", folder, f"build/{_SERVER}"], check=True)
    server = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", folder / "build" / _SERVER],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        yield server.pid
    finally:
        server.kill()
        server.wait()


def check_attach(table: Table, subject: str, environment: Environment, pid: int) -> None:
    """The two forms that people and programs read; and that the leak is named, which takes its time to show."""

    def as_text() -> str:
        said = environment.output(environment.tool("attach", "-p", pid, "--text", "--count", 1))
        if f"{_SERVER} (pid {pid})" not in said or "(final)" not in said.splitlines()[0]:
            raise Failed(f"the report begins with {said[:100]!r}")
        if "What reads debug information" in said or "cannot be read" in said:
            raise Failed("there are no files and lines")
        return said.splitlines()[0]

    def as_json() -> str:
        last = _last(environment, pid, "--count", 1)
        if last["schema"] != "ebpftrace.picture/1" or not last["final"]:
            raise Failed("the last line is no final picture")
        return f"{last['schema']}, {len(last['sites'])} call sites"

    def named() -> str:
        last = _last(environment, pid, "--mode", "full", "--duration", "5s")
        functions = {
            frame["function"]: site["blocks"] for site in last["sites"] for frame in site["frames"]
        }
        if not functions.get(_LEAK):
            raise Failed(f"{_LEAK} is not among {sorted(filter(None, functions))[:8]}")
        return f"{_LEAK} holds {functions[_LEAK]} blocks"

    table.check(subject, "attach --text --count 1", as_text)
    table.check(subject, "attach --json --count 1", as_json)
    table.check(subject, "attach --mode full names the leak", named)


def _last(environment: Environment, pid: int, *options: object) -> dict[str, Any]:
    """The last picture that `attach --json` writes."""
    said = environment.output(environment.tool("attach", "-p", pid, "--json", *options))
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def check_all(table: Table, subject: str, environment: Environment, pid: int) -> None:
    """Every command that captures, each as it is used."""

    def doctor() -> str:
        said = environment.output(environment.tool("doctor", "-p", pid))
        if "scripts/" in said:
            raise Failed("it advises what is not in a wheel")
        return said.strip().splitlines()[-1]

    def probes() -> str:
        said = environment.output(environment.tool("probes", "-p", pid))
        if "malloc" not in said:
            raise Failed("malloc is not among them")
        return f"{len(said.splitlines())} lines"

    def recorded() -> str:
        folder = environment.home / "snapshots"
        environment.output(
            environment.tool("record", "-p", pid, "-o", folder, "--count", 2, "--every", "1s")
        )
        return environment.output(environment.tool("report", folder)).splitlines()[0]

    def run() -> str:
        command = environment.tool("run", "--error-exitcode", 9, "--", "/bin/true")
        done = environment.ended(command)
        if done.returncode not in (0, 9) or "in use at exit" not in done.stderr:
            raise Failed(f"it ended with {done.returncode}: {done.stderr[-200:]}")
        return "it says what /bin/true had in use at exit"

    table.check(subject, "doctor -p PID", doctor)
    table.check(subject, "probes -p PID", probes)
    check_attach(table, subject, environment, pid)
    table.check(subject, "record, report of its folder", recorded)
    table.check(subject, "run", run)
    _check_without_bcc(table, subject, environment, pid)


def _check_without_bcc(table: Table, subject: str, environment: Environment, pid: int) -> None:
    """In a mount namespace that has it not, with a cache that is empty."""

    def attached(name: str, wanted: str) -> str:
        bcc = environment.output([environment.program("python"), "-c", _FIND_BCC]).strip()
        command = ["unshare", "--mount", "sh", "-c", _WITHOUT, "sh", bcc]
        cache = {"XDG_CACHE_HOME": str(environment.home / name)}
        done = environment.ended(
            [*command, *environment.tool("attach", "-p", pid, "--text")], variables=cache
        )
        if done.returncode != 3 or wanted not in done.stderr or "Install" not in done.stderr:
            raise Failed(f"it ended with {done.returncode}: {done.stderr[-200:]}")
        return done.stderr.strip().removeprefix("ebpftrace: ")

    def without() -> str:
        return attached("no-bcc", f"{_NOT_FOUND}.")

    def another() -> str:
        (there,) = (environment.folder / "lib").glob("python3*/site-packages")
        other = there / "bcc"
        other.mkdir()
        try:
            (other / "__init__.py").write_text("raise SystemExit('the wrong one')")
            environment.output(environment.tool("attach", "-p", pid, "--text", "--count", 1))
            return attached("other-bcc", f"{_NOT_FOUND}: {other} is another library of that name.")
        finally:
            (other / "__init__.py").unlink()
            other.rmdir()

    table.check(subject, "attach without BCC: status 3", without)
    table.check(subject, "another library called bcc", another)
