"""What the fuzzer is given: a target each for what is read of bytes that somebody else has chosen."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Finding(Exception):
    """What was done with an input is not allowed, though nothing was raised; says what."""


class Part(NamedTuple):
    """A piece of an input that is worth being changed alone.

    `put` makes the input with another content in its place: packed again, with checksums that fit.
    `inner` takes a content apart in turn.
    """

    content: bytes
    put: Callable[[bytes], bytes]
    inner: "Callable[[bytes], list[Part]] | None" = None

    def within(self, one: "Part") -> "Part":
        """The part `one` of this one's content as a part of the input."""
        return Part(one.content, lambda new: self.put(one.put(new)), one.inner)


class Limits(NamedTuple):
    """Of one input: seconds of processor time, bytes of memory beyond what was there before it."""

    seconds: float = 1.0
    memory: int = 64 << 20


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Target:
    """`reads`: what it reads and who has chosen that, for people.

    `attempt` does with an input what the tool does, and checks what came of it: Finding, and whatever
    is raised that is not `declared`. `seeds`: inputs to begin with. `parts`: those of an input, none
    where it has none that it knows; `words`: what is worth being put into one. Of an input `most_bytes`
    are tried. `starts`: the tool starts a process for it.
    """

    name: str
    reads: str
    attempt: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    declared: tuple[type[Exception], ...] = ()
    parts: Callable[[bytes], list[Part]] | None = None
    words: tuple[bytes, ...] = ()
    most_bytes: int = 4096
    limits: Limits = USUAL
    starts: bool = False
