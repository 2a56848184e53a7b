"""Static programs whose symbols are not in them any more, but in a debug file or packed in themselves."""

import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kernel.harness import Tracer, Workload, run_tool, workload
from tests.kernel.running import DROPPED, IN_CONSTRUCTOR, KEPT, run


def objcopy(*words: object) -> None:
    subprocess.run(["objcopy", *map(str, words)], check=True)


def with_link(program: Path, folder: Path) -> Path:
    """Stripped; its debug file lies beside it."""
    stripped, debug = folder / program.name, folder / f"{program.name}.debug"
    objcopy("--only-keep-debug", program, debug)
    objcopy("--strip-all", f"--add-gnu-debuglink={debug}", program, stripped)
    return stripped


def with_wrong_link(program: Path, folder: Path) -> Path:
    """The file beside it is another one of the same name, and states another build id."""
    stripped = with_link(program, folder)
    debug = folder / f"{program.name}.debug"
    objcopy("--remove-section=.note.gnu.build-id", "--remove-section=.comment", debug)
    return stripped


def packed(program: Path, folder: Path) -> Path:
    """As Fedora packs what .dynsym leaves out."""
    stripped, mini = folder / program.name, folder / "mini"
    objcopy("--only-keep-debug", program, mini)
    objcopy("--strip-debug", mini)
    (folder / "mini.xz").write_bytes(lzma.compress(mini.read_bytes()))
    add = f"--add-section=.gnu_debugdata={folder / 'mini.xz'}"
    objcopy("--strip-all", add, program, stripped)
    return stripped


WAYS = [with_link, packed]
Way = Callable[[Path, Path], Path]


@pytest.mark.parametrize("way", WAYS)
def test_a_stripped_static_program_is_counted_by_what_names_it(way: Way, tmp_path: Path):
    program = way(workload("static_prog"), tmp_path)
    with Workload(program) as target, Tracer(target) as tracer:
        assert tracer.first.targets[0]["allocators"] == ["glibc"]
        target.phases(2)
        final = tracer.finish().final
        site = final.site("leak_static")
        assert (site.allocated, site.freed, site.held) == ((20, 2000), (10, 1000), (10, 1000))
        assert final.faults == {}


def test_a_static_pie_is_counted_by_its_debug_file(tmp_path: Path):
    program = with_link(workload("chain_static_pie"), tmp_path)
    with Workload(program) as target, Tracer(target) as tracer:
        target.phases()
        final = tracer.finish().final
        assert final.held_in("leak_in_chain") == (100, 6400)
        assert final.held_in("leak_in_thread") == (100, 4800)


@pytest.mark.parametrize("way", WAYS)
def test_it_is_watched_from_its_first_allocation_on(way: Way, tmp_path: Path):
    ran = run(way(workload("starts_static"), tmp_path))
    assert ran.status == 0
    assert ran.lost == {}
    assert ran.final.held_in("in_constructor") == IN_CONSTRUCTOR
    assert ran.final.held_in("keep") == KEPT
    assert ran.final.site("drop").freed == DROPPED
    assert ran.final.loss("unmatched_free") == 0


def test_a_debug_file_of_something_else_is_not_believed(tmp_path: Path):
    program = with_wrong_link(workload("static_prog"), tmp_path)
    with Workload(program) as target:
        refused = run_tool("probes", "-p", target.pid)
        assert refused.returncode == 3
        assert "it is statically linked and stripped" in refused.stderr
        assert "static_prog.debug" in refused.stderr
