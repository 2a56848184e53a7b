"""Debug information that is damaged, or says what a terminal would obey: counts stay exact, the tool lives.

It is in libraries that take the place of plugin_a.so beside tests/workloads/plugins.c.
"""

import random
import re
import shutil
from pathlib import Path

import pytest

from tests.kernel.golden import compiled, lined, lines_of, notes, run
from tests.kernel.harness import WORKLOADS, Ended, Tracer, Workload, workload
from tests.kernel.pictures import Picture, Site
from tests.kernel.test_hostile_names import CONTROL, strings

pytestmark = pytest.mark.usefixtures("fresh_cache")

LONGEST = 4096  # characters of a name that is shown
TEN_TIMES = (10, 1000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "bin"
    made.mkdir()
    for name in ("plugins", "plugin_a.so"):
        shutil.copy(workload(name), made)
    return made


def watched(folder: Path) -> tuple[Picture, Ended]:
    """A picture with lines, and the end."""
    with (
        Workload(folder / "plugins", "alone", "a") as target,
        Tracer(target, options=("--top", 0)) as tracer,
    ):
        target.phases()
        return lined(tracer), tracer.finish()


def the_site(picture: Picture) -> Site:
    (site,) = picture.sites_in("run")
    assert (site.held, picture.held, picture.faults) == (TEN_TIMES, TEN_TIMES, {})
    return site


def library(folder: Path, *replacements: tuple[str, str]) -> None:
    """plugin_a.so from a source with other texts in it."""
    source = (WORKLOADS / "plugin.c").read_text()
    for old, new in replacements:
        assert old in source
        source = source.replace(old, new)
    changed = folder.parent / "changed.c"
    changed.write_text(source)
    compiled(changed, folder / "plugin_a.so", "-shared", "-fPIC", "-DNAME=a", "-DROOM=24")


def test_names_of_100_kb_are_cut(folder: Path):
    library(
        folder,
        ("JOIN(leak_of_, NAME)", "n" * 100_000),
        ("    sink =", f'#line 7 "/{"f" * 100_000}"\n    sink ='),
    )
    picture, ended = watched(folder)
    frame = the_site(picture).frames[0]
    assert frame["function"].startswith("n" * (LONGEST - 1))
    assert frame["file"].startswith("/" + "f" * (LONGEST - 2))
    assert len(frame["function"]) == len(frame["file"]) == LONGEST
    assert ended.status == 0


def test_a_file_name_that_a_terminal_would_obey_is_made_visible(folder: Path):
    hostile = r'"/a\033[31mb\n\033]0;title\007[/c].c"'
    library(folder, ("    sink =", f"#line 7 {hostile}\n    sink ="))
    picture, ended = watched(folder)
    frame = the_site(picture).frames[0]
    assert frame["file"] == "/a·[31mb··]0;title·[/c].c"
    assert (frame["line"], frame["source"]) == (7, None)
    found = [text for text in strings(ended.final.raw) if CONTROL.search(text) or "\n" in text]
    assert found == []
    assert ended.status == 0


def overwrite(file: Path, section: str, seed: int | None) -> None:
    """Fill a section with 0xff, or put 64 random bytes into it."""
    headers = run("readelf", "-SW", file)
    row = re.search(rf" {re.escape(section)} +\w+ +\w+ (\w+) (\w+)", headers)
    assert row
    start, size = int(row[1], 16), int(row[2], 16)
    text = bytearray(file.read_bytes())
    if seed is None:
        text[start : start + size] = b"\xff" * size
    else:
        chance = random.Random(seed)
        for _ in range(64):
            text[start + chance.randrange(size)] = chance.randrange(256)
    file.write_bytes(text)


def test_a_library_with_a_destroyed_debug_section_has_its_symbols_and_a_note(folder: Path):
    overwrite(folder / "plugin_a.so", ".debug_info", None)
    picture, ended = watched(folder)
    site = the_site(picture)
    assert site.functions[:2] == ["leak_of_a", "run"]
    assert lines_of(picture, "plugin_a.so") == set()
    assert lines_of(picture, "plugins")
    (note,) = notes(picture)
    assert note.startswith(f"{folder / 'plugin_a.so'} has no files and lines: ")
    assert ended.status == 0


@pytest.mark.parametrize("section", [".debug_info", ".debug_line"])
def test_random_damage_takes_no_counts_and_no_other_modules_lines(folder: Path, section: str):
    overwrite(folder / "plugin_a.so", section, seed=1)
    picture, ended = watched(folder)
    assert sum(site.held[0] for site in picture.sites) == 10
    assert picture.faults == {}
    assert lines_of(picture, "plugins")
    assert ended.status == 0
