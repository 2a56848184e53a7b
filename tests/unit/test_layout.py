"""The C header and its Python mirror are one truth."""

import ctypes
import subprocess
from pathlib import Path

import pytest

from ebpftrace.kernel import layout, sources
from ebpftrace.model.calls import CallKind
from ebpftrace.model.losses import LOSSES
from ebpftrace.probes.faults import COPY, FAULT, MEMORY
from ebpftrace.probes.mappings import MAPPING_FUNCTIONS, THREAD_STACK
from ebpftrace.probes.numbers import PASSED
from ebpftrace.unwind import rules


def _c_name(name: str) -> str:
    return name.upper().replace(" ", "_")


STRUCTS: dict[str, type[ctypes.Structure]] = {
    "control": layout.Control,
    "code_range": layout.CodeRange,
    "slot_state": layout.SlotState,
    "block": layout.Block,
    "in_flight": layout.InFlight,
    "cohort_key": layout.CohortKey,
    "cohort": layout.Cohort,
    "event": layout.Event,
    "return_offsets": layout.ReturnOffsets,
    "exit_offsets": layout.ExitOffsets,
    "pid_offsets": layout.PidOffsets,
    "fault_offsets": layout.FaultOffsets,
    "fault_key": layout.FaultKey,
    "faults": layout.Faults,
    "fault_seen": layout.FaultSeen,
    "rule_entry": layout.RuleEntry,
    "replaced": layout.Replaced,
    "mapping_code": layout.MappingCode,
    "mapping_event": layout.MappingEvent,
    "miss": layout.Miss,
    "call": layout.Call,
}
NUMBERS = {
    "SLOTS": layout.SLOTS,
    "CODE_RANGES": layout.CODE_RANGES,
    "FUNCTIONS": layout.FUNCTIONS,
    "CONTROL_ARMED": layout.CONTROL_ARMED,
    "CONTROL_COUNTING": layout.CONTROL_COUNTING,
    "COOKIE_ZERO_FREES": layout.COOKIE_ZERO_FREES,
    "COOKIE_BY_EXITS": layout.COOKIE_BY_EXITS,
    "COOKIE_YIELDS": layout.COOKIE_YIELDS,
    "NO_REGISTER": layout.NO_REGISTER,
    "FUNCTION_PASSED": PASSED,
    "COOKIE_MAPPING": layout.COOKIE_MAPPING,
    "FAULT_INHERITED": layout.FAULT_INHERITED,
    "FAULT_COPIED": layout.FAULT_COPIED,
    "FAULT_ADDRESSES": layout.FAULT_ADDRESSES,
    "TOUCHED_BITS": layout.TOUCHED_BITS,
    "FAMILY_MEMORY": MEMORY.id,
    "FUNCTION_FAULT": FAULT.id,
    "FUNCTION_COPY": COPY.id,
    "EVENT_MAPPING": layout.EVENT_MAPPING,
    **{f"MAPPING_{step.name}": step.value for step in layout.MappingStep},
    **{f"FUNCTION_{_c_name(one.name)}": one.id for one in (*MAPPING_FUNCTIONS, THREAD_STACK)},
    "CONTROL_LEARNING": layout.CONTROL_LEARNING,
    "CONTROL_DRAINING": layout.CONTROL_DRAINING,
    "CONTROL_DRAINED": layout.CONTROL_DRAINED,
    "EVENT_STACK": layout.EVENT_STACK,
    "EVENT_MISS": layout.EVENT_MISS,
    "SLICE_BYTES": layout.SLICE_BYTES,
    "SHORT_SLICE_BYTES": layout.SHORT_SLICE_BYTES,
    "MOST_PENDING": layout.MOST_PENDING,
    "EXIT_CODE": layout.EXIT_CODE,
    "EXIT_TOLD": layout.EXIT_TOLD,
    "EXIT_OOM": layout.EXIT_OOM,
    "EVENT_THREAD_EXIT": layout.EVENT_THREAD_EXIT,
    "EVENT_EXEC": layout.EVENT_EXEC,
    "EVENT_FORK": layout.EVENT_FORK,
    "EVENT_LOADED": layout.EVENT_LOADED,
    "WATCH_HELD": layout.WATCH_HELD,
    "MISS_COUNTED": layout.MISS_COUNTED,
    "MISS_HELD": layout.MISS_HELD,
    "HASH_SEED": layout.HASH_SEED,
    "HASH_FACTOR": layout.HASH_FACTOR,
    "LOSSES": layout.LOSS_COUNT,
}
COOKIES = {
    "entry": layout.cookie(1023, "resize", 200, 63, second=True)
    | layout.entry_cookie(1, pointer=15, out=2),
    "exit": layout.cookie(5, "exit", 13, 1) | layout.exit_cookie(11, 254, 22, 16),
}
PARTS = (
    *("SLOT", "ROLE", "SECOND", "FUNCTION", "CALLED"),
    *("SIZE", "COUNT", "POINTER", "OUT"),
    *("RESULT", "RETURN_AT", "FP_AT", "CONDITION"),
)
HOW = ("FROM_FP", "READ", "IN_LR", "FP_BY_FP", "GUESS", "END", "SIGNAL", "UNKNOWN", "STEP")
PCS = (0x7F0012345678, 0x401000, 0xFFFFFFFFFF600000)


