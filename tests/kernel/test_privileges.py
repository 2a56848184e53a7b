"""With the least privileges that work, on another user's process; and what root gives up by itself."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpftrace.host import privileges
from tests.kernel.harness import REPOSITORY, TOOL, Tracer, Workload, backends, run_tool, workload
from tests.kernel.hosts import only_capabilities
from tests.kernel.stacks import assert_whole

NOBODY, SERVICE = 65534, 65533
LEAST = ("bpf", "perfmon", "sys_ptrace")
FOR_FILES = ("checkpoint_restore", "dac_read_search")
DOCUMENT = REPOSITORY / "docs" / "privileges.md"
SHOWN = ("sh", "-c", "cat /proc/$$/status")
_FIELD = re.compile(r"^Cap(Inh|Prm|Eff|Bnd|Amb):\t([0-9a-f]+)$", re.MULTILINE)
_KEPT = sum(1 << bit for bit in privileges.KEPT)

# Perf events of uprobes need CAP_SYS_ADMIN since ba677dbe77af, and `test_host` has what is said then.
by_links = pytest.mark.skipif(
    backends() == ("perf",), reason="this kernel has no links of many uprobes"
)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that everybody may enter, with programs in it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def put(folder: Path, name: str) -> Path:
    return Path(shutil.copy(workload(name), folder / name))


def capabilities(status: Path) -> dict[str, int]:
    return {name: int(value, 16) for name, value in _FIELD.findall(status.read_text())}


@by_links
@pytest.mark.parametrize("more", [(), FOR_FILES], ids=["three", "five"])
@pytest.mark.parametrize("removed", [False, True], ids=["there", "deleted"])
def test_three_capabilities_are_enough_for_another_users_program(
    shared: Path, more: tuple[str, ...], removed: bool
):
    program = put(shared, "threads")
    with Workload(program, 4, 800, user=NOBODY) as target:
        if removed:
            program.unlink()
        with Tracer(target, user=only_capabilities(*LEAST, *more)) as tracer:
            target.phases(2)
            ended = tracer.finish()
    assert (ended.status, ended.stderr) == (0, "")
    assert ended.final.allocated == (2 * 4 * 800, 2 * 4 * 100 * 9800)
    assert ended.final.held == (0, 0)
    assert ended.final.faults == {}
    assert_whole(ended.final.site("six_pairs"), "six_pairs", "worker", start=None)


@by_links
def test_the_deleted_library_of_another_user_takes_two_more(shared: Path):
    library, program = put(shared, "libwrap.so"), put(shared, "threads")
    with Workload(program, 1, 8, preload=library, user=NOBODY) as target:
        library.unlink()
        without, with_both = (
            run_tool("probes", "-p", target.pid, user=only_capabilities(*LEAST, *names))
            for names in ((), FOR_FILES)
        )
    assert (without.returncode, with_both.returncode) == (0, 0), without.stderr + with_both.stderr
    missing = f"{library} (deleted) was not searched: it cannot be opened: Permission denied."
    assert missing in without.stdout
    assert "cannot be opened" not in with_both.stdout


@by_links
def test_growth_without_page_maps_says_so(shared: Path):
    with Workload(put(shared, "threads"), 1, 8, user=NOBODY) as target:
        for names, said in ((LEAST, True), ((*LEAST, *FOR_FILES), False)):
            options = ("--mode", "growth", "--count", 1)
            ran = run_tool(
                *("attach", "-p", target.pid, "--text", *options), user=only_capabilities(*names)
            )
            assert ran.returncode == 0, ran.stderr
            assert ("page maps may not be read" in ran.stderr) == said


@by_links
def test_doctor_says_what_becomes_of_what_is_missing():
    said = run_tool("doctor", user=only_capabilities(*LEAST))
    assert said.returncode == 0, said.stdout
    notes = dict(re.findall(r"^note +(\S+) .*\n +fix: (.*)", said.stdout, re.MULTILINE))
    assert "CAP_DAC_READ_SEARCH and CAP_CHECKPOINT_RESTORE" in notes["privileges"]
    assert "CAP_SETUID and CAP_SETGID" in notes["lines"]


@by_links
def test_the_unit_of_the_documents_records(shared: Path):
    unit = dict(re.findall(r"^(\w+)=(.+)$", DOCUMENT.read_text(), re.MULTILINE))
    assert unit["AmbientCapabilities"] == unit["CapabilityBoundingSet"]
    assert unit["ExecStart"].split()[1:3] == ["record", "--cgroup"]
    state = shared / "state"
    state.mkdir()
    os.chown(state, SERVICE, SERVICE)
    service = as_service(unit["AmbientCapabilities"].split())
    with Workload(put(shared, "threads"), 1, 8, user=NOBODY) as target:
        ran = run_tool(
            *("record", "-p", target.pid, "-o", state / "boxes", "--duration", 1),
            user=("env", f"XDG_CACHE_HOME={state}", *service),
        )
    assert ran.returncode == 0, ran.stderr
    assert "defect" not in ran.stderr
    assert len(list((state / "boxes").glob("*.ebpftrace"))) == 2


@by_links
def test_the_container_of_the_documents_attaches_and_has_lines(shared: Path):
    given = re.findall(r"--cap-add=(\w+)", DOCUMENT.read_text().partition("replaces all of it")[0])
    assert len(given) == 7
    with (
        Workload(put(shared, "threads"), 1, 8, user=NOBODY) as target,
        Tracer(target, user=only_capabilities(*map(str.lower, given))) as tracer,
    ):
        target.phases()
        tracer.until(lambda picture: picture.sites and picture.sites[0].frames[0]["line"])


def as_service(names: list[str]) -> tuple[str, ...]:
    """A user of its own, with these; where that one may not read this checkout, root with no more."""
    short = [name.removeprefix("CAP_").lower() for name in names]
    given = ",".join(("-all", *(f"+{name}" for name in short)))
    caps = (f"--bounding-set={given}", f"--inh-caps={given}", f"--ambient-caps={given}")
    user = ("setpriv", f"--reuid={SERVICE}", f"--regid={SERVICE}", "--clear-groups", *caps)
    importing = [*user, *TOOL, "--version"]
    readable = subprocess.run(importing, capture_output=True, cwd=REPOSITORY, check=False)
    return only_capabilities(*short) if readable.returncode else user


def test_root_gives_up_what_tracing_never_needs_in_every_thread_and_process():
    with Workload("threads", 1, 8) as target, Tracer(target) as tracer:
        target.phases()
        tracer.settled()
        everyone = [tracer.pid, *_children(tracer.pid)]
        assert len(everyone) > 1, "the worker is not there"
        found = [
            capabilities(status)
            for pid in everyone
            for status in Path(f"/proc/{pid}/task").glob("*/status")
        ]
    for sets in found:
        assert not (sets["Prm"] | sets["Eff"] | sets["Bnd"]) & ~_KEPT
        assert sets["Inh"] == sets["Amb"] == 0


def test_a_program_that_is_run_has_all_the_rights_of_who_runs_it():
    ran = run_tool("run", "--", *SHOWN)
    bare = subprocess.run(SHOWN, capture_output=True, text=True, check=True)
    assert ran.returncode == 0, ran.stderr
    assert _FIELD.findall(ran.stdout) == _FIELD.findall(bare.stdout)


@by_links
def test_a_program_that_a_service_runs_gets_none_of_the_services_capabilities():
    given = ",".join(f"+{name}" for name in LEAST)
    service = ("--securebits=+noroot", f"--inh-caps=-all,{given}", f"--ambient-caps=-all,{given}")
    ran = run_tool("run", "--", *SHOWN, user=("setpriv", *service))
    assert ran.returncode == 0, ran.stderr
    sets = dict(_FIELD.findall(ran.stdout))
    assert {int(sets[name], 16) for name in ("Prm", "Eff", "Amb")} == {0}


def _children(pid: int) -> list[int]:
    words = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(word) for word in words]
    return found + [grandchild for child in found for grandchild in _children(child)]


@by_links
def test_a_name_is_looked_up_in_path_where_a_folder_of_it_is_closed(shared: Path):
    closed = shared / "closed"
    closed.mkdir(mode=0)
    os.chown(closed, NOBODY, NOBODY)
    path = f"PATH={closed / 'below'}:{os.environ['PATH']}"
    ran = run_tool("run", "--", "true", user=("env", path, *only_capabilities(*LEAST)))
    assert ran.returncode == 0, ran.stderr
