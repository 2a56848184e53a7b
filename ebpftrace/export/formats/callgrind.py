"""Callgrind's profile format, version 1, as callgrind_annotate and KCachegrind read it.

A call costs what the stacks hold that lead through it. Where a stack comes back into a function, only
the first call of that function has the cost, and a call back is left out: so all calls of a function
cost together what is held in and below it, recursive or not. Each stack starts in its process, that
every function is called, for callgrind_annotate takes the inclusive cost of a function from its calls.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from ebpftrace import __version__
from ebpftrace.analysis.wording import named
from ebpftrace.export.formats.origin import command, remarks
from ebpftrace.export.formats.places import Place, Places
from ebpftrace.export.formats.subject import MEASURES, Subject, measured
from ebpftrace.model.picture import Counts

_EVENTS = {
    "Bytes": "bytes in use",
    "Blocks": "blocks in use",
    "AllocatedBytes": "bytes allocated since the attach",
    "AllocatedBlocks": "blocks allocated since the attach",
}
"""In the order of MEASURES."""

_NOTHING = (0,) * len(_EVENTS)
_UNKNOWN = "???"
_MOST_LINE = (1 << 31) - 1  # of a damaged file; KCachegrind keeps lines in 32 bits
# KCachegrind knows the format by an `events:` within the first 2047 bytes.
_MOST_OF_COMMAND = 600
_MOST_OF_REMARK = 250
_HALF = 1 << 32
# Counts of a file are below 2**64, and a picture has less than 2**32 sites.
_FIELD = 96


class _Names:
    """The name compression of the format: a name is spelled out where it is first written."""

    def __init__(self) -> None:
        self._numbers: dict[object, int] = {}
        self._names: list[str] = []
        self._written: set[int] = set()

    def number(self, name: str | None, key: object = None) -> int:
        """One for each key, which is the name if there is none. A blank name would be taken for a reference."""
        number = self._numbers.setdefault(name if key is None else key, len(self._names))
        if number == len(self._names):
            self._names.append(name if name is not None and name.strip() else _UNKNOWN)
        return number

    def written(self, number: int) -> str:
        """`(1) name`, and from then on `(1)`."""
        if number in self._written:
            return f"({number + 1})"
        self._written.add(number)
        return f"({number + 1}) {self._names[number]}"


class _Costs:
    """Of the lines of functions, and of the calls in them: each cost is the sum of Counts.

    The four sums of a cost are one number of so many bits each: adding to it takes less
    than half the time of four additions, and of 50,000 stacks of 22 frames there are a million.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self.modules, self.files, self.names = _Names(), _Names(), _Names()
        self.functions: list[tuple[int, int]] = []
        """Module and file, by the number of the name: that is another for each function."""
        self._function_of: list[int] = []
        self._own: defaultdict[int, int] = defaultdict(int)
        self._calls: defaultdict[int, int] = defaultdict(int)

    def add(self, stack: Sequence[int], counts: Counts) -> None:
        """To the place of the allocation, and to the calls that lead there."""
        function_of = self._function_of
        if len(self._places.table) > len(function_of):
            function_of += map(self._function, self._places.table[len(function_of) :])
        cost = _packed(counts)
        calls = self._calls
        caller = stack[-1]
        entered = {function_of[caller]}
        for number in stack[-2::-1]:
            callee = function_of[number]
            if callee not in entered:
                entered.add(callee)
                calls[caller * _HALF + callee] += cost
            caller = number
        self._own[stack[0]] += cost

    def own(self) -> Iterator[tuple[int, int, Sequence[int]]]:
        """A function, a line of it, and what is allocated there."""
        merged: defaultdict[tuple[int, int], int] = defaultdict(int)
        for number, cost in self._own.items():
            merged[self._function_of[number], _line(self._places.table[number])] += cost
        for (function, line), cost in merged.items():
            yield function, line, _unpacked(cost)

    def calls(self) -> Iterator[tuple[int, int, int, Sequence[int]]]:
        """A function, a line of it, the function that is called there, and what it costs."""
        merged: defaultdict[tuple[int, int, int], int] = defaultdict(int)
        for key, cost in self._calls.items():
            caller, callee = divmod(key, _HALF)
            line = _line(self._places.table[caller])
            merged[self._function_of[caller], line, callee] += cost
        for (function, line, callee), cost in merged.items():
            yield function, line, callee, _unpacked(cost)

    def _function(self, place: Place) -> int:
        module, file = self.modules.number(place.module), self.files.number(place.file)
        number = self.names.number(place.name, (module, file, place.name))
        if number == len(self.functions):
            self.functions.append((module, file))
        return number


