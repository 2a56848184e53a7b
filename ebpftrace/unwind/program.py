"""The program of an FDE or a CIE: which registers are saved where, row by row (DWARF 5, 6.4.2).

Every instruction takes at least a byte of an entry whose length `entries` bounds, none goes back,
and only the registers that a walk needs are kept: so time and memory are bounded too.
"""

import struct
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from ebpftrace.unwind.encoding import Broken, pointer, sleb, uleb
from ebpftrace.unwind.expressions import MOST_EXPRESSION

_MOST_REMEMBERED = 64  # compilers nest two

AT, IN, UNDEFINED, ADDRESS, AT_VALUE, VALUE = (
    "at",
    "in",
    "undefined",
    "address",
    "value",
    "computed",
)
Saved = tuple[str, int | bytes]
"""AT CFA + offset; IN another register; UNDEFINED; at the ADDRESS that an expression computes;
AT_VALUE: CFA + offset itself; VALUE: what an expression computes itself."""

_U16, _U32 = struct.Struct("<H"), struct.Struct("<I")


class Row(NamedTuple):
    """The rules of some addresses. Where `expression` is None, the CFA is `register` + `offset`."""

    register: int
    offset: int
    expression: bytes | None
    saved: dict[int, Saved]


NO_ROW: Final = Row(-1, 0, None, {})


class Scale(NamedTuple):
    """How a CIE has its FDEs' programs read; `kept`: the registers whose rules are wanted."""

    code: int
    data: int
    encoding: int
    kept: Collection[int]
    aarch64: bool


class Program:
    """A run of one program from `location` on. Broken where it is bad, IndexError or struct.error
    where it is cut short.
    """

    __slots__ = (
        "_address",
        "_at",
        "_data",
        "_remembered",
        "_scale",
        "expression",
        "initial",
        "location",
        "offset",
        "register",
        "saved",
    )

    def __init__(
        self, data: bytes, address: int, scale: Scale, initial: Row, location: int
    ) -> None:
        """For the instructions `data`, whose first byte is at `address`."""
        self._data = data
        self._at = 0
        self._address = address
        self._scale = scale
        self._remembered: list[Row] = []
        self.initial = initial.saved
        self.location = location
        self.register, self.offset, self.expression = initial[:3]
        self.saved = dict(initial.saved)

    @property
    def row(self) -> Row:
        """The rules that hold now; changed by running on."""
        return Row(self.register, self.offset, self.expression, self.saved)

    def run(self, target: int) -> bool:
        """Run on until the row of `target` is there; `location` is then where the next row starts.
        False where the program ends with that row.
        """
        data, at, end = self._data, self._at, len(self._data)
        code, scale, kept = self._scale.code, self._scale.data, self._scale.kept
        while at < end:
            operation = data[at]
            at += 1
            if operation >= 0x80:  # DW_CFA_offset, DW_CFA_restore
                register = operation & 0x3F
                if operation >= 0xC0:
                    self.restore(register)
                    continue
                value = data[at]
                at += 1
                if value >= 0x80:
                    value, at = uleb(data, at - 1)
                if register in kept:
                    self.saved[register] = AT, value * scale
            elif operation >= 0x40:  # DW_CFA_advance_loc
                self.location += (operation & 0x3F) * code
                if self.location > target:
                    self._at = at
                    return True
            else:
                self._at = at
                action = _ACTIONS.get(operation)
                if action is None:
                    raise Broken(f"call frame instruction {operation:#x}")
                action(self)
                at = self._at
                if operation in _ADVANCES and self.location > target:
                    return True
        self._at = at
        return False

    def uleb(self) -> int:
        value = self._data[self._at]
        if value < 0x80:
            self._at += 1
        else:
            value, self._at = uleb(self._data, self._at)
        return value

    def sleb(self) -> int:
        value, self._at = sleb(self._data, self._at)
        return value

    def advance(self, layout: struct.Struct) -> None:
        self.location += layout.unpack_from(self._data, self._at)[0] * self._scale.code
        self._at += layout.size

    def advance_byte(self) -> None:
        self.location += self._data[self._at] * self._scale.code
        self._at += 1

    def set_location(self) -> None:
        encoding, at = self._scale.encoding, self._at
        location, self._at = pointer(self._data, at, encoding, self._address + at, None)
        if location < self.location:
            raise Broken("location that goes back")
        self.location = location

    def block(self) -> bytes:
        length = self.uleb()
        end = self._at + length
        if end > len(self._data):
            raise Broken("expression longer than its entry")
        # Rows are kept with CIEs: of what `place_of` refuses for its length, no more than shows it.
        found = self._data[self._at : min(end, self._at + MOST_EXPRESSION + 1)]
        self._at = end
        return found

    def save(self, register: int, saved: Saved | None) -> None:
        """Note where `register` is; None: nowhere else than in itself."""
        if register not in self._scale.kept:
            return
        if saved is None:
            self.saved.pop(register, None)
        else:
            self.saved[register] = saved

    def restore(self, register: int) -> None:
        self.save(register, self.initial.get(register))

    def remember(self) -> None:
        if len(self._remembered) >= _MOST_REMEMBERED:
            raise Broken(f"more than {_MOST_REMEMBERED} remembered rows")
        self._remembered.append(self.row._replace(saved=dict(self.saved)))

    def restore_row(self) -> None:
        if not self._remembered:
            raise Broken("restored row that was not remembered")
        self.register, self.offset, self.expression, self.saved = self._remembered.pop()

    def define(self, register: int, offset: int) -> None:
        self.register, self.offset, self.expression = register, offset, None

    def scaled(self, signed: bool) -> int:
        return (self.sleb() if signed else self.uleb()) * self._scale.data

    def change_offset(self, offset: int) -> None:
        self.offset = offset

    def compute(self) -> None:
        self.expression = self.block()

    def pass_over(self) -> None:
        """A nop: entries are filled up with them."""

    def negate(self) -> None:
        """The return address is signed from here on, or no longer: a walk strips it anyway."""
        if not self._scale.aarch64:
            raise Broken("call frame instruction of another machine")


