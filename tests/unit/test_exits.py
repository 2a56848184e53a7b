"""Where a function returns, from its code: flow, exits, and what may not be followed."""

import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpftrace.model.ids import ImageAddress
from ebpftrace.probes.exits import MOST_EXITS, Exit, exits
from ebpftrace.probes.flow import Untraceable, follow

AT = 0x1000
RAX, RBX, R11 = 0, 3, 11
EQUAL, NOT_EQUAL, BELOW = 5, 6, 3  # 1 + the condition of je, jne, jb


@dataclass
class Functions:
    """Code that was assembled, each function from its label to the next one."""

    code: bytes
    starts: list[int]
    links: dict[int, int | None] = field(default_factory=dict)
    never: frozenset[int] = frozenset()

    def read(self, address: ImageAddress) -> bytes:
        end = next((s for s in self.starts if s > address), AT + len(self.code))
        return self.code[address - AT : end - AT] if address >= AT else b""

    def destination(self, address: ImageAddress) -> ImageAddress | None:
        found = self.links.get(address, address)
        return None if found is None else ImageAddress(found)

    def comes_back(self, address: ImageAddress) -> bool:
        return address not in self.never


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("code")


@dataclass
class Assembler:
    folder: Path

    def __call__(self, *functions: str, never: str = "", elsewhere: str = "") -> Functions:
        """Functions named f0, f1, …; `never` does not return, `elsewhere` need not be followed."""
        text = ".intel_syntax noprefix\n"
        text += "".join(f".globl f{n}\nf{n}: {code}\n" for n, code in enumerate(functions))
        (self.folder / "code.s").write_text(text)
        made = self.folder / "code.o"
        subprocess.run(["as", "-o", made, self.folder / "code.s"], check=True)
        link = ["ld", f"-Ttext={AT:#x}", "-e", "f0", "-o", self.folder / "code", made]
        subprocess.run([*map(str, link)], check=True)
        raw = self.folder / "raw"
        subprocess.run(
            ["objcopy", "-O", "binary", "-j", ".text", self.folder / "code", raw], check=True
        )
        said = subprocess.run(
            ["nm", self.folder / "code"], check=True, capture_output=True, text=True
        )
        named = {line.split()[2]: int(line.split()[0], 16) for line in said.stdout.splitlines()}
        starts = [named[f"f{n}"] for n in range(len(functions))]
        links: dict[int, int | None] = {named[elsewhere]: None} if elsewhere else {}
        gone = frozenset({named[never]}) if never else frozenset()
        return Functions(raw.read_bytes(), starts, links, gone)


@pytest.fixture(scope="module")
def code(folder: Path) -> Assembler:
    if shutil.which("as") is None:
        pytest.fail("the tests need binutils")
    return Assembler(folder)


def found(functions: Functions, known=None, taken=()) -> list[Exit]:
    made = exits(follow(functions, ImageAddress(AT)), known or {}, taken)
    assert made is not None
    return sorted(made, key=lambda place: place.address)


def facts(places: list[Exit]) -> list[Any]:
    """(mnemonic, result, return_at, fp_at, condition) of each that is emulated, else its mnemonic."""
    return [
        (p.instruction.split()[0], p.result, p.return_at, p.fp_at, p.condition)
        if p.cost == "emulated"
        else p.instruction
        for p in places
    ]


def test_the_branch_before_a_return_is_probed_with_its_condition(code):
    made = code("mov rax, [rdi]; test rax, rax; je 1f; mov [rsi], rdi; ret; 1: call f1; ret", "ret")
    assert facts(found(made)) == [("je", RAX, 0, 0, NOT_EQUAL), "ret"]


def test_where_the_result_is_not_there_yet_the_return_itself_is_probed(code):
    made = code("test rdi, rdi; je 1f; mov rax, [rdi]; 1: ret")
    assert facts(found(made)) == ["ret"]


def test_the_result_is_followed_back_through_moves(code):
    made = code("mov r11, [rdi]; cmp rsi, 8; je 1f; mov [rdi], rsi; mov rax, r11; ret; 1: ud2")
    assert facts(found(made)) == [("je", R11, 0, 0, NOT_EQUAL)]


def test_a_taken_branch_is_an_exit_under_its_own_condition(code):
    made = code("mov rbx, [rdi]; cmp rsi, 8; jb 1f; ud2; 1: mov rax, rbx; ret")
    assert facts(found(made)) == [("jb", RBX, 0, 0, BELOW)]


def test_both_ways_of_a_branch_that_lead_to_one_return_need_no_condition(code):
    made = code("mov rax, [rdi]; test rax, rax; je 1f; nop dword ptr [rax]; 1: ret")
    assert facts(found(made)) == [("je", RAX, 0, 0, 0)]


