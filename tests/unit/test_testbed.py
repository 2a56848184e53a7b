"""Our own machine code does what its comments say, and what a trial's outcome proves."""

import ctypes
import json
import platform
import signal

import capstone
import pytest

from ebpftrace.kernel import testbed
from ebpftrace.kernel.probe_trials import ProbeTrial
from ebpftrace.kernel.testbed import FUNCTIONS, STEPPED, Testbed, image
from ebpftrace.kernel.trial_children import survived

Called = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_long, ctypes.c_long)
MACHINES = {
    "x86_64": (capstone.CS_ARCH_X86, capstone.CS_MODE_64),
    "aarch64": (capstone.CS_ARCH_ARM64, capstone.CS_MODE_ARM),
}
has_code = pytest.mark.skipif(platform.machine() not in MACHINES, reason="we have no code for this")


def disassembled(start: int, end: int, machine: str = "x86_64") -> list[str]:
    decoder = capstone.Cs(*MACHINES[machine])
    code = decoder.disasm(image(machine)[start:end], start)
    return [f"{step.address - start} {step.mnemonic} {step.op_str}".strip() for step in code]


def test_a_probe_finds_a_push_at_the_start_of_a_function_and_a_mov_behind_its_frame():
    for number in range(1, FUNCTIONS + 1):
        at = testbed.function(number)
        text = disassembled(at, at + 9)
        assert text[0] == "0 push rbp"
        assert f"{STEPPED} mov rax, rdi" in text
        assert text[-1] == "8 ret"


def test_on_arm64_a_probe_finds_what_is_simulated_and_what_is_stepped_before_the_frame():
    for number in range(1, FUNCTIONS + 1):
        at = testbed.function(number)
        assert disassembled(at, at + 28, "aarch64") == [
            f"0 adr x9, #{at:#x}",
            f"{STEPPED} mov x9, x0",
            "8 stp x29, x30, [sp, #-0x10]!",
            "12 mov x29, sp",
            "16 mov x0, x9",
            "20 ldp x29, x30, [sp], #0x10",
            "24 ret",
        ]


def test_frames_lie_above_the_loop_by_calls_of_the_same_code():
    calls = [text for text in disassembled(80, 104) if "call" in text]
    assert calls == ["8 call 0", "17 call 0x50"]
    calls = [text for text in disassembled(80, 116, "aarch64") if "bl" in text]
    assert calls == ["12 bl #0", "24 bl #0x50"]


def test_nothing_but_system_calls_happens_behind_a_guard():
    assert disassembled(128, 161) == [
        "0 push rbp",
        "1 mov rbp, rsp",
        "4 mov r13, r8",
        "7 mov eax, ecx",
        "9 syscall",
        "11 mov edi, 2",
        "16 test rax, rax",
        "19 jne 0x9a",  # 26, the exit with status 2
        "21 call r13",
        "24 xor edi, edi",
        "26 mov eax, 0x3c",
        "31 syscall",
    ]


def test_nothing_but_system_calls_happens_behind_a_guard_on_arm64():
    assert disassembled(128, 168, "aarch64") == [
        "0 mov x19, x4",
        "4 mov w8, w3",
        "8 svc #0",
        "12 mov x20, x0",
        "16 mov x0, #2",
        "20 cbnz x20, #0xa0",  # 32, the exit with status 2
        "24 blr x19",
        "28 mov x0, #0",
        "32 mov x8, #0x5d",
        "36 svc #0",
    ]


def test_there_is_no_code_for_another_machine():
    with pytest.raises(OSError, match="no machine code for riscv64"):
        image("riscv64")


@pytest.mark.parametrize("number", [0, FUNCTIONS + 1])
def test_a_function_that_is_not_there_is_refused(number: int):
    with pytest.raises(ValueError, match="no function"):
        testbed.function(number)


@has_code
@pytest.mark.parametrize("depth", [0, 10])
def test_the_loop_calls_with_addresses_16_bytes_apart(depth: int):
    seen: list[tuple[int, int]] = []

    def call(address: int, size: int) -> int:
        seen.append((address, size))
        return address

    callback = Called(call)
    with Testbed() as bed:
        where = ctypes.cast(callback, ctypes.c_void_p).value
        assert where
        assert bed.run(where - bed.address, 3, 0x1000, depth) > 0
    assert seen == [(0x1000, 64), (0x1010, 64), (0x1020, 64)]


@has_code
def test_a_loop_of_no_calls_is_refused_as_it_would_not_end():
    with Testbed() as bed, pytest.raises(ValueError, match="would not end"):
        bed.run(bed.function(1), 0, 0)


def test_a_trial_goes_to_json_and_back():
    trial = ProbeTrial(entry_ns=570.5, refused={"multi": "it is so"}, survives_seccomp=False)
    assert ProbeTrial.from_object(json.loads(json.dumps(trial.as_object()))) == trial


@pytest.mark.parametrize(
    "status, returns, proven",
    [
        (0, 1, True),
        (-signal.SIGSYS, 0, False),
        (-signal.SIGSEGV, 1, False),
        (0, 0, None),  # its probe was never there
        (0, 2, None),  # something else was counted
        (2, 0, None),  # there is no such guard
        (3, 0, None),  # it did not get that far
        (None, 0, None),  # it hangs
        (-signal.SIGKILL, 0, None),  # somebody killed it
    ],
)
def test_only_a_counted_return_or_a_death_proves_something(
    status: int | None, returns: int, proven: bool | None
):
    assert survived("filter", status, returns) is proven