# The names of DWARF 5, table 7.29, in its order, then those of GNU and AArch64 ("DWARF for the Arm
# 64-bit Architecture", 4.4.1). Arguments are read from left to right.
_ACTIONS: Final[dict[int, Callable[[Program], None]]] = {
    0x00: Program.pass_over,
    0x01: Program.set_location,
    0x02: Program.advance_byte,
    0x03: lambda p: p.advance(_U16),
    0x04: lambda p: p.advance(_U32),
    0x05: lambda p: p.save(p.uleb(), (AT, p.scaled(False))),  # offset_extended
    0x06: lambda p: p.restore(p.uleb()),  # restore_extended
    0x07: lambda p: p.save(p.uleb(), (UNDEFINED, 0)),
    0x08: lambda p: p.save(p.uleb(), None),  # same_value
    0x09: lambda p: p.save(p.uleb(), (IN, p.uleb())),  # register
    0x0A: Program.remember,
    0x0B: Program.restore_row,
    0x0C: lambda p: p.define(p.uleb(), p.uleb()),  # def_cfa
    0x0D: lambda p: p.define(p.uleb(), p.offset),  # def_cfa_register
    0x0E: lambda p: p.change_offset(p.uleb()),  # def_cfa_offset
    0x0F: Program.compute,  # def_cfa_expression
    0x10: lambda p: p.save(p.uleb(), (ADDRESS, p.block())),  # expression
    0x11: lambda p: p.save(p.uleb(), (AT, p.scaled(True))),  # offset_extended_sf
    0x12: lambda p: p.define(p.uleb(), p.scaled(True)),  # def_cfa_sf
    0x13: lambda p: p.change_offset(p.scaled(True)),  # def_cfa_offset_sf
    0x14: lambda p: p.save(p.uleb(), (AT_VALUE, p.scaled(False))),  # val_offset
    0x15: lambda p: p.save(p.uleb(), (AT_VALUE, p.scaled(True))),  # val_offset_sf
    0x16: lambda p: p.save(p.uleb(), (VALUE, p.block())),  # val_expression
    0x2C: Program.negate,  # AARCH64_negate_ra_state_with_pc
    0x2D: Program.negate,  # AARCH64_negate_ra_state
    0x2E: lambda p: p.save(-1, (UNDEFINED, p.uleb())),  # GNU_args_size, which no walk needs
    0x2F: lambda p: p.save(p.uleb(), (AT, -p.scaled(False))),  # GNU_negative_offset_extended
}
_ADVANCES: Final = frozenset({0x01, 0x02, 0x03, 0x04})
