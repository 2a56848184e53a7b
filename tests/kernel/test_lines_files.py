"""Which file tells the lines: separate debug files, none at all, another build's, and what was deleted.

The program is tests/workloads/plugins.c with one library beside it, copied to a folder of the test.
"""

import shutil
from pathlib import Path

import pytest

from tests.kernel.golden import (
    compiled,
    lined,
    lines_of,
    marks,
    notes,
    resolvers,
    responsible,
    with_debug_link,
)
from tests.kernel.harness import WORKLOADS, Tracer, Workload, workload
from tests.kernel.pictures import Picture, Site

pytestmark = pytest.mark.usefixtures("fresh_cache")

IN_LIBRARY = [("leak_of_a", "leak", False), ("run", "run", False)]
IN_PROGRAM = [("use_either", "either", False)]
NOTHING = (None, None, None, None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With stripped copies; `debug` holds their debug files, where nobody looks."""
    for name in ("plugins", "plugin_a.so"):
        with_debug_link(workload(name), tmp_path / "bin", tmp_path / "debug" / f"{name}.debug")
    return tmp_path / "bin"


def move_debug_files(folder: Path, to: Path) -> None:
    to.mkdir(exist_ok=True)
    for file in (folder.parent / "debug").iterdir():
        file.rename(to / file.name)


def picture_of(folder: Path) -> Picture:
    with (
        Workload(folder / "plugins", "alone", "a") as target,
        Tracer(target, options=("--top", 0)) as tracer,
    ):
        target.phases()
        return lined(tracer)


def the_site(picture: Picture) -> Site:
    (site,) = [site for site in picture.sites if site.held == (10, 1000)]
    return site


@pytest.mark.parametrize("place", [".", ".debug"])
def test_a_debug_file_is_found_by_its_link(folder: Path, place: str):
    move_debug_files(folder, folder / place)
    picture = picture_of(folder)
    site = the_site(picture)
    assert marks(site, "plugin.c") == IN_LIBRARY
    assert marks(site, "plugins.c")[:1] == IN_PROGRAM
    assert site.frames[0]["module"] == str(folder / "plugin_a.so")
    assert "main" in site.functions  # inlined or not
    assert responsible(site) == "leak_of_a"
    assert notes(picture) == []


def test_without_any_there_are_the_exported_names_and_places_in_the_module(folder: Path):
    picture = picture_of(folder)
    site = the_site(picture)
    library, program = site.frames[:2], site.frames[2]
    assert [frame["function"] for frame in library] == ["leak_of_a", "run"]
    assert (program["function"], program["module"]) == (None, str(folder / "plugins"))
    assert program["offset"]
    for frame in site.frames[:3]:
        assert tuple(frame[key] for key in ("file", "line", "column", "source")) == NOTHING
    assert notes(picture) == []


def test_the_debug_file_of_another_build_is_refused_and_told(folder: Path, tmp_path: Path):
    with_debug_link(workload("plugin_b.so"), tmp_path / "other", folder / "plugin_a.so.debug")
    picture = picture_of(folder)
    assert lines_of(picture, "plugin_a.so") == set()
    assert [frame["function"] for frame in the_site(picture).frames[:2]] == ["leak_of_a", "run"]
    (note,) = notes(picture)
    assert f"{folder / 'plugin_a.so.debug'} is not the debug file of" in note


def test_the_next_run_takes_the_lines_of_a_lost_debug_file_from_the_cache(folder: Path):
    move_debug_files(folder, folder)
    first = the_site(picture_of(folder))
    for file in folder.glob("*.debug"):
        file.unlink()
    again = the_site(picture_of(folder))
    for source in ("plugin.c", "plugins.c"):
        assert marks(again, source) == marks(first, source) != []


def test_lines_from_the_cache_start_no_reader(tmp_path: Path):
    # Nothing but the program is in its stacks: libc would be looked into each time.
    program = compiled(WORKLOADS / "golden.c", tmp_path / "golden", "-static")
    for starts in (1, 0):
        with Workload(program) as target, Tracer(target, options=("--top", 0)) as tracer:
            target.phases()
            picture = lined(tracer)
            assert len(resolvers(tracer)) == starts
        assert ("keep_macro", "macro", False) in marks(picture.site("keep_macro"), "golden.c")


def shifted(folder: Path) -> Path:
    """The same library from a source with its lines elsewhere: other lines at the same offsets."""
    source = folder.parent / "shifted.c"
    source.write_text("\n" * 7 + (WORKLOADS / "plugin.c").read_text())
    return compiled(
        source, folder.parent / "shifted.so", "-shared", "-fPIC", "-DNAME=a", "-DROOM=24"
    )


@pytest.mark.parametrize("replaced", [False, True])
def test_lines_are_those_of_the_mapped_library_when_its_file_is_gone(
    tmp_path: Path, replaced: bool
):
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("plugins", "plugin_a.so"):
        shutil.copy(workload(name), folder)
    library = folder / "plugin_a.so"
    with Workload(folder / "plugins", "alone", "a") as target:
        if replaced:
            shifted(folder).rename(library)
        else:
            library.unlink()
        with Tracer(target, options=("--top", 0)) as tracer:
            target.phases()
            site = the_site(lined(tracer))
    assert marks(site, "plugin.c") == IN_LIBRARY
    assert site.frames[0]["module"] == f"{library} (deleted)"
