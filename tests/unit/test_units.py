"""Sizes and times as they are typed and as they are printed."""

import pytest

from ebpftrace.errors import UsageError
from ebpftrace.units import format_bytes, format_count, format_seconds, parse_size, parse_time


@pytest.mark.parametrize(
    "text, size",
    [("512", 512), ("4k", 4096), ("4K", 4096), ("2M", 2 << 20), ("1.5G", 3 << 29), ("0", 0)],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "k", "-1", "1x", "1e3", "nan", "٣", "4 4", "9999999999T"])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"512|most"):
        parse_size(text)


@pytest.mark.parametrize(
    "text, seconds", [("500ms", 0.5), ("0.5s", 0.5), ("10s", 10), ("5m", 300), ("7", 7)]
)
def test_a_bare_time_is_in_seconds(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "1y", "inf", "nan", "1e9", "400d"])
def test_what_is_no_time_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"500ms|most"):
        parse_time(text)


@pytest.mark.parametrize(
    "size, text",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (-1536, "-1.5 KiB"),
        (1 << 20, "1.0 MiB"),
        (300 << 20, "300 MiB"),
        (5 << 50, "5120 TiB"),
    ],
)
def test_bytes_are_printed_short(size: int, text: str) -> None:
    assert format_bytes(size) == text


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "0 ms"), (0.85, "850 ms"), (12.34, "12.3 s"), (245, "4m 05s"), (11_520, "3h 12m")],
)
def test_seconds_are_printed_as_people_say_them(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_counts_have_their_thousands_apart() -> None:
    assert format_count(1_234_567) == "1 234 567"
