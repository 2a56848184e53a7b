"""`probes` says in few lines what would be probed, allocator by allocator."""

from dataclasses import replace

from ebpftrace.model.ids import FileOffset, ImageAddress
from ebpftrace.probes.decode import Cost
from ebpftrace.probes.exits import Exit
from ebpftrace.probes.families import FAMILIES
from ebpftrace.probes.plan import Plan, Probe
from ebpftrace.probes.table import describe, parts
from tests.unit.elf_builder import Elf, Sym
from tests.unit.probe_builders import module, probe
from tests.unit.workbench import CODE

TCMALLOC = next(family for family in FAMILIES if family.name == "tcmalloc")
LIBC, LIBTCMALLOC = module("/lib/libc.so.6"), module("/lib/libtcmalloc.so.4")
NEW = next(f for f in TCMALLOC.functions if f.name == "operator new")
DELETE = next(f for f in TCMALLOC.functions if f.name == "operator delete")


def of_tcmalloc(*names: str, function=NEW, start: int = 0x1000) -> Probe:
    return replace(
        probe(module=LIBTCMALLOC, offset=start),
        family=TCMALLOC,
        function=function,
        names=names or ("_Znwm", "tc_new"),
    )


def exit_at(entry: Probe, moved: int, instruction: str = "jne 0x1", cost: Cost = "emulated"):
    place = Exit(ImageAddress(entry.image_address + moved), 2, instruction, cost, 0)
    return replace(
        entry,
        kind="exit",
        offset=FileOffset(entry.offset + moved),
        moved=moved,
        instruction=instruction,
        cost=cost,
        leaves=place,
    )


def planned(*probes: Probe, notes: tuple[str, ...] = ()) -> Plan:
    families = tuple(dict.fromkeys(each.family.name for each in probes))
    return Plan(probes, families, notes)


def only_row(*probes: Probe, price=None):
    (part,) = parts(planned(*probes), price)
    (row,) = part.rows
    return row


def test_the_allocators_stand_on_top_and_each_has_a_table_of_its_own():
    made = planned(probe("free", LIBC), of_tcmalloc(), probe("malloc", LIBC, offset=0x200))
    lines = describe(made)
    assert lines[0] == "allocators: glibc, tcmalloc"
    assert [line for line in lines if " in /" in line] == [
        "glibc in /lib/libc.so.6",
        "tcmalloc in /lib/libtcmalloc.so.4",
    ]
    assert [line.split()[:3] for line in lines if "FUNCTION" in line] == [
        ["FUNCTION", "PROBES", "OFFSET"]
    ] * 2
    glibc, tcmalloc = parts(made)
    assert [row.function.split()[0] for row in glibc.rows] == ["free", "malloc"]
    assert [row.function.split(" (")[0] for row in tcmalloc.rows] == ["operator new"]


def test_an_entry_and_its_return_are_one_row_and_the_notes_come_last(bench):
    bench.module(Elf([Sym("calloc"), Sym("malloc", 16), Sym("__libc_malloc", 16)], CODE))
    made = bench.plan()
    assert [row.kinds for part in parts(made) for row in part.rows] == ["entry+return"] * 2
    lines = describe(made)
    assert any("malloc (also __libc_malloc)" in line and "0x1010" in line for line in lines)
    assert lines[-1].startswith("note: ")


def test_all_exits_of_a_function_are_one_row_with_how_many_are_stepped_through():
    entry = of_tcmalloc()
    stepped = exit_at(entry, -182, "ret", "single-stepped")
    exits = [exit_at(entry, 124), stepped, exit_at(entry, -283)]
    (part,) = parts(
        planned(*exits, entry), lambda each: 7000 if each.cost == "single-stepped" else 700
    )
    of_entry, of_exits = part.rows
    assert (of_entry.kinds, of_entry.cost) == ("entry", "700 ns, emulated")
    assert (of_exits.function, of_exits.kinds) == ("operator new", "3 exits")
    assert of_exits.cost == "+700 ns, 2 emulated; +7,000 ns, 1 single-stepped"
    assert of_exits.instruction == "jne, ret"


def test_offsets_have_one_sign_and_those_of_many_exits_are_cut():
    entry = of_tcmalloc()
    few = [exit_at(entry, moved) for moved in (124, -283)]
    many = [exit_at(entry, moved) for moved in (-52, 1, 2, 3, 4, 5)]
    assert only_row(*few).offset == "0x1000-283,+124"
    assert only_row(*many).offset == "0x1000-52,+1,+2,+3 and 2 more"
    assert only_row(replace(probe(offset=0x109), moved=9)).offset == "0x100+9"
    assert only_row(probe(offset=0x100)).offset == "0x100"


def test_mangled_names_are_said_as_in_the_source():
    assert only_row(of_tcmalloc("_Znwm", "tc_new", "_Znam")).function == (
        "operator new (also operator new[], tc_new)"
    )
    row = only_row(of_tcmalloc("_ZdlPvm", "_ZdaPvSt11align_val_t", function=DELETE))
    assert row.function == "operator delete(size) (also operator delete[](align_val_t))"


def test_of_many_names_four_places_are_used_and_the_rest_counted():
    names = ("free", "cfree", "tc_free", "tc_cfree", "_ZdlPv", "_ZdaPv", "tc_delete")
    assert only_row(of_tcmalloc(*names)).function == (
        "free (also operator delete, operator delete[], cfree, 3 more)"
    )


def test_no_mangled_name_of_a_known_function_is_shown():
    for family in FAMILIES:
        for function in family.functions:
            for name in function.names:
                assert "_Z" not in only_row(of_tcmalloc(name, function=function)).function