def test_what_is_popped_says_how_far_up_the_return_address_and_the_frame_pointer_are(code):
    made = code(
        "push rbp; push rbx; sub rsp, 24; mov rax, [rdi]; test rax, rax; je 1f; "
        "add rsp, 24; pop rbx; pop rbp; ret; 1: ud2"
    )
    # From where the branch is: 3 words of room, rbx, rbp, and then the return address.
    assert facts(found(made)) == [("je", RAX, 5, 1 + 4, NOT_EQUAL)]


def test_lea_moves_the_stack_pointer_as_add_does(code):
    made = code("sub rsp, 8; mov rax, rdi; test rax, rax; jne 1f; ud2; 1: lea rsp, [rsp+8]; ret")
    assert facts(found(made)) == [("jne", RAX, 1, 0, NOT_EQUAL)]


@pytest.mark.parametrize(
    "last", ["leave", "mov rsp, rbp; pop rbp", "and rsp, -16", "mov rbp, rsi", "pop rax"]
)
def test_what_hides_the_way_up_the_stack_leaves_the_return_itself(code, last):
    made = code(f"mov rax, [rdi]; test rax, rax; je 1f; {last}; ret; 1: ud2")
    assert facts(found(made)) == ["ret"]


def test_every_return_has_its_own_exits(code):
    made = code(
        "mov rax, [rdi]; test rax, rax; je 1f; ret; 1: mov rax, [rsi]; cmp rax, 1; jne 2f; ret; 2: ud2"
    )
    assert facts(found(made)) == [
        ("je", RAX, 0, 0, NOT_EQUAL),
        ("jne", RAX, 0, 0, EQUAL),
    ]


def test_a_branch_that_leads_to_two_returns_stands_for_one_only(code):
    made = code("mov rax, [rdi]; mov rbx, [rsi]; test rax, rax; je 1f; ret; 1: mov rax, rbx; ret")
    emulated = [place for place in found(made) if place.cost == "emulated"]
    assert facts(emulated) in ([("je", RAX, 0, 0, NOT_EQUAL)], [("je", RBX, 0, 0, EQUAL)])
    assert len(found(made)) == 2


def test_a_jump_to_another_function_is_followed_to_its_returns(code):
    made = code("test rdi, rdi; jmp f1", "mov rax, [rdi]; test rax, rax; je 1f; ret; 1: ud2")
    places = found(made)
    assert facts(places) == [("je", RAX, 0, 0, NOT_EQUAL)]
    assert places[0].address > made.starts[1]


def test_a_jump_to_what_has_probes_of_its_own_is_not_followed(code):
    made = code("test rdi, rdi; je f1; mov rax, rdi; call f1; ret", "ret", elsewhere="f1")
    assert facts(found(made)) == ["ret"]
    assert found(made)[0].address < made.starts[1]


def test_behind_a_call_that_never_returns_nothing_is_followed(code):
    made = code("mov rax, [rdi]; test rax, rax; je 1f; ret; 1: call f1; jmp rax", "ret", never="f1")
    assert facts(found(made)) == [("je", RAX, 0, 0, NOT_EQUAL)]


def test_nothing_is_placed_where_another_probe_is(code):
    made = code("mov rax, [rdi]; test rax, rax; je 1f; ret; 1: ud2")
    (free,) = found(made)
    assert facts(found(made, taken=[free.address])) == ["ret"]


def test_functions_that_share_their_exits_agree_on_them(code):
    made = code("mov rax, [rdi]; test rax, rax; je 1f; ret; 1: ud2")
    (place,) = found(made)
    assert found(made, known={place.address: place}) == [place]
    other = Exit(place.address, place.size, place.instruction, place.cost, RBX)
    assert facts(found(made, known={place.address: other})) == ["ret"]


@pytest.mark.parametrize(
    "body, why",
    [
        ("jmp rax", "computed jump"),
        ("jmp [rax*8+f0]", "computed jump"),
        ("enter 8, 0; ret", "`enter`"),
        ("jmp f0 - 0x800", "no code"),
    ],
)
def test_what_cannot_be_followed_is_refused(code, body, why):
    with pytest.raises(Untraceable, match=why):
        follow(code(body), ImageAddress(AT))


def test_a_function_with_too_many_returns_has_no_exits(code):
    body = "; ".join(f"cmp rdi, {n}; jne {n}f; pop rax; ret; {n}:" for n in range(MOST_EXITS + 1))
    assert exits(follow(code(body + " ud2"), ImageAddress(AT)), {}, ()) is None


def test_a_loop_before_the_return_ends_the_search(code):
    made = code("1: mov rax, [rdi]; loop 1b; ret")
    assert facts(found(made)) == ["ret"]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_no_bytes_raise_anything_else(raw: bytes, starts: list[int]):
    functions = Functions(raw, sorted(AT + start for start in starts))
    try:
        made = exits(follow(functions, ImageAddress(AT)), {}, ())
    except Untraceable:
        return
    assert made is None or all(AT <= place.address < AT + len(raw) for place in made)
    assert made is None or len({place.address for place in made}) == len(made)
