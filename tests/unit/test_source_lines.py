import os
import threading

import pytest

from ebpftrace.drain.space import site_id
from ebpftrace.model.ids import Slot, StackId
from ebpftrace.session.sources import Sources, Tree
from ebpftrace.symbols import source_lines as module
from ebpftrace.symbols.source_lines import source_lines
from ebpftrace.target.root import TargetRoot
from tests.unit.builders import frame, site

USER = 12345


class Files:
    """A file tree that its user (12345) and everybody may enter."""

    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        self.folder = folder
        self.root = TargetRoot(os.open(folder, os.O_PATH | os.O_DIRECTORY))
        self.tree = Tree(self.root, {USER})

    def add(self, content, name="a.c", mode=0o644):
        path = self.folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def around(self, number, around=1, path="/a.c"):
        return source_lines(self.root.open_file, {USER}, path, number, around)

    def texts(self, number, around=1):
        found = self.around(number, around)
        return None if found is None else (found.first, list(found.lines))


@pytest.fixture
def files(tmp_path):
    tmp_path.chmod(0o755)
    made = Files(tmp_path / "inside")
    yield made
    made.root.close()


def test_lines_come_with_their_indentation_and_without_their_end(files):
    files.add("one\n\tif (x)\t{  \r\n    three\n")
    assert files.texts(2) == (1, ["one", "    if (x)  {", "    three"])


@pytest.mark.parametrize(
    "number, around, found",
    [
        (1, 0, (1, ["1"])),
        (1, 2, (1, ["1", "2", "3"])),
        (3, 1, (2, ["2", "3", "4"])),
        (5, 2, (3, ["3", "4", "5"])),
        (3, 10**9, (1, ["1", "2", "3", "4", "5"])),
        (3, -1, (3, ["3"])),
    ],
)
@pytest.mark.parametrize("end", ["", "\n"])
def test_as_many_lines_come_before_and_after_as_are_asked_for_and_there(
    files, number, around, found, end
):
    files.add("1\n2\n3\n4\n5" + end)
    assert files.texts(number, around) == found


def test_empty_lines_are_lines(files):
    files.add("\n\n\n")
    assert files.texts(2) == (1, ["", "", ""])
    assert files.texts(4) is None


@pytest.mark.parametrize("number", [-1, 0, 3, 1 << 60])
def test_a_line_that_is_not_there_has_no_surroundings(files, number):
    files.add("one\ntwo\n")
    assert files.texts(number, 5) is None


@pytest.mark.parametrize("path", ["", "a.c", "/none.c", "/a\0.c", "/" + "x" * 5000, "/\ud800", "/"])
def test_what_cannot_be_opened_has_no_lines(files, path):
    files.add("one\n")
    assert files.around(1, path=path) is None


def test_lines_are_clean_and_cut(files):
    files.add(
        b"  a\x1b]0;x\x07\xe2\x80\xae \xff\xc3\xa9 [b]\n"
        + b"\t" * 9999
        + b"x\n"
        + b"\xc3\xa9" * 9999
    )
    _, (first, second, third) = files.texts(1, 9)
    assert first == "  a·]0;x·· ·é [b]"
    assert second == ""
    assert third == "é" * 480


def test_no_more_lines_come_than_a_view_can_hold(files, monkeypatch):
    monkeypatch.setattr(module, "MOST_AROUND", 3)
    files.add("x\n" * 100)
    found = files.around(50, 10**9)
    assert (found.first, len(found.lines)) == (47, 7)


def test_a_large_file_and_one_that_not_all_may_read_are_not_shown(files):
    files.add(b"one\n" + bytes(4 << 20))
    assert files.around(1) is None
    files.add("own\n", mode=0o600)
    assert files.around(1) is None


def test_nothing_but_files_is_read(files):
    os.mkfifo(files.folder / "a.c", 0o666)
    assert files.around(1) is None


def test_a_path_that_leads_to_the_same_file_from_here_is_told(files):
    path = str(files.add("one\n"))
    assert files.around(1).here is None  # there is no /a.c here
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    ours = TargetRoot(root)
    found = source_lines(ours.open_file, {os.geteuid()}, path, 1, 1)
    ours.close()
    assert found == (path, 1, ("one",), path)


def test_another_file_of_that_path_is_not_told(files):
    outside = files.folder.parent / "b.c"
    outside.write_text("trap\n")
    inside = files.folder / str(outside)[1:]
    inside.parent.mkdir(parents=True)
    inside.write_text("true\n")
    for folder in inside.parents:
        if folder.is_relative_to(files.folder):
            folder.chmod(0o755)
    found = files.around(1, path=str(outside))
    assert (found.lines, found.here) == (("true",), None)


# --- of which tree ---------------------------------------------------------------------------------

HERE = frame(file="/a.c", line=1)


def site_of(number):
    return site(id=site_id(number, StackId(7)), slot=Slot(1))


@pytest.fixture
def two(tmp_path):
    """Two programs that had the same slot one after the other."""
    tmp_path.chmod(0o755)
    made = [Files(tmp_path / name) for name in ("first", "second")]
    sources = Sources()
    for number, one in enumerate(made, 10):
        one.add(f"{one.folder.name}\n")
        sources.add(number, one.tree)
    yield sources
    for one in made:
        one.root.close()


def test_a_site_of_an_ended_program_is_not_read_in_the_tree_of_the_next_one_in_its_slot(two):
    assert two.lines(site_of(10), HERE, 3).lines == ("first",)
    assert two.lines(site_of(11), HERE, 3).lines == ("second",)


@pytest.mark.parametrize("given", [{"file": None}, {"line": None}, {"line": 0}, {"file": "a.c"}])
def test_a_frame_without_file_or_line_has_no_source(two, given):
    assert two.lines(site_of(10), frame(**{"file": "/a.c", "line": 1, **given}), 3) is None


def test_of_an_address_space_that_nobody_knows_nothing_is_read(two):
    two.add(13, None)
    for one in (site_of(12), site_of(13), site(id=""), site(id="main-7")):
        assert two.lines(one, HERE, 3) is None


def test_reading_goes_on_while_the_trees_are_closed_and_then_there_is_nothing_more(
    tmp_path, monkeypatch
):
    tmp_path.chmod(0o755)
    files = Files(tmp_path)
    files.add("one\n")
    before = len(os.listdir("/proc/self/fd"))
    sources = Sources()
    sources.add(1, files.tree)
    opened, closed = threading.Event(), threading.Event()
    real = TargetRoot.open_file

    def slow(self, path, **given):
        opened.set()
        closed.wait(10)
        return real(self, path, **given)

    monkeypatch.setattr(TargetRoot, "open_file", slow)
    found = []
    reader = threading.Thread(target=lambda: found.append(sources.lines(site_of(1), HERE, 1)))
    reader.start()
    assert opened.wait(10)
    sources.close()
    files.root.close()
    closed.set()
    reader.join(10)
    assert found == [("/a.c", 1, ("one",), None)]
    assert sources.lines(site_of(1), HERE, 1) is None
    assert len(os.listdir("/proc/self/fd")) == before - 1


def test_a_tree_that_was_closed_before_its_end_has_no_lines(two, tmp_path):
    files = Files(tmp_path)
    two.add(20, files.tree)
    files.root.close()
    assert two.lines(site_of(20), HERE, 1) is None
