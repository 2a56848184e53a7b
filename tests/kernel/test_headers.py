"""The programs compile with our own header tree, for both machines, and without a word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ebpftrace.kernel.compiler import MAPS, PROGRAMS

ROOT = Path(__file__).resolve().parents[2]
COMPILE = """
import sys
from ebpftrace.kernel.compiler import TRACER_OF_FAULTS, Compilation
sizes = {name: 1024 for name in ("MAX_THREADS", "MAX_BLOCKS", "MAX_COHORTS", "MAX_STACKS")}
sizes |= {"CPUS": 2, "RING_PAGES": 16, "MISS_PAGES": 16, "RULE_SHIFT": 52, "MORE_RULES": 512}
compiled = Compilation({"EBPFTRACE_BPF": 1, sys.argv[1]: 1, "HASH_FLAGS": 0,
                        "STACK_DEPTH": 127, "MIN_SIZE": "0ULL", "MAX_SIZE": "~0ULL", **sizes}).result()
with_faults = Compilation({"EBPFTRACE_BPF": 1, sys.argv[1]: 1, "HASH_FLAGS": 0, "WATCH_FAULTS": 1, "MAX_FAULTS": 1024,
                        "STACK_DEPTH": 127, "MIN_SIZE": "0ULL", "MAX_SIZE": "~0ULL", **sizes}, TRACER_OF_FAULTS).result()
assert "on_fault" in with_faults.code
print(len(compiled.maps), *sorted(name for name, code in compiled.code.items() if len(code) > 16))
TAIL_CALL = bytes([0x85, 0, 0, 0, 12, 0, 0, 0])
print(*sorted(name for name, code in compiled.code.items() if TAIL_CALL in code))
"""


def compile_for(machine: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMPILE, machine],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "machine,environment",
    [("EBPFTRACE_X86_64", {"ARCH": "x86"}), ("EBPFTRACE_ARM64", {"ARCH": "arm64"})],
)
def test_every_program_compiles_without_kernel_headers(machine, environment):
    ran = compile_for(machine, **environment)
    assert ran.returncode == 0, ran.stderr
    whole, on_the_kernels_stack = ran.stdout.splitlines()
    assert whole.split() == [str(len(MAPS)), *sorted(PROGRAMS)]
    assert ran.stderr == ""
    # Else two probes on one processor overwrite each other's variables: count_hit in bpf/maps.h.
    assert set(on_the_kernels_stack.split()) == {"enter", "leave"}


def test_kernel_headers_that_are_named_elsewhere_are_not_used(tmp_path):
    """What the user's environment says of kernel headers is for other tools."""
    ran = compile_for("EBPFTRACE_X86_64", BCC_KERNEL_SOURCE=str(tmp_path / "nothing"))
    assert ran.returncode == 0, ran.stderr


def test_a_failure_to_compile_is_a_sentence_with_the_compiler_s_words():
    ran = compile_for("EBPFTRACE_VAX")
    assert ran.returncode != 0
    assert "HostRefuses: The BPF programs could not be made" in ran.stderr
    assert "ebpftrace knows x86-64 and arm64" in ran.stderr
