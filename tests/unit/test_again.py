import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.symbols.again import Again
from ebpftrace.symbols.resolver.client import ModuleFailed, Resolver
from tests.unit.again_builders import Program, again, has_lines, picture_of, renamed
from tests.unit.builders import frame, picture, site
from tests.unit.debug_builders import SOURCE, run
from tests.unit.debuginfod_server import serving


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("again") / "one")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The same code with another build id."""
    return Program(tmp_path_factory.mktemp("again") / "two", "-Wl,--build-id=md5")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "given"
    made.mkdir()
    return made


def put(folder: Path, place: str, file: Path) -> Path:
    target = folder / place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, target)
    return target


@pytest.mark.parametrize(
    "place",
    [
        ".build-id/{0}/{1}.debug",
        "usr/lib/debug/.build-id/{0}/{1}.debug",
        "usr/lib/debug/usr/bin/program.debug",
        "usr/bin/program",
        "anything/at/all",
    ],
)
def test_the_debug_file_is_found_wherever_it_lies(program, folder, place):
    put(folder, place.format(program.build_id[:2], program.build_id[2:]), program.debug)
    put(folder, "README", SOURCE)
    assert has_lines(renamed(folder, program.frame()))


def test_the_program_with_all_that_was_built_is_enough(program, folder):
    put(folder, "usr/bin/program", program.whole)
    assert has_lines(renamed(folder, program.frame()))


@pytest.mark.parametrize("flag", ["-no-pie", "-static"])
def test_a_program_with_fixed_addresses_has_the_same_lines(tmp_path, folder, flag):
    program = Program(tmp_path / "fixed", flag)
    put(folder, "x", program.debug)
    assert has_lines(renamed(folder, program.frame()))
    put(folder, "y", program.path)
    assert has_lines(renamed(folder, program.frame()))


def test_the_frames_are_those_that_addr2line_has_of_the_whole_program(program, folder):
    put(folder, "x", program.debug)
    calls = [
        int(line.partition(":")[0], 16)
        for line in run("objdump", "-d", "--no-show-raw-insn", program.whole).splitlines()
        if "\tcall" in line or "\tjmp " in line
    ]
    with again(folder) as one:
        now = one.picture(picture(*(site(frames=(program.frame(call),)) for call in calls)))
    compared = 0
    for call, made in zip(calls, now.sites, strict=True):
        told = run("addr2line", "-i", "-e", program.whole, hex(call)).splitlines()
        if "debug_program.cpp" in told[0]:
            compared += 1
            lines = [int(line.rpartition(":")[2].split()[0]) for line in told]
            assert [one.line for one in made.at.frames] == lines
    assert compared >= 5


def test_lines_come_with_the_text_of_files_in_the_directory_only(program, folder):
    put(folder, "x", program.debug)
    assert [one.source for one in renamed(folder, program.frame())] == [None] * 3
    put(folder, str(SOURCE).lstrip("/"), SOURCE)
    inner, *_ = renamed(folder, program.frame())
    assert inner.source == "return hidden(size + sizeof(T));"


def test_a_file_without_debug_information_gives_names(program, folder):
    kept = put(folder, "symbols", program.whole)
    run("strip", "-g", kept)
    (one,) = renamed(folder, program.frame())
    assert (one.function, one.file) == (
        "app::run(app::Pool<int>&, unsigned int) [clone .constprop.0]",
        None,
    )
    with again(folder) as asked:
        asked.picture(picture_of(program.frame()))
        (note,) = asked.notes()
    assert "without debug information" in note
    assert "/usr/bin/program" in note


def test_a_file_with_another_build_id_is_not_used(program, other, folder):
    put(folder, "usr/bin/program", other.whole)
    before = picture_of(program.frame(), program.frame(program.address + 9))
    with again(folder) as one:
        assert one.picture(before) is before
        (note,) = one.notes()
    assert note == (
        f"Not found in {folder}: /usr/bin/program (build id {program.build_id}, 2 frames)."
    )


def test_what_was_found_is_said_and_each_module_has_its_own_files(program, other, folder):
    put(folder, "x", program.debug)
    put(folder, "y", other.debug)
    mine = program.frame()
    theirs = other.frame(module="/opt/other")
    with again(folder) as one:
        now = one.picture(picture_of(mine, theirs)).sites[0].at.frames
        assert one.notes() == (f"Found in {folder}: /opt/other, /usr/bin/program.",)
    assert has_lines(now[:3])
    assert has_lines(now[3:])
    assert {one.build_id for one in now[3:]} == {other.build_id}


def test_frames_without_a_build_id_are_matched_by_nothing_which_is_said(program, folder):
    put(folder, "usr/bin/program", program.whole)
    for name in (None, "", "zz", "../../x", "ab" * 65):
        before = picture_of(program.frame(build_id=name))
        with again(folder) as one:
            assert one.picture(before) is before
            (note,) = one.notes()
        assert note.startswith("Without a build id")
        assert "/usr/bin/program" in note


def test_what_is_known_and_what_is_of_no_file_stays_the_same_object(program, folder):
    put(folder, "x", program.debug)
    known = program.frame(file="/b.cpp", function="known", line=1)
    vdso = program.frame(module="[vdso]")
    before = picture(
        site("a", frames=(known, vdso, frame("jit", module="[JIT]", build_id=None, offset=None))),
        site("b", frames=(program.frame(),)),
        site("c", frames=()),
    )
    with again(folder) as one:
        now = one.picture(before)
        assert one.picture(before).sites[1].at is now.sites[1].at
        assert one.picture(now) is now
    assert now.sites[0] is before.sites[0]
    assert now.sites[2] is before.sites[2]
    assert has_lines(now.sites[1].at.frames)
    assert now.sites[1]._replace(at=before.sites[1].at) == before.sites[1]
    assert now.totals is before.totals


def test_equal_frames_are_looked_up_once_whatever_picture_they_are_of(program, folder, monkeypatch):
    put(folder, "x", program.debug)
    asked: list[int] = []
    find = Resolver.find

    def counted(self, module, addresses):
        asked.extend(addresses)
        return find(self, module, addresses)

    monkeypatch.setattr(Resolver, "find", counted)
    with again(folder) as one:
        for _ in range(3):
            now = one.picture(picture_of(program.frame(), program.frame(address=7)))
            assert has_lines(now.sites[0].at.frames[3:])
    assert asked == [program.address]


def test_a_snapshot_with_inlined_frames_and_no_files_gets_files(program, folder):
    put(folder, "x", program.debug)
    old = (program.frame(function="take", inlined=True), program.frame(function="run"))
    assert has_lines(renamed(folder, *old))


@pytest.mark.parametrize(
    "name, says", [("_MOST_PLACES", "Of more than 1 places"), ("_MOST_MODULES", "1 modules")]
)
def test_of_a_snapshot_with_more_than_can_be_looked_up_the_rest_stays(
    program, other, folder, monkeypatch, name, says
):
    put(folder, "x", program.debug)
    put(folder, "y", other.debug)
    monkeypatch.setattr(f"ebpftrace.symbols.again.{name}", 1)
    last = other.frame()
    with again(folder) as one:
        now = one.picture(picture_of(program.frame(), last)).sites[0].at.frames
        assert any(says in note for note in one.notes())
    assert has_lines(now[:3])
    assert now[3:] == (last,)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_a_file_that_is_cut_short_fails_alone(program, other, folder, kept):
    put(folder, "good", other.debug)
    content = program.debug.read_bytes()
    (folder / "cut").write_bytes(content[: int(len(content) * kept)])
    now = renamed(folder, program.frame(), other.frame())
    assert has_lines(now[-3:])


def test_debug_information_that_kills_its_reader_costs_its_own_module(
    program, other, folder, monkeypatch
):
    put(folder, "bad", program.debug)
    put(folder, "good", other.debug)
    opening = Resolver.open

    def fatal(self, module, name, files, build_id):
        if name == program.build_id:
            raise ModuleFailed("reading it ended with SIGSEGV")
        return opening(self, module, name, files, build_id)

    monkeypatch.setattr(Resolver, "open", fatal)
    with again(folder) as one:
        *_, first, second, third = (
            one.picture(picture_of(program.frame(), other.frame())).sites[0].at.frames
        )
        notes = one.notes()
    assert has_lines((first, second, third))
    assert "/usr/bin/program has no files and lines: reading it ended with SIGSEGV." in notes


def test_random_bytes_in_debug_information_raise_nothing(program, folder):
    content = bytearray(program.debug.read_bytes())
    half = len(content) // 2
    content[half : half + 2000] = os.urandom(2000)
    (folder / "flipped").write_bytes(content)
    renamed(folder, program.frame())


def test_descriptors_are_given_back(program, folder):
    put(folder, "x", program.debug)
    put(folder, "y", program.path)
    before = len(os.listdir("/proc/self/fd"))
    with again(folder) as one:
        one.picture(picture_of(program.frame()))
        one.close()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("what", ["missing", "a file", "a dangling link", "a name with a NUL"])
def test_what_is_no_directory_ends_in_a_sentence(tmp_path, what):
    path = tmp_path / "it"
    if what == "a file":
        path.touch()
    elif what == "a dangling link":
        path.symlink_to("nowhere")
    name = "a\0b" if what == "a name with a NUL" else str(path)
    with pytest.raises(UsageError, match=r"cannot be searched for symbols: .*Give one with"):
        Again(name)


@pytest.mark.usefixtures("modes_bind")
def test_a_directory_that_may_not_be_read_ends_in_a_sentence(folder):
    folder.chmod(0)
    with pytest.raises(UsageError, match="Permission denied"):
        Again(str(folder))


def test_the_directory_may_be_given_by_a_link(program, folder, tmp_path):
    put(folder, "x", program.debug)
    (tmp_path / "link").symlink_to(folder)
    assert has_lines(renamed(tmp_path / "link", program.frame()))


def test_without_drgn_it_is_said_how_to_get_it(folder, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="pip install drgn"):
        Again(str(folder))


def test_nothing_heavy_is_loaded_to_name_again():
    code = (
        "import sys; import ebpftrace.symbols.again; "
        "print([name for name in ('drgn', 'bcc', 'elftools', 'textual') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def test_what_is_not_in_the_directory_is_fetched_by_its_build_id(
    program, other, folder, cache, monkeypatch
):
    put(folder, "x", other.debug)
    with serving() as server:
        monkeypatch.setenv("DEBUGINFOD_URLS", server.url)
        server.held[program.build_id] = program.debug.read_bytes()
        frames = program.frame(), other.frame()
        assert renamed(folder, *frames)[0] is frames[0]
        assert server.asked == []
        for given in (folder, None):
            now = renamed(given, *frames, debuginfod=True)
            assert has_lines(now[:3])
    wanted = {f"/buildid/{one.build_id}/debuginfo" for one in (program, other)}
    assert set(server.asked) == wanted


def test_without_a_server_it_is_said_how_to_name_one(monkeypatch):
    monkeypatch.delenv("DEBUGINFOD_URLS", raising=False)
    monkeypatch.setattr("ebpftrace.symbols.again.server_urls", lambda: "")
    with pytest.raises(UsageError, match="DEBUGINFOD_URLS"):
        Again(None, debuginfod=True)


def test_with_nothing_to_look_in_nothing_changes(program):
    before = picture_of(program.frame())
    with contextlib.closing(Again(None)) as one:
        assert one.picture(before) is before
        assert "nothing was given" in one.notes()[0]


@pytest.mark.skipif(shutil.which("dwz") is None, reason="dwz is not installed")
@pytest.mark.parametrize("place", ["common", "else/where"])
def test_what_dwz_moved_to_a_common_file_is_found(program, folder, place):
    put(folder, "first.debug", program.debug)
    put(folder, "second.debug", program.debug)
    run("dwz", "-m", "common", "first.debug", "second.debug", cwd=folder)
    (folder / place).parent.mkdir(exist_ok=True)
    (folder / "common").rename(folder / place)
    assert has_lines(renamed(folder, program.frame()))
