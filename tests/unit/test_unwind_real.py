"""Code of this machine, whose rules are known beforehand."""

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from ebpftrace.model.ids import ImageAddress
from ebpftrace.target.elf import ElfImage
from ebpftrace.unwind.rules import (
    END,
    FP_BY_FP,
    FROM_FP,
    IN_LR,
    READ,
    SIGNAL,
    STEP,
    Rule,
)
from ebpftrace.unwind.table import UnwindTable
from tests.unit.cfi_builder import (
    image_at,
    image_of,
)
from tests.unit.readelf_rows import find_library

AT_ENTRY = Rule(STEP, 8)


def function_of(image: ElfImage, name: str) -> int:
    return min(symbol.value for symbol in image.symbols({name}))


# A frame of unknown size that is aligned: gcc keeps the caller's stack pointer in r10, then on the
# stack, and finds everything else from rbp.
DRAP = """
void sink(void *, void *);
long realigned(int n, long b, long c, long d, long e, long f, long g) {
    char buffer[96] __attribute__((aligned(64)));
    sink(buffer, __builtin_alloca(n));
    return b + c + d + e + f + g + buffer[3];
}
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="This is code for x86-64.")
def test_a_function_that_realigns_its_stack_is_a_rule_that_reads(tmp_path):
    assert shutil.which("gcc"), "gcc is missing: run scripts/setup --dev."
    (tmp_path / "drap.c").write_text(DRAP)
    flags = ["-O2", "-fPIC", "-shared", "-nostdlib"]
    subprocess.run(
        ["gcc", *flags, "-o", tmp_path / "drap.so", tmp_path / "drap.c"], check=True, timeout=60
    )
    with image_at(tmp_path / "drap.so") as image:
        stretches = list(UnwindTable(image).every_row())
    body = max(stretches, key=lambda stretch: stretch.end - stretch.start).found.rule
    assert body == Rule(STEP | FROM_FP | READ | FP_BY_FP, body.cfa, 0)


def test_the_frame_of_a_signal_and_those_where_a_thread_begins_are_known_in_libc():
    with image_at(find_library("libc.so.6")) as image:
        table = UnwindTable(image)
        hows = [s.found.rule.how for s in table.every_row()]
        assert hows.count(SIGNAL) == 1  # __restore_rt
        clone = ImageAddress(function_of(image, "clone") + 0x40)
        assert END in {table.rule_at(ImageAddress(clone + n)).rule.how for n in range(64)}


def test_the_rules_of_the_vdso_are_read_from_memory():
    mapping = next(
        line for line in Path("/proc/self/maps").read_text().splitlines() if "[vdso]" in line
    )
    start, end = (int(part, 16) for part in mapping.split()[0].split("-"))
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        memory.seek(start)
        content = memory.read(end - start)
    with image_of(content) as image:
        table = UnwindTable(image)
        stretches = list(table.every_row())
        entry = ImageAddress(function_of(image, "__vdso_clock_gettime"))
        assert table.rule_at(entry).rule in (AT_ENTRY, Rule(STEP | IN_LR))
    assert stretches
    assert not [s for s in stretches if s.found.why]


def test_the_plt_of_libc_is_told_entry_by_entry():
    with image_at(find_library("libc.so.6")) as image:
        table = UnwindTable(image)
        plt = image.section(b".plt")
        assert plt is not None
        entries = range(plt.address + 16, plt.address + plt.size)
        cfas = [table.rule_at(ImageAddress(at)).rule.cfa for at in entries]
    assert cfas == ([8] * 11 + [16] * 5) * (len(entries) // 16)
