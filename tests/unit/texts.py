"""What lines of the screen say, and names that no screen is wide enough for."""

from collections.abc import Iterable

from ebpftrace.tui.lines import Line

MONSTROUS = ["", "x" * 100_000, "漢" * 100_000, "z" + "\u0301" * 100_000]


def plain(line: Line) -> str:
    return "".join(span.text for span in line)


def texts(lines: Iterable[Line]) -> list[str]:
    return [plain(line) for line in lines]
