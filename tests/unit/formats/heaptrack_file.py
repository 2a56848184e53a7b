"""heaptrack's data file as its tools account for it."""

from dataclasses import dataclass, field


@dataclass
class Cost:
    calls: int = 0
    temporary: int = 0
    leaked: int = 0
    sizes: list[int] = field(default_factory=list)


@dataclass
class HeaptrackFile:
    """Traces as stacks from the allocation outward, each frame `function file:line`.

    `held_at`: what is held after all that follows a time, in ms.
    """

    costs: dict[tuple[str, ...], Cost] = field(default_factory=dict)
    total: Cost = field(default_factory=Cost)
    peak: int = 0
    command: str = ""
    comments: list[str] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    held_at: dict[int, int] = field(default_factory=dict)


def read(data: bytes) -> HeaptrackFile:
    """Says by an assertion where heaptrack_print or heaptrack_gui would misread it."""
    first, rest = data.decode().split("\n", 1)
    assert first == "v 10000 1"
    assert rest.endswith("\n")
    reader = _Reader()
    for line in rest.removesuffix("\n").split("\n"):
        assert line[1] == " "
        reader.take(line[0], line[2:])
    return reader.file


class _Reader:
    def __init__(self) -> None:
        self.file = HeaptrackFile()
        self.strings = [""]
        self.codes: list[tuple[str, ...]] = [()]
        self.traces: list[tuple[str, ...]] = [()]
        self.infos: list[tuple[int, tuple[str, ...]]] = []
        self.allocated = self.last = self.now = 0

    def take(self, mode: str, rest: str) -> None:
        if mode == "#":
            self.file.comments.append(rest)
        elif mode == "X":
            self.file.command = rest
        elif mode == "s":
            assert rest
            self.strings.append(rest)
        else:
            values = [int(value, 16) for value in rest.split(" ")]
            if mode in "ita":
                self.table(mode, values)
            elif mode in "+-":
                self.event(mode == "+", *values)
            elif mode == "c":
                assert values[0] >= self.now
                self.now = values[0]
                self.file.held_at[self.now] = self.file.total.leaked
            elif mode == "R":
                self.file.pages += values
            else:
                assert mode == "I"

    def table(self, mode: str, values: list[int]) -> None:
        if mode == "i":
            frames = [values[n : n + 3] for n in range(2, len(values), 3)]
            names = [f"{self.strings[f]} {self.strings[file]}:{line}" for f, file, line in frames]
            self.codes.append(tuple(names))
        elif mode == "t":
            code, parent = values
            self.traces.append((*self.codes[code], *self.traces[parent]))
        else:
            self.infos.append((values[0], self.traces[values[1]]))

    def event(self, allocation: bool, number: int) -> None:
        size, stack = self.infos[number]
        if allocation:
            assert number <= self.allocated, "heaptrack_gui counts sizes by the order of these"
            self.allocated = max(self.allocated, number + 1)
        for cost in (self.file.costs.setdefault(stack, Cost()), self.file.total):
            if allocation:
                cost.calls += 1
                cost.leaked += size
                cost.sizes.append(size)
            else:
                cost.leaked -= size
                cost.temporary += self.last == number
        self.last = number if allocation else 0
        self.file.peak = max(self.file.peak, self.file.total.leaked)
        self.file.held_at[self.now] = self.file.total.leaked
