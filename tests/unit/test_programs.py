"""Programs that walk are loaded with as deep a walk as the verifier lets them have."""

import errno
import os
import struct
from collections.abc import Callable, Iterator

import pytest

from ebpftrace.errors import CannotAttach, HostRefuses
from ebpftrace.kernel import features, programs, syscalls
from ebpftrace.kernel.backends import ATTACH_TYPES, Backend, Placement, ProgramName
from ebpftrace.kernel.compiler import Compiled
from ebpftrace.kernel.instructions import RETURN_0, helper_call, instruction
from ebpftrace.kernel.programs import Programs
from ebpftrace.model.ids import FileOffset

DEPTH_IN_USE = helper_call(0x7FFE02)
WALK = DEPTH_IN_USE + RETURN_0


class Verifier:
    """Stands for the kernel: gives descriptors, or for walks of some depths an error."""

    def __init__(self) -> None:
        self.loads: list[tuple[str, int, int]] = []
        """(program, attach type, frames) of each try."""
        self.refuses: Callable[[str, int], int] = lambda name, depth: 0
        self.elements: list[tuple[int, bytes, bytes]] = []
        self.says = ""

    def load(self, kind, instructions, name, log=None, attach_type=0):
        _, _, _, depth = struct.unpack_from("<BBhi", instructions)
        self.loads.append((name, attach_type, depth))
        number = self.refuses(name, depth)
        if number:
            if log is not None:
                log.value = self.says.encode()
            raise OSError(number, os.strerror(number))
        return os.open("/dev/null", os.O_RDONLY)

    @property
    def depths(self) -> list[int]:
        return [depth for _, _, depth in self.loads]


@pytest.fixture
def verifier(monkeypatch: pytest.MonkeyPatch) -> Verifier:
    found = Verifier()

    class Elements:
        def __init__(self, fd, key_size, value_size):
            self.fd = fd

        def update(self, key, value):
            found.elements.append((self.fd, key, value))

    monkeypatch.setattr(syscalls, "load_program", found.load)
    monkeypatch.setattr(syscalls, "create_map", lambda *_: os.open("/dev/null", os.O_RDONLY))
    monkeypatch.setattr(features, "attach_cookies", lambda: True)
    monkeypatch.setattr(programs, "Table", Elements)
    return found


@pytest.fixture
def loader(verifier: Verifier) -> Iterator[Callable[[int], Programs]]:
    made: list[Programs] = []

    def of(depth: int) -> Programs:
        code = {"enter": WALK, "leave": WALK, "leave_aside": WALK}
        maps = {"programs": os.open("/dev/null", os.O_RDONLY)}
        made.append(Programs(Compiled(maps, code, "0.26"), depth, lambda name: None))
        return made[-1]

    yield of
    for one in made:
        one.close()


def placement(program: ProgramName = "leave", backend: Backend = "multi") -> Placement:
    return Placement(backend, program, 7, (FileOffset(0x100),), (1,), "malloc")


def above(most: int, number: int = errno.E2BIG) -> Callable[[str, int], int]:
    """The verifier gives up on walks of more frames."""
    return lambda name, depth: number if depth > most else 0


def test_a_walk_is_as_deep_as_was_asked_for(verifier, loader):
    there = loader(127)
    there.uprobe(placement())
    assert (verifier.loads, there.depth) == ([("leave", ATTACH_TYPES["multi"], 127)], 127)


@pytest.mark.parametrize("number", [errno.E2BIG, errno.ENOMEM, errno.ENOSPC])
def test_a_depth_that_is_too_much_for_the_verifier_ends_at_the_next_one(verifier, loader, number):
    verifier.refuses = above(64, number)
    there = loader(127)
    there.uprobe(placement())
    assert (verifier.depths, there.depth) == ([127, 96, 64], 64)


@pytest.mark.parametrize(
    "asked, tried", [(200, [200, 96, 64, 48, 32]), (96, [96, 64, 48, 32]), (50, [50, 48, 32])]
)
def test_only_depths_below_the_one_that_was_asked_for_are_tried(verifier, loader, asked, tried):
    verifier.refuses = above(32)
    there = loader(asked)
    there.uprobe(placement())
    assert (verifier.depths, there.depth) == (tried, 32)


def test_the_programs_that_come_later_begin_at_the_depth_that_was_found(verifier, loader):
    verifier.refuses = above(96)
    there = loader(127)
    there.uprobe(placement("leave"))
    there.uprobe(placement("enter"))
    assert verifier.depths == [127, 96, 96]


