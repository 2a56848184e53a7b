"""The tables of a heaptrack file: strings, places in the code, and traces as a tree of these.

Each is numbered from 1 on in the order of its lines, 0 is none. A place in the code is one line also
where functions are inlined: the innermost first, the function that they are in last.
"""

from collections.abc import Sequence

from ebpftrace.export.formats.places import Place, Places

# heaptrack_print and heaptrack_gui show nothing that is further out than the first of these.
_OUTERMOST_SHOWN = frozenset({"main", "__libc_start_main"})
_STEP_BITS = 40  # a trace and what it calls are one key: half the time of a pair
_JOINED = 1 << (_STEP_BITS - 1)


class Traces:
    """`lines` grow as traces are asked for; each stands after those that it refers to."""

    def __init__(self, places: Places, several: bool) -> None:
        """With `several` processes main is `main()`, or heaptrack would hide which one it is of."""
        self.lines: list[str] = []
        self._places = places
        self._several = several
        self._strings: dict[str, int] = {"": 0}
        self._codes: dict[int, int] = {}
        self._joined: dict[tuple[int, ...], int] = {}
        self._children: dict[int, int] = {}
        self._inlined: set[int] = set()
        self._seen = 0

    def number(self, stack: Sequence[int]) -> int:
        """The trace of a stack of places, from the allocation outward; the same for the same one."""
        self._see_new_places()
        steps = stack if self._inlined.isdisjoint(stack) else self._join(stack)
        trace = 0
        known = self._children.get
        for step in reversed(steps):
            key = trace << _STEP_BITS | step
            trace = known(key) or self._child(key, step, trace)
        return trace

    def _see_new_places(self) -> None:
        table = self._places.table
        if len(table) > self._seen:
            new = range(self._seen, len(table))
            self._inlined.update(number for number in new if table[number].inlined)
            self._seen = len(table)

    def _join(self, stack: Sequence[int]) -> list[int]:
        """Inlined places as one step with what they are in, where that is known."""
        steps = []
        inside: tuple[int, ...] = ()
        for number in stack:
            inside += (number,)
            if number not in self._inlined:
                steps.append(self._step(inside))
                inside = ()
        return [*steps, self._step(inside)] if inside else steps

    def _step(self, inside: tuple[int, ...]) -> int:
        """A place that is alone stands for itself."""
        if len(inside) == 1:
            return inside[0]
        step = self._joined.get(inside)
        if step is None:
            step = self._joined[inside] = _JOINED | len(self._joined)
            self._codes[step] = self._code(inside)
        return step

    def _child(self, key: int, step: int, trace: int) -> int:
        code = self._codes.get(step)
        if code is None:
            code = self._codes[step] = self._code((step,))
        self.lines.append(f"t {code:x} {trace:x}")
        number = self._children[key] = len(self._children) + 1
        return number

    def _code(self, inside: tuple[int, ...]) -> int:
        places = [self._places.table[number] for number in inside]
        frames = [value for place in places for value in self._frame(place)]
        outer = places[-1]
        values = [outer.address or 0, self._string(outer.module or ""), *frames]
        self.lines.append(f"i {' '.join(f'{value:x}' for value in values)}")
        return len(self._codes) + 1

    def _frame(self, place: Place) -> tuple[int, int, int]:
        """Its function, file and line."""
        name = place.name
        if self._several and name in _OUTERMOST_SHOWN:
            name += "()"
        return self._string(name), self._string(place.file or ""), place.line or 0

    def _string(self, text: str) -> int:
        number = self._strings.get(text)
        if number is None:
            self.lines.append(f"s {text}")
            number = self._strings[text] = len(self._strings)
        return number
