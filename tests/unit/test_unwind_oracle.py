"""Whole libraries, row by row, as readelf and pyelftools read them."""

import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from elftools.dwarf.callframe import FDE
from elftools.dwarf.dwarf_expr import DWARFExprParser
from elftools.elf.elffile import ELFFile

from ebpftrace.model.ids import ImageAddress
from ebpftrace.unwind.rules import (
    END,
    FP_BY_FP,
    FROM_FP,
    OUTERMOST,
    READ,
    SIGNAL,
    SIGNALLED,
    STEP,
    UNKNOWN,
    Found,
    Rule,
)
from ebpftrace.unwind.table import UnwindTable
from tests.unit.cfi_builder import RBP, RIP, RSP, image_at
from tests.unit.readelf_rows import Row, find_library, rows_of

# With the most rows of a hundred that no rule can express: assembly of libcrypto keeps its CFA in
# any register.
LIBRARIES = {
    "libc.so.6": 0.1,
    "libstdc++.so.6": 0.1,
    "ld-linux-x86-64.so.2": 1.0,
    "libcrypto.so.3": 1.2,
    "python3": 0.1,
}
REASONS = re.compile(
    r"CFA from register \d+"
    r"|return address not at CFA-8"
    r"|stack pointer that is not the CFA"
    r"|expression that combines registers"
)
BASED = re.compile(r"(rsp|rbp)([+-]\d+)")
SAVED = re.compile(r"c([+-]\d+)")
EXPRESSIONS = {0x0F, 0x10}  # DW_CFA_def_cfa_expression, DW_CFA_expression
UNREAD = {0x2E}  # DW_CFA_GNU_args_size: pyelftools raises on it
MASK = (1 << 64) - 1


def library(name: str) -> Path:
    if name == "python3":
        return Path(os.path.realpath(sys.executable))
    if name == "libcrypto.so.3":
        return find_library(name, "libcrypto.so.1.1")
    return find_library(name)


def rule_of(row: Row) -> Rule | str | None:
    """What the rule of a printed row has to be; None: none can be; "": an expression decides."""
    columns = {"rbp": "u", "rsp": "u"} | row.columns
    if row.signal:
        return SIGNALLED
    if columns["ra"] == "u":
        return OUTERMOST
    if columns["ra"] != "c-8" or columns["rsp"] != "u":
        return None
    if "exp" in (columns["CFA"], columns["rbp"]):
        return ""
    based = BASED.fullmatch(columns["CFA"])
    if based is None:
        return None
    how = STEP | (FROM_FP if based[1] == "rbp" else 0)
    if columns["rbp"] in ("u", "s"):
        return Rule(how, int(based[2]))
    saved = SAVED.fullmatch(columns["rbp"])
    return Rule(how, int(based[2]), int(saved[1])) if saved and int(saved[1]) else None


@pytest.mark.parametrize("name", LIBRARIES)
def test_every_row_of_a_library_is_the_one_that_readelf_prints(name):
    path = library(name)
    with image_at(path) as image:
        table = UnwindTable(image)
        stretches = list(table.every_row())
        rows = list(rows_of(path))
        assert [(s.start, s.end) for s in stretches] == [(r.start, r.end) for r in rows]
        assert rows
        wrong = []
        unknown: Counter[str] = Counter()
        for row, (_, _, found) in zip(rows, stretches, strict=True):
            expected = rule_of(row)
            fits = found.rule.how == UNKNOWN if expected is None else found.rule == expected
            if expected != "" and (not fits or bool(found.why) != (expected is None)):
                wrong.append((row, found))
            if found.why:
                unknown[found.why] += 1
            last = ImageAddress(row.end - 1)
            if expected != "" and table.rule_at(last).rule != found.rule:
                wrong.append((row, table.rule_at(last)))
        assert not wrong[:5]
        assert all(REASONS.fullmatch(reason) for reason in unknown), unknown
        assert sum(unknown.values()) <= len(rows) * LIBRARIES[name] / 100, unknown


def memory(address: int) -> int:
    """The word at `address` of a stack made up for the comparison."""
    return (address * 0x9E3779B97F4A7C15 >> 7) & 0xFFFFFFF8


