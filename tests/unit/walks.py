"""One walk, by the C of `bpf/unwind.h` in user space and by its Python twin, on the same case."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ebpftrace.kernel import layout, sources
from ebpftrace.unwind.finish import Registers, finish
from ebpftrace.unwind.rules import Rule

MACHINES = ("x86_64", "aarch64")
PAGE = 4096
ENTRIES = 64
"""Of the `rules` of walk.c."""
_MASK = (1 << 64) - 1
_SOURCE = Path(__file__).parents[1] / "walks" / "walk.c"
_DEFINED = {"x86_64": "EBPFTRACE_X86_64", "aarch64": "EBPFTRACE_ARM64"}
_SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


class Walked(NamedTuple):
    """What a walk found. `hash`: what the kernel side knows the stack by."""

    pcs: tuple[int, ...]
    end: int
    guessed: bool
    hash: int


class Answer(NamedTuple):
    """What the C says. `last`: the registers in the frame at which the walk ended."""

    walked: Walked
    last: Registers


class Store(NamedTuple):
    """User space stores `value` into that entry of `rules`, as its key (`word` 0) or its rule (1),
    right before the walk reads from that table for the `access`-th time.
    """

    access: int
    entry: int
    word: int
    value: int


@dataclass(frozen=True)
class Case:
    """A stack, and the rules to walk it by.

    `memory`: words by address, a multiple of 8. A page without any is unreadable, and so are those
    in `gone`; other words are 0. `rules`: by return address, those of `only_more` in `more_rules`.
    `replaced`: words that return probes have put over `memory`, of which `kernel` (words, nothing
    around them is readable) keeps track from `task` on by `returns`, see `struct return_offsets`.
    """

    registers: Registers
    memory: Mapping[int, int]
    rules: Mapping[int, Rule]
    machine: str = "x86_64"
    depth: int = 127
    slot: int = 5
    called: int = 0x103
    gone: frozenset[int] = frozenset()
    only_more: frozenset[int] = frozenset()
    replaced: Mapping[int, int] = field(default_factory=dict)
    kernel: Mapping[int, int] = field(default_factory=dict)
    task: int = 0
    returns: Sequence[int] = (0, 0, 0, 0, 0)
    stores: Sequence[Store] = ()

    @cached_property
    def pages(self) -> frozenset[int]:
        return frozenset({at & -PAGE for at in self.memory}) - self.gone

    def word(self, address: int) -> int | None:
        """As the target's own code put it there; None where it is unreadable."""
        assert not address % 8
        return self.memory.get(address, 0) if address & -PAGE in self.pages else None

    def lines(self) -> Iterator[str]:
        """The case as walk.c reads it."""
        yield _line("registers", *(register or 0 for register in self.registers))
        yield _line("walk", self.slot, self.called, self.depth)
        for page in sorted(self.pages):
            seen = {at: self.replaced.get(at, self.memory.get(at, 0)) for at in _words(page)}
            yield _line("user", page, len(seen), *seen.values())
        for at, value in self.kernel.items():
            yield _line("kernel", at, 1, value)
        yield _line("task", self.task)
        yield _line("returns", *self.returns)
        yield from self._entries()
        for store in self.stores:
            yield _line("store", *store)
        yield "go"

    def _entries(self) -> Iterator[str]:
        taken = set()
        for pc, rule in self.rules.items():
            key = layout.slot_key(self.slot, pc)
            index = index_of(key)
            if pc in self.only_more or index in taken:
                yield _line("more", key, rule.pack())
            else:
                taken.add(index)
                yield _line("rule", index, key, rule.pack())


def index_of(key: int) -> int:
    """The entry of `rules` that a key belongs to."""
    return (key * layout.HASH_SEED & _MASK) >> 64 - (ENTRIES.bit_length() - 1)


def twin(case: Case) -> Walked:
    """The walk by `ebpftrace.unwind.finish`, of the stack as it is without return probes."""
    start = case.registers
    rest = finish(start, case.word, case.rules.get, case.depth - 1, case.machine)
    pcs = start.pc, *rest.pcs
    known_by = layout.stack_hash(pcs, case.called, rest.end, guessed=rest.guessed)
    return Walked(pcs, rest.end, rest.guessed, known_by)


class Walker:
    """walk.c, compiled for both machines into `folder`; `sanitized`: to stop at whatever is not C."""

    def __init__(self, folder: Path, *, sanitized: bool) -> None:
        """subprocess.CalledProcessError where it does not compile without a warning."""
        self._programs = {machine: folder / machine for machine in MACHINES}
        flags = _SANITIZERS if sanitized else ("-O2",)
        for machine, program in self._programs.items():
            command = ["cc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", *flags]
            command += [f"-D{_DEFINED[machine]}", f"-I{sources.folder()}"]
            subprocess.run([*command, "-o", program, _SOURCE], check=True)

    def walk(self, *cases: Case) -> list[Answer]:
        """One answer a case; all of them are for the same machine."""
        lines = [line for case in cases for line in case.lines()]
        return self.walk_lines(cases[0].machine, lines)

    def walk_lines(self, machine: str, lines: Sequence[str]) -> list[Answer]:
        said = subprocess.run(
            [self._programs[machine]],
            input="\n".join(lines),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        return [_answer([int(word, 16) for word in line.split()]) for line in said.splitlines()]


def has_sanitizers(folder: Path) -> bool:
    """Whether cc comes with the sanitizers' libraries."""
    source = folder / "empty.c"
    source.write_text("int main(void) { return 0; }")
    done = subprocess.run(
        ["cc", *_SANITIZERS, "-o", folder / "empty", source], stderr=subprocess.DEVNULL, check=False
    )
    return done.returncode == 0


def _answer(numbers: list[int]) -> Answer:
    end, guessed, known_by, pc, sp, fp, *pcs = numbers
    return Answer(Walked(tuple(pcs), end, bool(guessed), known_by), Registers(pc, sp, fp))


def _words(page: int) -> range:
    return range(page, page + PAGE, 8)


def _line(name: str, *numbers: int) -> str:
    return " ".join([name, *(f"{number & _MASK:x}" for number in numbers)])
