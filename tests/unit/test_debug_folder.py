import os
from pathlib import Path

import pytest

from ebpftrace.symbols import debug_search
from ebpftrace.symbols.debug_folder import DebugFolder
from ebpftrace.symbols.debug_search import Search
from tests.unit.elf_builder import Elf

ID = "abcdef"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "given"
    made.mkdir(mode=0o755)
    return made


def add(folder: Path, place: str, build_id: str = ID, **given) -> Path:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(Elf(build_id=bytes.fromhex(build_id), **given).build())
    return path


def found(folder: Path, build_id: str = ID, path: str = "/usr/bin/x") -> set[str]:
    one = DebugFolder(str(folder))
    try:
        fds = one.files(build_id, path)
        names = {os.readlink(f"/proc/self/fd/{fd}").removeprefix(f"{folder}/") for fd in fds}
        for fd in fds:
            os.close(fd)
        return names
    finally:
        one.close()


def searched(folder: Path) -> Search:
    fd = os.open(folder, os.O_RDONLY)
    try:
        return Search(fd)
    finally:
        os.close(fd)


def notes(folder: Path) -> tuple[str, ...]:
    one = DebugFolder(str(folder))
    try:
        one.files(ID, "/usr/bin/x")
        return one.notes()
    finally:
        one.close()


def test_files_are_known_by_their_build_id_wherever_they_lie(folder):
    for place in ("usr/bin/x", "deep/er/y", "z"):
        add(folder, place)
    add(folder, "other", "abcd")
    (folder / "text").write_text("no ELF file" * 100)
    (folder / "short").write_bytes(b"\x7fELF")
    (folder / "junk").write_bytes(b"\x7fELF" + bytes(range(200)))
    assert found(folder) == {"usr/bin/x", "deep/er/y", "z"}
    assert found(folder, "abcd") == {"other"}
    assert found(folder, "1234") == set()
    assert notes(folder) == ()


def test_a_file_at_its_usual_place_with_another_build_id_is_not_taken(folder):
    add(folder, "usr/bin/x", "abcd")
    add(folder, ".build-id/ab/cdef.debug", "abcd")
    assert found(folder) == set()


def test_where_names_and_lines_are_at_their_usual_places_nothing_is_searched(folder, monkeypatch):
    add(folder, ".build-id/ab/cdef.debug", extra_sections=[b".debug_info", b".symtab"])
    add(folder, "heap")
    monkeypatch.setattr("ebpftrace.symbols.debug_folder.Search", lambda fd: pytest.fail("it was"))
    assert found(folder) == {".build-id/ab/cdef.debug"}


def test_no_link_leads_out(folder, tmp_path):
    outside = add(tmp_path, "outside/usr/bin/x")
    (folder / "link").symlink_to(outside)
    (folder / "links").symlink_to(outside.parent)
    (folder / "usr").symlink_to(tmp_path / "outside/usr")
    assert found(folder) == set()
    assert found(folder, path="/../outside/usr/bin/x") == set()


def test_a_link_as_debug_packages_have_them_leads_to_its_file_within(folder):
    add(folder, "usr/lib/debug/usr/bin/x-1.debug")
    link = folder / "usr/lib/debug/.build-id/ab/cdef.debug"
    link.parent.mkdir(parents=True)
    link.symlink_to("../../usr/bin/x-1.debug")
    assert found(folder) == {"usr/lib/debug/usr/bin/x-1.debug"}


def test_nothing_but_files_is_opened(folder):
    os.mkfifo(folder / "fifo")
    (folder / "usr/bin").mkdir(parents=True)
    os.mkfifo(folder / "usr/bin/x")
    add(folder, "z")
    assert found(folder) == {"z"}
    assert notes(folder) == ()


@pytest.mark.skipif(not os.path.ismount("/dev/pts"), reason="nothing is mounted there")
def test_what_is_mounted_within_is_not_searched_which_is_said():
    search = searched(Path("/dev"))
    assert "pts" in search.foreign
    assert any("/dev was not searched: " in note for note in notes(Path("/dev")))


@pytest.mark.parametrize(
    "name, most, says",
    [("_MOST_ENTRIES", 3, "more than 3 files"), ("_MOST_S", -1.0, "longer than")],
)
def test_a_search_ends_and_says_so(folder, monkeypatch, name, most, says):
    for number in range(10):
        add(folder, f"f{number}", f"aa{number:02}")
    monkeypatch.setattr(debug_search, name, most)
    assert len(searched(folder).found) <= 3
    (note,) = notes(folder)
    assert says in note
    assert "Give a directory that holds less." in note


def test_directories_within_each_other_are_followed_so_deep(folder, monkeypatch):
    monkeypatch.setattr(debug_search, "_MOST_DEPTH", 2)
    add(folder, "a/b/x")
    add(folder, "a/b/c/y")
    assert found(folder) == {"a/b/x"}
    (note,) = notes(folder)
    assert "1 directories lie too deep" in note


def test_a_thousand_copies_are_a_few_files(folder):
    for number in range(40):
        add(folder, f"f{number}")
    assert len(found(folder)) == 6


@pytest.mark.usefixtures("modes_bind")
def test_what_may_not_be_read_is_counted(folder):
    add(folder, "a").chmod(0)
    (folder / "b").mkdir(mode=0)
    (note,) = notes(folder)
    assert note.startswith("2 files and directories")


def test_names_of_a_directory_are_clean_where_they_are_said(tmp_path):
    folder = tmp_path / "e\x1b[2Jvil"
    (folder / "a/b").mkdir(parents=True)
    one = DebugFolder(str(folder))
    one.close()
    assert one.name == f"{tmp_path}/e·[2Jvil"


def test_root_is_shown_no_source_that_only_root_may_read(folder, monkeypatch):
    secret = folder / "secret.c"
    secret.write_text("int secret;\n")
    secret.chmod(0o600)
    (folder / "open.c").write_text("int open;\n")
    one = DebugFolder(str(folder))
    source = one.source()
    mine = None if os.geteuid() == 0 else "int secret;"
    assert source.line("/secret.c", 1) == mine
    assert source.line("/open.c", 1) == "int open;"
    one.close()