def write(subject: Subject, out: BinaryIO) -> None:
    """Totals are those of the subject; a function is told from others by its name, file and module."""
    picture = subject.snapshot.picture
    places = Places(picture)
    roots = [] if len(picture.targets) != 1 else [places.number(Place(named(picture.targets[0])))]
    costs = _Costs(places)
    for site in subject.sites:
        if any(site.counts):
            costs.add([*places.stack(site.at), *roots], site.counts)
    if any(subject.rest):
        costs.add([*places.rest(), *roots], subject.rest)
    totals = " ".join(map(str, _values(subject.counts)))
    lines = [*_head(subject), f"summary: {totals}", "", *_body(costs), f"totals: {totals}", ""]
    out.write("\n".join(lines).encode())


def _head(subject: Subject) -> Iterator[str]:
    targets = subject.snapshot.picture.targets
    yield "# callgrind format"
    yield "version: 1"
    yield f"creator: ebpftrace {__version__}"
    if len(targets) == 1:
        yield f"pid: {targets[0].pid}"
    yield f"cmd: {_cut(command(subject), _MOST_OF_COMMAND)}"
    yield f"desc: Trigger: {_cut(subject.snapshot.trigger.sentence, _MOST_OF_REMARK)}"
    for remark in remarks(subject):
        yield f"desc: Note: {_cut(remark, _MOST_OF_REMARK)}"
    yield "positions: line"
    for name, says in _EVENTS.items():
        yield f"event: {name} : {says}"
    yield f"events: {' '.join(_EVENTS)}"


def _body(costs: _Costs) -> Iterator[str]:
    """Function by function, its own costs first.

    callgrind_annotate shows the source around lines with costs of their own, and warns of files
    without any: where there is but a call they are 0.
    """
    lines: defaultdict[int, dict[int, Sequence[int]]] = defaultdict(dict)
    calls: defaultdict[int, list[tuple[int, int, Sequence[int]]]] = defaultdict(list)
    for number, line, values in costs.own():
        lines[number][line] = values
    for number, line, callee, values in costs.calls():
        calls[number].append((line, callee, values))
        lines[number].setdefault(line, _NOTHING)
    modules, files, names = costs.modules, costs.files, costs.names
    for number, own in sorted(lines.items()):
        module, file = costs.functions[number]
        yield f"ob={modules.written(module)}"
        yield f"fl={files.written(file)}"
        yield f"fn={names.written(number)}"
        for line, values in own.items():
            yield f"{line} {_said(values)}"
        for line, callee, values in calls.get(number, ()):
            called_module, called_file = costs.functions[callee]
            yield f"cob={modules.written(called_module)}"
            yield f"cfi={files.written(called_file)}"
            yield f"cfn={names.written(callee)}"
            # With 0 callgrind_annotate takes the next line for one of own costs. Where the called
            # function begins is not known: line 0.
            yield f"calls={max(1, values[-1])} 0"
            yield f"{line} {_said(values)}"
        yield ""


def _values(counts: Counts) -> list[int]:
    return [max(0, measured(counts, measure)) for measure in MEASURES]


def _packed(counts: Counts) -> int:
    """Of what came and of what went: none of it is below zero, as what is left may be for a moment."""
    allocated, size, freed, freed_size, adopted, adopted_size = counts
    blocks, size = allocated + adopted, size + adopted_size
    return ((freed << _FIELD | freed_size) << _FIELD | blocks) << _FIELD | size


def _unpacked(cost: int) -> list[int]:
    mask = (1 << _FIELD) - 1
    size, blocks = cost & mask, cost >> _FIELD & mask
    freed_size, freed = cost >> 2 * _FIELD & mask, cost >> 3 * _FIELD
    return _values(Counts(blocks, size, freed, freed_size))


def _said(values: Iterable[int]) -> str:
    return " ".join(map(str, values))


def _line(place: Place) -> int:
    """0 where it is not known."""
    return place.line if place.line is not None and 0 < place.line <= _MOST_LINE else 0


def _cut(text: str, most: int) -> str:
    """At most so many bytes."""
    said = text.encode()
    return text if len(said) <= most else said[: most - 3].decode(errors="ignore") + "…"
