"""The tables back to what they were written from, and the call sites that they make up.

Rows are made column by column: a frozen dataclass is filled by the setters of its slots, and a named
tuple by `tuple.__new__`, each in a quarter of the time of a call. What is named twice is one object.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, repeat
from typing import Any, TypeVar

from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import CallSite
from ebpftrace.snapshot.format.columns import Columns
from ebpftrace.snapshot.format.limits import MOST_FRAMES, MOST_LENGTH
from ebpftrace.snapshot.values import Object, Unfit, needed, within
from ebpftrace.text import clean

T = TypeVar("T")
Row = TypeVar("Row", bound=tuple[Any, ...])


class Tables:
    """Row by row as they were written; `take` adds those of one file or record."""

    def __init__(self) -> None:
        self.texts: list[str | None] = [None]
        self._modules: list[tuple[str | None, str | None]] = [(None, None)]
        self._frames: list[Frame] = []
        self._stacks: list[tuple[Frame, ...]] = []
        self.call_sites: list[CallSite] = []

    def take(self, sections: dict[str, Object]) -> None:
        """A section that is missing adds nothing."""
        parts: tuple[tuple[str, list[Any], Callable[[Object], Iterable[Any]]], ...] = (
            ("strings", self.texts, _texts),
            ("modules", self._modules, self._made_modules),
            ("frames", self._frames, self._made_frames),
            ("stacks", self._stacks, self._made_stacks),
            ("callsites", self.call_sites, self._made_call_sites),
        )
        for name, table, rows in parts:
            if name in sections:
                with within(name):
                    table.extend(rows(sections.pop(name)))

    def _made_modules(self, content: Object) -> Iterable[tuple[str | None, str | None]]:
        rows = Columns(content, "path")
        names = [rows.chosen(key, self.texts) for key in ("path", "build_id")]
        return zip(*names, strict=True)

    def _made_frames(self, content: Object) -> list[Frame]:
        rows = Columns(content, "address")
        modules = rows.chosen("module", self._modules)
        frames = list(map(object.__new__, repeat(Frame, rows.rows)))
        for key, values in (
            ("function", rows.chosen("function", self.texts)),
            ("file", rows.chosen("file", self.texts)),
            ("line", rows.whole_or_nil("line")),
            ("column", rows.whole_or_nil("column")),
            ("inlined", rows.truths("inlined")),
            ("module", [path for path, _ in modules]),
            ("build_id", [build_id for _, build_id in modules]),
            ("offset", rows.whole_or_nil("offset")),
            ("address", rows.whole("address")),
            ("source", rows.chosen("source", self.texts)),
        ):
            deque(map(vars(Frame)[key].__set__, frames, values), maxlen=0)
        return frames

    def _made_stacks(self, content: Object) -> list[tuple[Frame, ...]]:
        lengths = Columns(content, "lengths").whole("lengths")
        if max(lengths, default=0) > MOST_FRAMES:
            raise Unfit(f"a stack has more than {MOST_FRAMES} frames")
        numbers = Columns(content, "frames").numbers("frames")
        frame = self._frames.__getitem__
        try:
            # One after the other: as many objects as there are frames in stacks are 1 GB.
            return [tuple(map(frame, part)) for part in _parts(numbers, lengths)]
        except IndexError:
            raise Unfit(f"frames names row {max(numbers)} of {len(self._frames)}") from None

    def _made_call_sites(self, content: Object) -> list[CallSite]:
        rows = Columns(content, "hash")
        hashes = rows.whole("hash")
        names = rows.chosen("id", self.texts)
        ids = map("%x-%016x".__mod__, zip(rows.whole("space"), hashes, strict=True))
        return made(
            CallSite,
            [id_ if name is None else name for id_, name in zip(ids, names, strict=True)],
            rows.whole("slot"),
            hashes,
            rows.whole("pid"),
            rows.chosen("family", self.texts),
            rows.chosen("allocator", self.texts),
            rows.truths("complete"),
            list(map(_truth_or_nil, rows.whole_or_nil("guessed"))),
            rows.chosen("stack", self._stacks),
            rows.chosen("end", self.texts),
        )


def made(kind: type[Row], *values: Iterable[Any]) -> list[Row]:
    """Named tuples of columns."""
    rows = zip(*values, strict=True)
    return list(map(tuple.__new__, repeat(kind), rows))


def runs(values: Sequence[T], lengths: Sequence[int]) -> list[tuple[T, ...]]:
    """`values` in runs of `lengths`, which make up all of them. Unfit where they do not."""
    return list(map(tuple, _parts(values, lengths)))


def _parts(values: Sequence[T], lengths: Sequence[int]) -> Iterator[Sequence[T]]:
    ends = list(accumulate(lengths))
    if (ends[-1] if ends else 0) != len(values):
        raise Unfit("its lengths do not add up to what it holds")
    return (values[end - n : end] for n, end in zip(lengths, ends, strict=True))


def _texts(content: Object) -> list[str]:
    joined = needed(content, "texts")
    if type(joined) is not bytes:
        raise Unfit("texts is not bytes")
    if not joined.isascii():
        # One by one: a single character beyond the basic plane makes four bytes of each.
        texts = [clean(text.decode("utf-8", "replace")) for text in joined.split(b"\0")]
    else:
        whole = joined.decode("ascii")
        texts = whole.split("\0")
        if not whole.replace("\0", "").isprintable():
            texts = list(map(clean, texts))
    if texts.pop():
        raise Unfit("its last text has no end")
    if max(map(len, texts), default=0) > MOST_LENGTH:
        texts = [_shortened(text) for text in texts]
    return texts


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_LENGTH else f"{text[: MOST_LENGTH - 1]}…"


def _truth_or_nil(value: int | None) -> bool | None:
    return None if value is None else value != 0
