import os
from pathlib import Path

import pytest

from ebpftrace.target.debug_files import checksum_of, debug_files, linked_checksum
from ebpftrace.target.elf import ElfImage
from ebpftrace.target.root import TargetRoot
from tests.unit.debug_builders import build, build_id, run, stripped, written


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A stripped program and the debug file that it names in its link."""
    folder = tmp_path_factory.mktemp("parts")
    source = written(folder / "one.c", "int main(void) { return 0; }\n")
    path = build(folder / "one", "-g", source=source)
    return stripped(path, folder / "one.debug"), folder / "one.debug"


class Tree:
    """A file tree whose files are empty but for what they are found by."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._root = TargetRoot(os.open(folder, os.O_PATH | os.O_DIRECTORY))
        self.asked: list[str] = []

    def add(self, name: str, content: bytes = b"") -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def open_file(self, path: str) -> int:
        self.asked.append(path)
        return self._root.open_file(path)

    def found(self, program: Path, path: str = "/opt/bin/one") -> list[str]:
        with program.open("rb") as file:
            fds = debug_files(ElfImage.open(file.fileno()), path, self.open_file)
        names = [os.readlink(f"/proc/self/fd/{fd}") for fd in fds]
        for fd in fds:
            os.close(fd)
        return [name.removeprefix(str(self._folder)) for name in names]

    def close(self) -> None:
        self._root.close()


@pytest.fixture
def tree(tmp_path: Path):
    one = Tree(tmp_path)
    yield one
    one.close()


def by_id(path: Path) -> str:
    name = build_id(path)
    assert name
    return f"usr/lib/debug/.build-id/{name[:2]}/{name[2:]}.debug"


def test_every_place_that_the_tools_of_the_field_look_at_is_asked_in_their_order(tree, parts):
    places = [
        by_id(parts[0]),
        "opt/bin/one.debug",
        "opt/bin/.debug/one.debug",
        "usr/lib/debug/opt/bin/one.debug",
    ]
    for place in places:
        tree.add(place)
    assert tree.found(parts[0]) == ["/" + place for place in places]
    assert tree.found(parts[0], "/opt/bin/one (deleted)") == ["/" + place for place in places]


def test_nothing_is_found_in_an_empty_tree_and_in_a_file_that_names_nothing(tree, parts, tmp_path):
    assert tree.found(parts[0]) == []
    bare = tmp_path / "bare"
    run("objcopy", "-R", ".gnu_debuglink", "-R", ".note.gnu.build-id", parts[0], bare)
    tree.asked.clear()
    assert tree.found(bare) == []
    assert tree.asked == []


def test_a_link_that_names_a_path_is_not_followed(tree, parts, tmp_path):
    content = parts[0].read_bytes()
    at = content.index(b"one.debug\0")
    hostile = tmp_path / "hostile"
    hostile.write_bytes(content[:at] + b"../one.de" + content[at + 9 :])
    tree.add("opt/one.de")
    assert tree.found(hostile) == []


def test_links_stay_in_the_tree_and_nothing_but_files_is_opened(tree, parts, tmp_path):
    (tmp_path / "opt/bin").mkdir(parents=True)
    (tmp_path / "opt/bin/one.debug").symlink_to("/etc/passwd")
    (tmp_path / "opt/bin/.debug").mkdir()
    os.mkfifo(tmp_path / "opt/bin/.debug/one.debug")
    assert tree.found(parts[0]) == []
    tree.add("etc/passwd")
    assert tree.found(parts[0]) == ["/etc/passwd"]


def test_the_supplementary_file_comes_with_the_debug_file_that_names_it(tree, parts, tmp_path):
    link = tmp_path / "link"
    link.write_bytes(b"common.dwz\0" + bytes(range(20)))
    debug = tmp_path / "with"
    run("objcopy", "--add-section", f".gnu_debugaltlink={link}", parts[1], debug)
    tree.add("opt/bin/one.debug", debug.read_bytes())
    tree.add(f"usr/lib/debug/.build-id/00/{bytes(range(1, 20)).hex()}.debug")
    common = f"/usr/lib/debug/.build-id/00/{bytes(range(1, 20)).hex()}.debug"
    assert tree.found(parts[0]) == ["/opt/bin/one.debug", common]
    tree.add("opt/bin/common.dwz")
    assert tree.found(parts[0]) == ["/opt/bin/one.debug", "/opt/bin/common.dwz"]


def test_the_checksum_in_the_link_is_that_of_the_debug_file(parts, tmp_path):
    with parts[0].open("rb") as file, parts[1].open("rb") as debug:
        image = ElfImage.open(file.fileno())
        assert linked_checksum(image) == checksum_of(debug.fileno())
        assert linked_checksum(ElfImage.open(debug.fileno())) is None
    section = tmp_path / "section"
    section.write_bytes(b"one.debug\0\0\0\1\2")
    cut = tmp_path / "cut"
    run(
        "objcopy",
        "-R",
        ".gnu_debuglink",
        "--add-section",
        f".gnu_debuglink={section}",
        parts[0],
        cut,
    )
    with cut.open("rb") as file:
        assert linked_checksum(ElfImage.open(file.fileno())) is None


@pytest.mark.parametrize("path", ["one", "", "/", "(deleted)", "//opt/../x"])
def test_whatever_the_path_nothing_raises(tree, parts, path):
    assert tree.found(parts[0], path) == []