def test_a_program_is_loaded_once(verifier, loader):
    there = loader(127)
    assert there.uprobe(placement()) == there.uprobe(placement())
    assert len(verifier.loads) == 1


def test_where_no_depth_is_accepted_the_verifiers_last_words_are_said(verifier, loader):
    verifier.refuses, verifier.says = above(0), "0: (b7) r0 = 0\nBPF program is too large.\n"
    there = loader(64)
    with pytest.raises(CannotAttach, match=r"too large\. Try a smaller --stack-depth\.$"):
        there.uprobe(placement())
    assert there.depth == 64
    assert there.loaded() == ()


def test_another_error_is_said_in_a_sentence_and_no_other_depth_is_tried(verifier, loader):
    verifier.refuses, verifier.says = above(0, errno.EACCES), "R1 invalid mem access\n"
    there = loader(127)
    with pytest.raises(CannotAttach) as refused:
        there.uprobe(placement())
    assert str(refused.value).startswith("The kernel refused the BPF program leave (Permission")
    assert "R1 invalid mem access" in str(refused.value)
    assert set(verifier.depths) == {127}


def test_an_error_that_is_not_the_verifiers_names_the_host(verifier, loader):
    verifier.refuses = above(0, errno.EMFILE)
    with pytest.raises(HostRefuses, match=r"The BPF program leave cannot be loaded: .* open more"):
        loader(127).uprobe(placement())
    assert set(verifier.depths) == {127}


def test_the_depth_is_a_constant_of_the_code_and_the_rest_is_left_as_it_is(
    verifier, loader, monkeypatch
):
    seen = []

    def load(kind, code, *_, **__):
        seen.append(code)
        return os.open("/dev/null", os.O_RDONLY)

    monkeypatch.setattr(syscalls, "load_program", load)
    loader(33).uprobe(placement())
    assert seen == [instruction(0xB4, 0, 0, 33) + RETURN_0]


# --- Asides ---


def test_there_is_an_aside_for_each_way_of_attaching_in_the_place_that_leave_calls(
    verifier, loader
):
    there = loader(127)
    for backend in ("multi", "perf"):
        there.uprobe(placement(backend=backend))
    there.load_asides()
    asides = [(kind, depth) for name, kind, depth in verifier.loads if name == "leave_aside"]
    assert sorted(asides) == [(0, 127), (ATTACH_TYPES["multi"], 127)]
    assert [key for _, key, _ in verifier.elements] == [struct.pack("<I", 1)] * 2
    held = {struct.unpack("<I", value)[0] for _, _, value in verifier.elements}
    assert held < set(there.loaded())


def test_asides_are_loaded_once_and_for_ways_of_attaching_that_come_later(verifier, loader):
    there = loader(127)
    there.load_asides()
    assert not verifier.loads
    there.uprobe(placement())
    there.load_asides()
    there.uprobe(placement("enter"))
    there.uprobe(placement(backend="perf"))
    asides = [kind for name, kind, _ in verifier.loads if name == "leave_aside"]
    assert asides == [ATTACH_TYPES["multi"], 0]


def test_before_asides_are_due_none_is_loaded(verifier, loader):
    loader(127).uprobe(placement())
    assert [name for name, _, _ in verifier.loads] == ["leave"]


def test_an_aside_is_as_deep_as_the_walks_beside_it(verifier, loader):
    verifier.refuses = above(48)
    there = loader(127)
    there.uprobe(placement())
    there.load_asides()
    assert verifier.loads[-1] == ("leave_aside", ATTACH_TYPES["multi"], 48)


def test_walks_stay_as_deep_as_they_are_where_only_an_aside_has_to_be_shallower(verifier, loader):
    verifier.refuses = lambda name, depth: above(96)(name, depth) if name == "leave_aside" else 0
    there = loader(127)
    there.uprobe(placement())
    there.load_asides()
    assert verifier.loads[-1] == ("leave_aside", ATTACH_TYPES["multi"], 96)
    assert there.depth == 127


def test_an_aside_that_the_kernel_refuses_leaves_the_programs_in_place(verifier, loader):
    there = loader(127)
    fd = there.uprobe(placement())
    verifier.refuses = lambda name, depth: errno.EACCES if name == "leave_aside" else 0
    with pytest.raises(CannotAttach, match="leave_aside"):
        there.load_asides()
    assert there.uprobe(placement()) == fd
    assert there.loaded() == (fd,)
