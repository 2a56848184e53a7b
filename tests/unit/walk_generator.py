"""Stacks as compilers lay them out, frame by frame, from a seed; and then something wrong with them.

All words are multiples of 8, but for those that no walk looks at: where it looks for a frame at an odd
address, there is none.
"""

import random
from dataclasses import replace

from ebpftrace.unwind.finish import Registers
from ebpftrace.unwind.rules import (
    FP_BY_FP,
    FROM_FP,
    GUESS,
    GUESSED,
    IN_LR,
    OUTERMOST,
    READ,
    SIGNALLED,
    STEP,
    Rule,
    unknown,
)
from tests.unit.walks import PAGE, Case

STACK, OTHER_STACK = 0x7FFC_1234_0000, 0x7F12_3456_0000
CODE, BARE_CODE = 0x5500_0000_0000, 0x7700_0000_0008
_HIGHEST = {"x86_64": (1 << 47) - 1, "aarch64": (1 << 48) - 1}
_SIGNED = 0x00B7 << 48  # a pointer authentication code, as arm64 puts it over a return address
# fp, sp and pc, from the stack pointer of a signal frame on; lr is behind fp.
_SAVED = {"x86_64": (120, 160, 168), "aarch64": (544, 560, 568)}


class _Builder:
    """A stack that grows outward: `sp` and `fp` are those of the frame that comes next."""

    def __init__(self, seed: int, machine: str) -> None:
        self.random = random.Random(f"{machine} {seed}")
        self.arm = machine == "aarch64"
        self.machine = machine
        self.memory: dict[int, int] = {}
        self.rules: dict[int, Rule] = {}
        self.codes = 0
        self.last_at: int | None = None
        self.returned_to = 0
        self.sp = STACK + 8 * self.random.randrange(PAGE // 8)
        self.fp = self._frame_pointer(self.sp)
        self.pc = self._code()
        self.start = Registers(self.pc, self.sp, self.fp)
        self.behind_signal = False
        self.stacks = [OTHER_STACK + n * 0x100_0000 for n in range(8)]

    def build(self) -> Case:
        """Up to 40 frames, or 150: more than fit."""
        frames = self.random.choice((1, 3, 8, 20, 40, 150))
        for _ in range(frames):
            self._add_frame()
        self._end()
        depth = self.random.choice((127, 127, 127, self.random.randint(1, 30)))
        missing = self.random.choice((0, 0, 0, 0, 1))
        for pc in self.random.sample(sorted(self.rules), missing):
            del self.rules[pc]
        for at in self._noise():
            self.memory.setdefault(at, self._word())
        return Case(
            self.start,
            self.memory,
            self.rules,
            self.machine,
            depth=depth,
            slot=self.random.randrange(1024),
            called=self.random.randrange(1 << 14),
        )

    def _code(self) -> int:
        """A return address that no frame has yet; not the start of a page, as trampolines are."""
        self.codes += 1
        return CODE + PAGE * self.codes + 8 * self.random.randrange(1, PAGE // 8)

    def _frame_pointer(self, above: int) -> int:
        """What programs keep in that register: mostly a frame's address, else data, 0 in the last."""
        kind = self.random.randrange(8)
        if kind == 0:
            return 8 * self.random.randrange(1 << 20)
        return above + 8 * self.random.randrange(0, 30)

    def _word(self) -> int:
        """Some other word of a stack: a number, a stack address, code, text."""
        return self.random.choice(
            (
                8 * self.random.randrange(1 << 8),
                STACK + 8 * self.random.randrange(PAGE),
                BARE_CODE + 16 * self.random.randrange(1 << 20),
                8 * self.random.randrange(1 << 61),
            )
        )

    def _noise(self) -> list[int]:
        pages = {at & -PAGE for at in self.memory} | {STACK}
        return [
            page + 8 * place for page in pages for place in self.random.sample(range(512), k=200)
        ]

    def _add_frame(self) -> None:
        how = self.random.random()
        if how < 0.03:
            self._signal()
        elif self.behind_signal and self.arm and how < 0.8:
            self._leaf()
        else:
            self._ordinary()

    def _size(self) -> int:
        """Of a frame; some hold a buffer of pages, behind which nothing is read together."""
        return 8 * self.random.choice((2, 4, 6, 8, 14, 30, 100, 600, 1100))

    def _ordinary(self) -> None:
        framed = self.sp <= self.fp < self.sp + 0x2000
        if framed and self.random.random() < 0.1:
            self._save(GUESSED, self.fp + 16)
            return
        by_fp = framed and self.random.random() < 0.5
        base = self.fp if by_fp else self.sp
        low = max(base, self.sp)
        cfa = low + 24 + (8 * self.random.randrange(4) if by_fp else self._size())
        rule = Rule(STEP | (FROM_FP if by_fp else 0), cfa - base)
        if (
            not self.arm and cfa - low >= 40 and self.random.random() < 0.2
        ):  # realigned: the CFA was saved below
            slot = low + 8
            add = 8 * self.random.randint(-16, 15) + self.random.choice((0, 0, 3))
            self.memory[slot] = cfa - add
            rule = Rule(rule.how | READ, slot - base, add=max(-128, min(127, add)))
        self._save(rule, cfa)

    def _save(self, rule: Rule, cfa: int) -> None:
        """The frame's saved registers: where its caller goes on, and mostly its frame pointer."""
        at = cfa - 8
        if self.arm and rule != GUESSED:
            pair = self.random.random() < 0.5
            at = cfa - 8 if pair else cfa - 16
            rule = rule._replace(fp=-16) if pair else rule._replace(add=-2)
            if not pair and self.random.random() < 0.5:
                rule = rule._replace(fp=-8)
        elif not self.arm and not rule.how & GUESS and self.random.random() < 0.7:
            rule = rule._replace(fp=-16)
        slot = cfa + rule.fp
        framed = self.sp <= self.fp and self.fp + 8 <= cfa - 24
        if not rule.fp and framed and not rule.how & READ and self.random.random() < 0.3:
            slot = self.fp + 8
            rule = rule._replace(how=rule.how | FP_BY_FP, fp=8)
        if rule.fp:
            self.fp = self._frame_pointer(cfa)
            self.memory[slot] = self.fp
        self.rules[self.pc] = rule
        self.pc = self._code()
        signed = self.arm and self.random.random() < 0.3
        self.memory[at] = self.pc | (_SIGNED if signed else 0)
        self.last_at = at
        self.sp = cfa
        self.behind_signal = False

    def _leaf(self) -> None:
        """It was interrupted before it saved anything."""
        size = self.random.choice((0, 0, 16, 64))
        self.rules[self.pc] = Rule(STEP | IN_LR, size)
        self.pc = self.returned_to
        self.sp += size
        self.last_at = None
        self.behind_signal = False

    def _signal(self) -> None:
        """The frame of the kernel; what it interrupted has another stack, or this one further on."""
        fp_at, sp_at, pc_at = (self.sp + at for at in _SAVED[self.machine])
        self.rules[self.pc] = SIGNALLED
        self.memory.update(dict.fromkeys(range(fp_at, pc_at, 8), 1))
        if self.stacks and self.random.random() < 0.5:
            self.sp = self.stacks.pop() + 8 * self.random.randrange(100)
        else:
            self.sp += 0x400
        self.fp = self._frame_pointer(self.sp)
        self.pc = self._code()
        self.memory.update({fp_at: self.fp, sp_at: self.sp, pc_at: self.pc - 1})
        self.last_at = None
        self.behind_signal = True
        if self.arm:
            self.returned_to = self.memory[fp_at + 8] = self._code()

    def _end(self) -> None:
        """The outermost frame, by its rule or by what it would return to."""
        how = self.random.randrange(7)
        if how < 3 or self.last_at is None:
            self.rules[self.pc] = (OUTERMOST, unknown(), GUESSED)[how % 3]
        elif how == 3:
            self.memory[self.last_at] = self.random.choice((0, 1, 0xFFF))
        elif how == 4:
            self.memory[self.last_at] = _HIGHEST[self.machine] + 1 + 8 * self.random.randrange(999)


def generated(seed: int, machine: str) -> Case:
    """A stack of up to 150 frames that lead to an end."""
    return _Builder(seed, machine).build()


def damaged(case: Case, seed: int) -> Case:
    """The same with something wrong: a page unreadable, a word overwritten, a rule of another.

    A guess stays whole: where its frame pointer cannot be read the two differ, see test_walk.py.
    """
    chance = random.Random(seed)
    if any(rule.how & GUESS for rule in case.rules.values()):
        return case
    memory, rules = dict(case.memory), dict(case.rules)
    kind = chance.randrange(4)
    if kind == 0:
        return replace(case, gone=frozenset({chance.choice(sorted(case.pages))}))
    if kind == 1:
        for at in chance.sample(sorted(memory), k=len(memory) // 20):
            memory[at] = chance.choice((0, 8 * chance.randrange(1 << 44), STACK, BARE_CODE))
    ordinary = [pc for pc, rule in rules.items() if rule.how & STEP and not rule.how & IN_LR]
    if kind > 1 and ordinary:
        pc, other = chance.choice(ordinary), chance.choice(ordinary)
        by = 8 * chance.randint(-20, 20)
        rules[pc] = rules[other] if kind == 2 else rules[pc]._replace(cfa=rules[pc].cfa + by)
    return replace(case, memory=memory, rules=rules)
