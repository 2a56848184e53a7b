"""The 8-byte unwind rule: what leads from a frame to its caller's at one return address.

The kernel side reads the same bytes (`bpf/shared.h`). Owns their layout and how a walk can end;
leaves making rules to `table` and following them to `finish` and to BPF.
"""

import struct
from enum import IntEnum
from typing import Final, NamedTuple

FROM_FP = 0x01
"""The CFA counts from the frame pointer, else from the stack pointer."""
READ = 0x02
"""x86-64: the CFA is read from there, and `add` added to it."""
IN_LR = 0x02
"""AArch64: the return address is still in the link register."""
FP_BY_FP = 0x04
"""The caller's frame pointer is saved at `fp` from this frame's pointer, not from the CFA."""
GUESS = 0x08
"""No unwind information here: taken for a frame with a frame pointer."""
END = 0x10
"""The outermost frame: its return address is said to be undefined."""
SIGNAL = 0x20
"""The caller's registers are in the kernel's signal frame at the stack pointer."""
UNKNOWN = 0x40
"""The unwind information is broken, or no rule can express it."""
STEP = 0x80
"""Set in every other rule, so that 0 is none."""

# s32 cfa, s16 fp, u8 how, s8 add
_LAYOUT: Final = struct.Struct("<ihBb")
_WORD: Final = struct.Struct("<Q")


class End(IntEnum):
    """How a walk ended; the kernel side counts by the same numbers."""

    OUTERMOST = 1
    NO_RULE = 2
    UNSUPPORTED = 3
    UNREADABLE = 4
    TRUNCATED = 5


# A NamedTuple, as they are made by the thousand.
class Rule(NamedTuple):
    """`how` in bits; `cfa` and `fp` in bytes, `fp` 0: the frame pointer is the caller's still.

    x86-64: the return address is at CFA - 8. AArch64: it is at CFA + 8 * `add`, or, where `add` is
    0, at CFA + `fp` + 8.
    """

    how: int
    cfa: int = 0
    fp: int = 0
    add: int = 0

    def pack(self) -> int:
        """The rule as the u64 that it is on a little-endian machine. struct.error out of range."""
        word: int = _WORD.unpack(_LAYOUT.pack(self.cfa, self.fp, self.how, self.add))[0]
        return word

    @classmethod
    def unpack(cls, word: int) -> "Rule":
        """The rule of such a u64."""
        cfa, fp, how, add = _LAYOUT.unpack(_WORD.pack(word))
        return cls(how, cfa, fp, add)

    @property
    def fits(self) -> bool:
        """Whether every field is within its bits."""
        return (
            -(1 << 31) <= self.cfa < 1 << 31
            and -(1 << 15) <= self.fp < 1 << 15
            and -(1 << 7) <= self.add < 1 << 7
        )


GUESSED: Final = Rule(STEP | FROM_FP | GUESS, 16, -16)
OUTERMOST: Final = Rule(END)
SIGNALLED: Final = Rule(SIGNAL)
_UNKNOWN: Final = Rule(UNKNOWN)


def unknown() -> Rule:
    """The rule that ends a walk as unsupported."""
    return _UNKNOWN


class Found(NamedTuple):
    """A rule, and `why` it is not an ordinary one: a few words, "" where it is."""

    rule: Rule
    why: str = ""
