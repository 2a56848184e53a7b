"""What the kernel side tells, apart by what is to be done first."""

from collections.abc import Iterable
from typing import NamedTuple

from ebpftrace.kernel import layout

_PROGRAM = (layout.EVENT_EXEC, layout.EVENT_LOADED)


class Life(NamedTuple):
    """A thread's end or a fork; the fields are as in `struct event` of bpf/shared.h.

    `thread` is the child of a fork; and in slot 0, of which many are, the process that has ended.
    """

    kind: int
    slot: int
    thread: int
    called: int
    moment: int


class Program(NamedTuple):
    """A process runs another one, or its libraries change; `held`: it is stopped until it gets a SIGCONT."""

    kind: int
    slot: int
    held: bool
    process: int
    moment: int


class Told(NamedTuple):
    """`stacks`, `misses` and `mappings` as they came. `lives` are without those of slots after their exec.

    `forks` are with them: whose slot it was does not matter to a child.
    """

    stacks: list[bytes]
    misses: list[bytes]
    lives: list[Life]
    programs: list[Program]
    mappings: list[bytes]
    forks: list[Life]

    @classmethod
    def of(cls, events: Iterable[bytes]) -> "Told":
        told = cls([], [], [], [], [], [])
        gone: set[int] = set()
        for event in events:
            kind, _, _, slot, count, called, moment = layout.EVENT.unpack_from(event)
            if kind == layout.EVENT_STACK:
                told.stacks.append(event)
            elif kind == layout.EVENT_MISS:
                told.misses.append(event)
            elif kind == layout.EVENT_MAPPING:
                told.mappings.append(event)
            elif kind in _PROGRAM:
                if kind == layout.EVENT_EXEC:
                    gone.add(slot)
                told.programs.append(Program(kind, slot, bool(called), count, moment))
            else:
                life = Life(kind, slot, count, called, moment)
                if kind == layout.EVENT_FORK:
                    told.forks.append(life)
                if not slot or slot not in gone:
                    told.lives.append(life)
        return told