def computed(code: list[int], registers: dict[int, int], parser: DWARFExprParser) -> int:
    """The value of an expression, as DWARF 5, 2.5.1 has it."""
    stack: list[int] = []
    combine: dict[str, Callable[[int, int], int]] = {
        "DW_OP_plus": lambda a, b: a + b,
        "DW_OP_minus": lambda a, b: a - b,
        "DW_OP_mul": lambda a, b: a * b,
        "DW_OP_and": lambda a, b: a & b,
        "DW_OP_shl": lambda a, b: a << b,
        "DW_OP_ge": lambda a, b: int(a >= b),
    }
    for operation in parser.parse_expr(code):
        name = operation.op_name
        if name.startswith("DW_OP_breg"):
            stack.append(registers[int(name[10:])] + operation.args[0])
        elif name.startswith("DW_OP_lit"):
            stack.append(int(name[9:]))
        elif name.startswith("DW_OP_const"):
            stack.append(operation.args[0])
        elif name == "DW_OP_plus_uconst":
            stack[-1] += operation.args[0]
        elif name == "DW_OP_deref":
            stack[-1] = memory(stack[-1])
        else:
            right, left = stack.pop(), stack.pop()
            stack.append(combine[name](left, right))
    return stack[-1] & MASK


def by_oracle(
    cfa: Any, fp: Any, registers: dict[int, int], parser: DWARFExprParser
) -> tuple[int, int]:
    """The CFA, and where the caller's frame pointer is saved, 0: in rbp still."""
    if cfa.expr is not None:
        base = computed(cfa.expr, registers, parser)
    else:
        base = registers[cfa.reg] + cfa.offset
    if fp is None or fp.type in ("UNDEFINED", "SAME_VALUE"):
        return base, 0
    if fp.type == "OFFSET":
        return base, base + fp.arg
    assert fp.type == "EXPRESSION"
    return base, computed(fp.arg, registers, parser)


def by_rule(rule: Rule, registers: dict[int, int]) -> tuple[int, int]:
    base = (registers[RBP] if rule.how & FROM_FP else registers[RSP]) + rule.cfa
    if rule.how & READ:
        base = memory(base) + rule.add
    if rule.how & FP_BY_FP:
        return base, registers[RBP] + rule.fp
    return base, base + rule.fp if rule.fp else 0


def chosen(entries: list[FDE]) -> Iterator[FDE]:
    """Those with an expression, the first 200 of them, and 150 others."""
    read = [entry for entry in entries if not uses(entry, UNREAD)]
    yield from [entry for entry in read if uses(entry, EXPRESSIONS)][:200]
    yield from random.Random(7).sample(read, min(150, len(read)))


def uses(entry: FDE, opcodes: set[int]) -> bool:
    return any(instruction.opcode in opcodes for instruction in entry.instructions)


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_rule_leads_where_the_expressions_that_pyelftools_reads_lead(name):
    path = library(name)
    with image_at(path) as image, path.open("rb") as file:
        table = UnwindTable(image)
        dwarf = ELFFile(file).get_dwarf_info()
        entries = [entry for entry in dwarf.EH_CFI_entries() if isinstance(entry, FDE)]
        parser = DWARFExprParser(entries[0].structs)
        compared = 0
        for entry in chosen(entries):
            for line in entry.get_decoded().table:
                found = table.rule_at(ImageAddress(line["pc"]))
                compared += compare(line, found, parser)
    assert compared > 100


def compare(line: Any, found: Found, parser: DWARFExprParser) -> bool:
    """Whether there was a rule to compare with a row of pyelftools."""
    if found.rule.how & (END | SIGNAL | UNKNOWN):
        return False
    registers = {RSP: 0x7FFC_0000_1000, RBP: 0x7FFC_0000_2340, RIP: line["pc"]}
    assert (line[RIP].type, line[RIP].arg) == ("OFFSET", -8)
    expected = by_oracle(line["cfa"], line.get(RBP), registers, parser)
    assert by_rule(found.rule, registers) == expected, line
    return True