@pytest.fixture(scope="module")
def header(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """What a C compiler makes of bpf/shared.h: every size, offset and number by name."""
    lines = []
    for name, mirror in STRUCTS.items():
        lines.append(f'say("{name}", sizeof(struct {name}));')
        for field, *_ in mirror._fields_:
            lines.append(f'say("{name}.{field}", offsetof(struct {name}, {field}));')
    lines += [f'say("{name}", {name});' for name in NUMBERS]
    lines += [f'say("LOSS_{x.name.upper()}", LOSS_{x.name.upper()});' for x in LOSSES]
    for name, cookie in COOKIES.items():
        lines += [f'say("{name}.{x}", COOKIE_{x}({cookie}ULL));' for x in PARTS]
    lines += [f'say("ROLE_{x.upper()}", ROLE_{x.upper()});' for x in layout.ROLES]
    lines.append("u64 hash = hash_step(HASH_SEED, 1);")
    lines += [f"hash = hash_step(hash, {pc}ULL);" for pc in PCS]
    lines.append("hash = hash_step(hash, END_OUTERMOST | 1 << 8);")
    lines.append('say("hash", hash);')
    lines += [f'say("END_{x.name}", END_{x.name});' for x in rules.End]
    lines += [f'say("RULE_{name}", RULE_{name});' for name in HOW]
    lines.append("struct rule rule = {-123456, -77, RULE_STEP | RULE_READ, (u8)-5};")
    lines.append('say("rule", *(u64 *)&rule);')
    lines += [f'say("CALL_{x.name}", CALL_{x.name});' for x in CallKind]
    lines.append(f'say("key", SLOT_KEY(1023, {PCS[0]}ULL));')
    source = f"""
        #include <stddef.h>
        #include <stdio.h>
        #include "{sources.folder() / "shared.h"}"
        static void say(const char *name, unsigned long long value)
        {{ printf("%s %llu\\n", name, value); }}
        int main(void) {{ {" ".join(lines)} return 0; }}
    """
    folder: Path = tmp_path_factory.mktemp("layout")
    (folder / "layout.c").write_text(source)
    program = folder / "layout"
    subprocess.run(
        ["cc", "-Wall", "-Werror", "-fno-strict-aliasing", "-o", program, folder / "layout.c"],
        check=True,
    )
    said = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    return {name: int(value) for name, value in map(str.split, said.splitlines())}


@pytest.mark.parametrize("name", STRUCTS)
def test_every_struct_has_the_size_and_offsets_of_the_header(
    name: str, header: dict[str, int]
) -> None:
    mirror = STRUCTS[name]
    assert ctypes.sizeof(mirror) == header[name]
    for field, *_ in mirror._fields_:
        assert getattr(mirror, field).offset == header[f"{name}.{field}"]


@pytest.mark.parametrize("name", NUMBERS)
def test_every_number_is_the_header_s(name: str, header: dict[str, int]) -> None:
    assert NUMBERS[name] == header[name]


def test_losses_are_named_and_ordered_as_in_the_header(header: dict[str, int]) -> None:
    assert [header[f"LOSS_{loss.name.upper()}"] for loss in LOSSES] == list(range(len(LOSSES)))


@pytest.mark.parametrize(
    "name, part, value",
    [
        *(("entry", "SLOT", 1023), ("entry", "ROLE", 2), ("entry", "SECOND", 1)),
        *(("entry", "FUNCTION", 200), ("entry", "CALLED", 200 | 63 << 8), ("entry", "SIZE", 1)),
        *(("entry", "COUNT", 31), ("entry", "POINTER", 15), ("entry", "OUT", 2)),
        *(("exit", "ROLE", 4), ("exit", "RESULT", 11), ("exit", "RETURN_AT", 254)),
        *(("exit", "FP_AT", 22), ("exit", "CONDITION", 16), ("exit", "SECOND", 0)),
    ],
)
def test_a_cookie_is_taken_apart_as_it_was_put_together(
    name: str, part: str, value: int, header: dict[str, int]
) -> None:
    assert header[f"{name}.{part}"] == value


def test_flags_of_a_cookie_share_no_bit_with_its_numbers(header: dict[str, int]) -> None:
    flags = layout.COOKIE_BY_EXITS, layout.COOKIE_YIELDS, layout.COOKIE_ZERO_FREES
    plain = layout.cookie(1023, "exit", 255, 63, second=True)
    flagged = layout.cookie(
        1023, "exit", 255, 63, second=True, zero_frees=True, by_exits=True, yields=True
    )
    assert flagged ^ plain == sum(flags)
    assert header["COOKIE_BY_EXITS"] == layout.COOKIE_BY_EXITS


def test_roles_have_the_numbers_of_the_header(header: dict[str, int]) -> None:
    assert {x: header[f"ROLE_{x.upper()}"] for x in layout.ROLES} == layout.ROLES


def test_user_space_computes_the_kernel_s_stack_hash(header: dict[str, int]) -> None:
    assert layout.stack_hash(PCS, 1, rules.End.OUTERMOST, guessed=True) == header["hash"]


@pytest.mark.parametrize("end", rules.End)
def test_a_walk_ends_by_the_same_numbers_on_both_sides(
    end: rules.End, header: dict[str, int]
) -> None:
    assert header[f"END_{end.name}"] == end


@pytest.mark.parametrize("name", HOW)
def test_a_rule_says_how_by_the_same_bits_on_both_sides(name: str, header: dict[str, int]) -> None:
    assert header[f"RULE_{name}"] == getattr(rules, name)


def test_kinds_of_calls_have_the_numbers_of_the_header(header: dict[str, int]) -> None:
    assert {kind.name: header[f"CALL_{kind.name}"] for kind in CallKind} == {
        kind.name: kind.value for kind in CallKind
    }


def test_a_packed_rule_is_the_header_s(header: dict[str, int]) -> None:
    assert rules.Rule(rules.STEP | rules.READ, -123456, -77, -5).pack() == header["rule"]


def test_a_key_is_the_header_s(header: dict[str, int]) -> None:
    assert layout.slot_key(1023, PCS[0]) == header["key"]


@pytest.mark.parametrize(
    "packed, mirror",
    [
        (layout.COHORT_KEY, layout.CohortKey),
        (layout.COHORT, layout.Cohort),
        (layout.BLOCK, layout.Block),
        (layout.EVENT, layout.Event),
        (layout.CALL, layout.Call),
    ],
)
def test_struct_formats_agree_with_the_mirror(
    packed: object, mirror: type[ctypes.Structure]
) -> None:
    assert packed.size == ctypes.sizeof(mirror)  # type: ignore[attr-defined]
