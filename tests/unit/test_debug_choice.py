import shutil
from pathlib import Path

import pytest

from tests.unit.debug_builders import (
    CHAIN,
    SOURCE,
    TAIL,
    Asking,
    at,
    build,
    build_id,
    run,
    stripped,
    written,
)

DATA = b"no debug file at all"


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Debug information with the same functions at the same addresses, but 50 lines further."""
    folder = tmp_path_factory.mktemp("other")
    moved = written(folder / "moved.cpp", "\n" * 50 + SOURCE.read_text())
    return build(folder / "moved", "-g", "-Wl,--build-id=none", source=moved)


def program(folder: Path, *flags: str) -> tuple[Path, int]:
    path = build(folder / "program", "-g", *flags)
    return path, at(path, *TAIL)


@pytest.mark.parametrize("place", ["program.debug", ".debug/program.debug"])
@pytest.mark.parametrize("flag", ["-Wl,--build-id=sha1", "-Wl,--build-id=none"])
def test_a_debug_file_is_found_by_its_link(ask, folder, place, flag):
    path, address = program(folder, flag)
    (folder / ".debug").mkdir()
    stripped(path, folder / "program.debug")
    (folder / "program.debug").rename(folder / place)
    assert ask.chain(path, address) == CHAIN
    (folder / place).unlink()
    assert ask.places(path, address) is None


def test_a_debug_file_handed_over_is_taken_by_its_build_id_without_a_link(ask, tmp_path):
    path, address = program(tmp_path)
    debug = tmp_path / "somewhere"
    stripped(path, debug, link=False)
    assert ask.places(path, address) is None
    assert ask.chain(path, address, debug) == CHAIN


def test_a_debug_file_handed_over_is_taken_by_its_checksum_without_build_id(ask, tmp_path):
    path, address = program(tmp_path, "-Wl,--build-id=none")
    debug = tmp_path / "program.debug"
    stripped(path, debug)
    assert build_id(path) is None
    assert ask.chain(path, address, debug, name="/not/there") == CHAIN


@pytest.mark.parametrize("flag", ["-Wl,--build-id=sha1", "-Wl,--build-id=none"])
def test_another_programs_debug_file_is_refused_and_named(ask, folder, other, flag):
    path, _ = program(folder, flag)
    debug = folder / "program.debug"
    stripped(path, debug)
    shutil.copy(other, debug)
    debug.chmod(0o644)
    opened = ask.open(path)
    assert (opened.has_debug_info, opened.refused) == (False, (str(debug),))
    opened = ask.open(path, debug, name="/not/there")
    assert (opened.has_debug_info, opened.refused) == (False, (str(debug),))


def test_a_file_without_build_id_and_link_is_described_by_nothing_that_is_handed_over(
    ask, tmp_path, other
):
    path, _ = program(tmp_path, "-Wl,--build-id=none")
    run("strip", path)
    assert ask.open(path, other).has_debug_info is False


def test_a_wrong_file_does_not_stand_in_the_way_of_the_right_one(ask, tmp_path, other):
    for flag in ("-Wl,--build-id=sha1", "-Wl,--build-id=none"):
        path, address = program(tmp_path, flag)
        debug = tmp_path / "program.debug"
        stripped(path, debug)
        opened = ask.open(path, other, debug, name="/not/there")
        assert (opened.has_debug_info, opened.refused) == (True, ())
        assert ask.find([address])[0][0][3] == CHAIN[0][2]


def test_what_is_offered_may_be_anything(ask, tmp_path, other):
    path, address = program(tmp_path)
    junk = tmp_path / "junk"
    junk.write_bytes(DATA)
    (tmp_path / "empty").touch()
    assert ask.chain(path, address, junk, tmp_path / "empty", other) == CHAIN
    stripped(path, tmp_path / "program.debug", link=False)
    opened = ask.open(path, junk, tmp_path / "empty", other)
    assert not opened.has_debug_info
    assert ask.chain(path, address, junk, other, tmp_path / "program.debug") == CHAIN


@pytest.mark.skipif(shutil.which("dwz") is None, reason="dwz is not installed")
def test_what_dwz_moved_to_a_common_file_is_found(ask: Asking, tmp_path):
    first, address = program(tmp_path)
    second = shutil.copy(first, tmp_path / "second")
    run("objcopy", "--only-keep-debug", first, tmp_path / "first.debug")
    run("objcopy", "--only-keep-debug", second, tmp_path / "second.debug")
    run("strip", first)
    run("dwz", "-m", "common", "first.debug", "second.debug", cwd=tmp_path)
    found = ask.chain(first, address, tmp_path / "first.debug", tmp_path / "common")
    assert found == CHAIN


def test_the_files_of_a_hundred_programs_may_be_open_at_once(ask, tmp_path):
    path, address = program(tmp_path)
    debug = tmp_path / "program.debug"
    stripped(path, debug, link=False)
    before = set(ask.pids)
    for _ in range(100):
        assert ask.open(path, debug, debug, debug).has_debug_info
    assert len(ask.pids - before) <= 2
    assert ask.chain(path, address, debug) == CHAIN


def test_three_hundred_programs_without_debug_information_leave_nothing_open(ask, tmp_path):
    path, address = program(tmp_path)
    bare, junk = tmp_path / "bare", tmp_path / "junk"
    run("strip", "-o", bare, path)
    junk.write_bytes(DATA)
    for _ in range(300):
        assert not ask.open(bare, junk).has_debug_info
    assert ask.chain(path, address) == CHAIN


@pytest.mark.parametrize("flag", ["-pie", "-no-pie", "-static"])
def test_a_debug_file_alone_is_enough(ask: Asking, tmp_path, flag):
    path, address = program(tmp_path, flag)
    debug = tmp_path / "program.debug"
    stripped(path, debug, link=False)
    assert ask.chain(debug, address) == CHAIN
