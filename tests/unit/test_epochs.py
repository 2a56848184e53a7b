"""Epochs and their inverse, and the same borders in bpf/accounting.h."""

import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpftrace.kernel import sources
from ebpftrace.model.epochs import LAST, epoch_at, length_of, start_of

BORDERS = (0, 1, 59, 60, 69, 70, 599, 600, 659, 660, 7199, 7200, 7799, 7800, 86_400, 10**9)


@given(st.integers(min_value=0, max_value=40_000_000))
def test_a_moment_lies_in_its_epoch(seconds: int) -> None:
    epoch = epoch_at(seconds)
    if epoch < LAST:
        assert start_of(epoch) <= seconds < start_of(epoch + 1)


def test_epochs_are_a_second_then_ten_then_sixty_then_six_hundred_long() -> None:
    epochs = (0, 59, 60, 113, 114, 223, 224)
    lengths = [start_of(epoch + 1) - start_of(epoch) for epoch in epochs]
    assert lengths == [length_of(epoch) for epoch in epochs]
    assert lengths == [1, 1, 10, 10, 60, 60, 600]


@pytest.fixture(scope="module")
def in_c(tmp_path_factory: pytest.TempPathFactory) -> dict[int, int]:
    """`epoch_at` of bpf/accounting.h, compiled as it stands."""
    text = (sources.folder() / "accounting.h").read_text()
    match = re.search(r"static __always_inline u32 epoch_at.*?\n}\n", text, re.DOTALL)
    assert match is not None
    calls = "".join(f'printf("{s} %u\\n", epoch_at({s}000000000ULL));' for s in BORDERS)
    source = (
        f'#include <stdio.h>\n#include "{sources.folder() / "shared.h"}"\n'
        "#define __always_inline inline\n#define SECOND 1000000000ULL\n"
        f"{match[0]}int main(void) {{ {calls} return 0; }}\n"
    )
    folder: Path = tmp_path_factory.mktemp("epochs")
    (folder / "epochs.c").write_text(source)
    subprocess.run(["cc", "-o", folder / "epochs", folder / "epochs.c"], check=True)
    said = subprocess.run([folder / "epochs"], check=True, capture_output=True, text=True).stdout
    return {int(a): int(b) for a, b in map(str.split, said.splitlines())}


def test_the_kernel_side_has_the_same_borders(in_c: dict[int, int]) -> None:
    assert in_c == {seconds: epoch_at(seconds) for seconds in BORDERS}
