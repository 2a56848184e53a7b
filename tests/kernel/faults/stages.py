"""Chooses among the calls that a run makes: the first, the last and some in between of each kind."""

from collections import Counter
from collections.abc import Sequence

from tests.kernel.faults.bench import Bench
from tests.kernel.faults.injection import Call
from tests.kernel.faults.ways import Way

_FEW = 3


def stages(bench: Bench, way: Way, names: Sequence[str], most: int = _FEW) -> list[Call]:
    """At most so many of each line of the log whose call is one of `names`, in their order."""
    found = []
    for line, count in Counter(bench.calls(way)).items():
        call = line.split(" ", 1)[1]
        if any(call == name or call.startswith(f"{name} ") for name in names):
            found += [Call(line, number) for number in some(count, most)]
    return found


def some(count: int, most: int) -> list[int]:
    """Of the numbers from 1 to `count` at most so many, the first and, of several, the last among them."""
    if count <= most:
        return list(range(1, count + 1))
    return sorted({1 + round(step * (count - 1) / max(1, most - 1)) for step in range(most)})
