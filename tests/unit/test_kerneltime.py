"""The kernel's clock against ours, in a time namespace and in none."""

import time

import pytest

from ebpftrace import kerneltime

S = 1_000_000_000


@pytest.mark.parametrize(
    "offsets, shift",
    [
        ("monotonic           0         0\nboottime            0         0\n", 0),
        ("monotonic      100000         5\nboottime           7         8\n", 100_000 * S + 5),
        # -0.5 s, as the kernel writes it.
        ("monotonic          -1 500000000\nboottime            0         0\n", -S // 2),
        ("boottime            3         0\n", 0),
        ("", 0),
    ],
)
def test_the_shift_is_the_one_that_the_kernel_tells(offsets, shift):
    assert kerneltime.shift_in(offsets) == shift


def test_moments_go_there_and_back(monkeypatch):
    monkeypatch.setattr(kerneltime, "_shift_ns", lambda: 100 * S)
    before = time.monotonic()
    there = kerneltime.now_ns()
    assert before <= kerneltime.ours_s(there) <= time.monotonic()
    assert kerneltime.of_ours_ns(kerneltime.ours_s(there)) == pytest.approx(there, abs=1000)
    assert there < time.monotonic_ns() - 99 * S
