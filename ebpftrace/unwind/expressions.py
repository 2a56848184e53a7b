"""DWARF expressions that a rule can hold: a register plus an offset, read once, plus an offset.

That is what compilers write (frames that realign the stack, signal frames), and what linkers write
for the entries of .plt once the program counter is known. Everything else is named and refused.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from ebpftrace.unwind.encoding import Broken, sleb, uleb

MOST_EXPRESSION = 64
"""Bytes of an expression that is looked at; a linker's for .plt has 11."""
_MOST_STACK = 8
_LIMIT = 1 << 63

_DEREF, _CONSTU, _CONSTS, _PLUS_UCONST = 0x06, 0x10, 0x11, 0x23
_LIT0, _LIT31, _BREG0, _BREG31, _BREGX = 0x30, 0x4F, 0x70, 0x8F, 0x92
_FIXED: Final = {0x08: (1, False), 0x09: (1, True), 0x0A: (2, False), 0x0B: (2, True)} | {
    0x0C: (4, False),
    0x0D: (4, True),
}  # DW_OP_const1u to const4s: bytes, signed
_BINARY: Final[dict[int, Callable[[int, int], int]]] = {
    0x1A: lambda a, b: a & b,
    0x1C: lambda a, b: a - b,
    0x1E: lambda a, b: a * b,
    0x22: lambda a, b: a + b,
    0x24: lambda a, b: a << min(b, 63) if b >= 0 else 0,
    0x29: lambda a, b: int(a == b),
    0x2A: lambda a, b: int(a >= b),
    0x2B: lambda a, b: int(a > b),
    0x2C: lambda a, b: int(a <= b),
    0x2D: lambda a, b: int(a < b),
    0x2E: lambda a, b: int(a != b),
}  # DW_OP_and, minus, mul, plus, shl, and the comparisons
_MINUS, _PLUS = 0x1C, 0x22


class Place(NamedTuple):
    """`register` + `offset`; where `read`, the word there + `add`. Register None: a constant."""

    register: int | None
    offset: int
    read: bool = False
    add: int = 0

    def plus(self, value: int) -> "Place":
        if self.read:
            return self._replace(add=self.add + value)
        return self._replace(offset=self.offset + value)


def place_of(expression: bytes, pc: int, pc_register: int | None) -> Place:
    """What `expression` computes at `pc`, the value of `pc_register`. Broken where no Place can say
    it, with the operation that cannot.
    """
    if len(expression) > MOST_EXPRESSION:
        raise Broken(f"expression of more than {MOST_EXPRESSION} bytes")
    stack: list[Place] = []
    at = 0
    while at < len(expression):
        operation = expression[at]
        at += 1
        if operation in _BINARY:
            _combine(stack, operation)
        elif operation in (_DEREF, _PLUS_UCONST):
            at = _change(stack, operation, expression, at)
        else:
            place, at = _pushed(expression, at, operation)
            if place.register is not None and place.register == pc_register:
                place = Place(None, pc + place.offset)
            stack.append(place)
        if len(stack) > _MOST_STACK:
            raise Broken(f"expression of more than {_MOST_STACK} values")
        # A hostile chain of multiplications and shifts would grow without end.
        if stack and not -_LIMIT <= stack[-1].offset < _LIMIT:
            raise Broken("expression out of range")
    if len(stack) != 1:
        raise Broken(f"expression that leaves {len(stack)} values")
    return stack[0]


def _pushed(data: bytes, at: int, operation: int) -> tuple[Place, int]:
    """What an operation without operands on the stack pushes, and where it ends."""
    if _BREG0 <= operation <= _BREG31:
        offset, at = sleb(data, at)
        return Place(operation - _BREG0, offset), at
    if operation == _BREGX:
        register, at = uleb(data, at)
        offset, at = sleb(data, at)
        return Place(register, offset), at
    if _LIT0 <= operation <= _LIT31:
        return Place(None, operation - _LIT0), at
    if operation == _CONSTU:
        value, at = uleb(data, at)
        return Place(None, value), at
    if operation == _CONSTS:
        value, at = sleb(data, at)
        return Place(None, value), at
    if operation in _FIXED:
        size, signed = _FIXED[operation]
        if at + size > len(data):
            raise Broken("truncated expression")
        return Place(None, int.from_bytes(data[at : at + size], "little", signed=signed)), at + size
    raise Broken(f"expression with operation {operation:#x}")


def _change(stack: list[Place], operation: int, data: bytes, at: int) -> int:
    """Apply what changes the topmost value alone; where the operation ends."""
    if not stack:
        raise Broken("expression without enough values")
    if operation == _PLUS_UCONST:
        value, at = uleb(data, at)
        stack[-1] = stack[-1].plus(value)
    elif stack[-1].read or stack[-1].register is None:
        raise Broken("expression that reads twice or at a constant")
    else:
        stack[-1] = stack[-1]._replace(read=True)
    return at


def _combine(stack: list[Place], operation: int) -> None:
    """Apply what takes two values: a register may only be moved by a constant."""
    if len(stack) < 2:
        raise Broken("expression without enough values")
    right, left = stack.pop(), stack.pop()
    if left.register is None and right.register is None:
        stack.append(Place(None, _BINARY[operation](left.offset, right.offset)))
    elif operation == _PLUS and left.register is None:
        stack.append(right.plus(left.offset))
    elif operation in (_PLUS, _MINUS) and right.register is None:
        stack.append(left.plus(-right.offset if operation == _MINUS else right.offset))
    else:
        raise Broken("expression that combines registers")
