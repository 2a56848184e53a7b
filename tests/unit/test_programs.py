"""Programs that walk are loaded with as deep a walk as the verifier lets them have."""

import errno
import os
import struct
from collections.abc import Callable, Iterator

import pytest

from ebpftrace.errors import CannotAttach, HostRefuses
from ebpftrace.kernel import features, syscalls
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

    monkeypatch.setattr(syscalls, "load_program", found.load)
    monkeypatch.setattr(syscalls, "create_map", lambda *_: os.open("/dev/null", os.O_RDONLY))
    monkeypatch.setattr(features, "attach_cookies", lambda: True)
    return found


@pytest.fixture
def loader(verifier: Verifier) -> Iterator[Callable[[int], Programs]]:
    made: list[Programs] = []

    def of(depth: int) -> Programs:
        code = {"enter": WALK, "leave": WALK}
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
