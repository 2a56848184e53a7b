"""What differs between machines: register numbers, and which rows a rule can hold.

Register numbers are those of the psABIs' DWARF tables. Pure: a row in, a rule or the reason why
there is none out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ebpftrace.unwind.encoding import Broken
from ebpftrace.unwind.expressions import Place, place_of
from ebpftrace.unwind.program import ADDRESS, AT, IN, UNDEFINED, Row, Saved
from ebpftrace.unwind.rules import FP_BY_FP, FROM_FP, IN_LR, OUTERMOST, READ, STEP, Rule


@dataclass(frozen=True, slots=True)
class Machine:
    """The numbers of its registers; `pc` None: expressions cannot name it. `signs`: return
    addresses may be signed. `complete` makes a rule of `how`, `cfa`, `fp` and where the return
    address is saved.
    """

    fp: int
    sp: int
    returns: int
    pc: int | None
    signs: bool
    complete: Callable[[int, int, int, Saved | None], Rule]

    @property
    def kept(self) -> frozenset[int]:
        """The registers whose rules a walk needs."""
        return frozenset({self.fp, self.sp, self.returns})

    def rule_of(self, row: Row, return_register: int, pc: int) -> Rule:
        """The rule of `row` at `pc`, which is not a signal frame's. Broken: it cannot be told."""
        if return_register != self.returns:
            raise Broken(f"return address in register {return_register}")
        returned = row.saved.get(self.returns)
        if returned is not None and returned[0] == UNDEFINED:
            return OUTERMOST
        if self.sp in row.saved:
            raise Broken("stack pointer that is not the CFA")
        how, cfa, add = self._cfa(row, pc)
        saved = row.saved.get(self.fp)
        by_fp, fp = (0, 0) if saved is None else self._fp(saved, how, cfa, pc)
        rule = self.complete(how | by_fp, cfa, fp, returned)
        if add:
            rule = rule._replace(add=add)
        if not rule.fits:
            raise Broken("offset out of range")
        return rule

    def _cfa(self, row: Row, pc: int) -> tuple[int, int, int]:
        """`how`, `cfa` and `add` of a rule."""
        if row.expression is None:
            register, offset, read, add = row.register, row.offset, False, 0
        else:
            place = place_of(row.expression, pc, self.pc)
            if place.register is None:
                raise Broken("CFA that is a constant")
            register, offset, read, add = place.register, place.offset, place.read, place.add
            if read and self.signs:
                raise Broken("CFA that is read from memory")
        if register == self.sp:
            how = STEP
        elif register == self.fp:
            how = STEP | FROM_FP
        else:
            raise Broken(f"CFA from register {register}")
        return how | (READ if read else 0), offset, add

    def _fp(self, saved: Saved, how: int, cfa: int, pc: int) -> tuple[int, int]:
        """The bit and the offset by which the caller's frame pointer is found."""
        kind, value = saved
        if kind == AT and isinstance(value, int):
            if not value:
                raise Broken("frame pointer at the CFA")
            return 0, value
        if kind == UNDEFINED or (kind, value) == (IN, self.fp):
            return 0, 0
        if kind == ADDRESS and isinstance(value, bytes):
            return self._fp_at(place_of(value, pc, self.pc), how, cfa)
        if kind == IN:
            raise Broken(f"frame pointer in register {value!r}")
        raise Broken("frame pointer that is computed")

    def _fp_at(self, place: Place, how: int, cfa: int) -> tuple[int, int]:
        if not place.read and place.register == self.fp:
            return FP_BY_FP, place.offset
        from_cfa = place.offset - cfa
        if not place.read and place.register == self.sp and how == STEP and from_cfa:
            return 0, from_cfa
        raise Broken("frame pointer at an expression")


def _on_x86_64(how: int, cfa: int, fp: int, returned: Saved | None) -> Rule:
    if returned != (AT, -8):
        raise Broken("return address not at CFA-8")
    return Rule(how, cfa, fp)


def _on_aarch64(how: int, cfa: int, fp: int, returned: Saved | None) -> Rule:
    if returned is None:
        return Rule(how | IN_LR, cfa, fp)
    kind, at = returned
    if kind != AT or not isinstance(at, int):
        raise Broken("return address not at an offset from the CFA")
    if fp and not how & FP_BY_FP and at == fp + 8:
        return Rule(how, cfa, fp)
    if not at or at & 7:
        raise Broken(f"return address at CFA{at:+d}")
    return Rule(how, cfa, fp, at >> 3)


MACHINES: Final[Mapping[str, Machine]] = {
    "x86_64": Machine(fp=6, sp=7, returns=16, pc=16, signs=False, complete=_on_x86_64),
    "aarch64": Machine(fp=29, sp=31, returns=30, pc=None, signs=True, complete=_on_aarch64),
}
"""By the names of `ElfImage.machine`."""
