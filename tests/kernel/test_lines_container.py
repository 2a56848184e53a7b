"""A program with a file tree of its own: its files tell its lines, not those of the same name outside.

Outside, each path that the container uses is a trap: another program, another source, a debug file of
another build.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kernel.golden import (
    build_id,
    code_map,
    compiled,
    lined,
    marks,
    notes,
    responsible,
    run,
    with_debug_link,
)
from tests.kernel.harness import WORKLOADS, Tracer, Workload, workload

pytestmark = pytest.mark.usefixtures("fresh_cache")

PIDS = ("--pid", "--fork", "--kill-child")


@dataclass(frozen=True)
class Container:
    """A file tree with a C library and programs in it; the debug files are aside."""

    root: Path
    outside: Path

    def inside(self, path: Path) -> Path:
        return self.root / path.relative_to("/")

    @property
    def program(self) -> Path:
        """As it is called inside."""
        return self.outside / "bin" / "golden"

    @property
    def source(self) -> Path:
        return self.outside / "src" / "golden.c"

    @property
    def debug(self) -> Path:
        return self.outside / "debug" / "golden.debug"

    @contextmanager
    def running(self, program: Path, *options: str) -> Iterator[tuple[Workload, int]]:
        """`program` in the container, and its pid as it is here."""
        unshare = Path(shutil.which("unshare") or "unshare")
        words = ("--mount", *options, f"--root={self.root}", program)
        with Workload(unshare, *words) as target:
            yield target, _child(target.pid) if "--fork" in options else target.pid


def _child(pid: int) -> int:
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


@pytest.fixture
def container(tmp_path: Path) -> Container:
    made = Container(tmp_path / "root", tmp_path)
    made.source.parent.mkdir()
    shutil.copy(WORKLOADS / "golden.c", made.source)
    true = compiled(made.source, tmp_path / "golden", "-foptimize-sibling-calls")
    with_debug_link(true, made.inside(made.program).parent, made.debug)
    made.inside(made.source).parent.mkdir(parents=True)
    made.source.rename(made.inside(made.source))
    made.inside(Path("/tmp")).mkdir(parents=True, exist_ok=True)
    libraries = re.findall(r"(/\S+) \(0x", run("ldd", true))
    for library in map(Path, libraries):
        made.inside(library).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, made.inside(library))
    _set_traps(made)
    return made


def _set_traps(made: Container) -> None:
    lines = (WORKLOADS / "golden.c").read_text().splitlines()
    made.source.write_text("".join(f"trap {n};\n" for n in range(len(lines))))
    made.program.parent.mkdir()
    shutil.copy(workload("golden_cxx"), made.program)
    run("objcopy", "--only-keep-debug", made.program, made.program.parent / "golden.debug")


@pytest.mark.parametrize(
    "place, options",
    [("build-id", ()), ("beside", ()), ("beside", PIDS), ("none", ())],
    ids=["build-id", "beside", "pids", "none"],
)
def test_lines_and_source_are_those_of_the_container(
    container: Container, place: str, options: tuple[str, ...]
):
    inside = container.inside(container.program)
    if place == "build-id":
        identity = build_id(inside)
        to = Path("/usr/lib/debug/.build-id") / identity[:2] / f"{identity[2:]}.debug"
        container.inside(to).parent.mkdir(parents=True)
        container.debug.rename(container.inside(to))
    elif place == "beside":
        container.debug.rename(inside.parent / "golden.debug")
    with (
        container.running(container.program, *options) as (target, pid),
        Tracer(pid, options=("--top", 0)) as tracer,
    ):
        target.phases()
        picture = lined(tracer)
    assert picture.held[0] == 6 * 20
    if place == "none":
        known = [frame for site in picture.sites for frame in site.frames if frame["source"]]
        assert known == []
        return
    site = picture.site("keep_inlined")
    assert marks(site, "golden.c", str(container.source)) == [
        ("alloc_leaf", "alloc_leaf", True),
        ("make_node", "make_node", True),
        ("keep_inlined", "inlined", False),
        ("main", "main_inlined", False),
    ]
    assert responsible(picture.site("keep_macro")) == "keep_macro"
    assert notes(picture) == []


def test_code_of_a_jit_is_named_by_the_map_inside_under_the_pid_inside(container: Container):
    program = Path("/jit")
    shutil.copy(workload("jit"), container.inside(program))
    with container.running(program, *PIDS) as (target, pid):
        outer = Path(f"/tmp/perf-{pid}.map")
        try:
            outer.write_text(code_map(pid, "named_outside"))
            container.inside(Path("/tmp/perf-1.map")).write_text(code_map(pid, "named_inside"))
            with Tracer(pid, options=("--top", 0)) as tracer:
                target.phases()
                site = tracer.until(lambda p: p.sites_in("named_inside")).site("call_framed")
        finally:
            outer.unlink()
    assert site.functions[:3] == ["named_inside", "call_framed", "main"]


def test_the_file_tree_is_still_its_own_after_its_end(container: Container):
    container.debug.rename(container.inside(container.program).parent / "golden.debug")
    with (
        container.running(container.program) as (target, pid),
        Tracer(pid, options=("--top", 0)) as tracer,
    ):
        target.go()
        target.leave()
        final = tracer.ended().final
    site = final.site("keep_macro")
    assert ("keep_macro", "macro", False) in marks(site, "golden.c", str(container.source))
