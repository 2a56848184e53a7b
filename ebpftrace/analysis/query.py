"""Which sites are asked for, as it is typed: `cache !std:: module:libssl size>1M age>5m`.

Parts are apart by blanks and must all hold; quotes keep blanks; `!` or `-` before a part negates it.
A word is looked for, in upper or lower case, in every frame of a stack (function, file, module) and
in the allocator, comm and pid. `filtering` applies it to many sites.
"""

import operator
import re
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

from ebpftrace.analysis.names import short
from ebpftrace.analysis.wording import function
from ebpftrace.errors import UsageError
from ebpftrace.model.frames import Frame
from ebpftrace.model.picture import Picture, Site, Target
from ebpftrace.units import parse_size, parse_time

Field = Literal["any", "function", "file", "module", "pid", "allocator"]
Measure = Literal["size", "blocks", "age", "growth"]
_OF_FRAMES = ("any", "function", "file", "module")
_PART = re.compile(r'(?:"[^"]*"?|[^\s"])+')
_LIMIT = re.compile(rf"({'|'.join(get_args(Measure))})(>=|<=|>|<|=)(.*)", re.IGNORECASE | re.DOTALL)
RELATIONS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}
_WHAT = {
    "size": "a size such as 64k or 1M",
    "blocks": "a number such as 100",
    "age": "a time such as 10s or 5m",
    "growth": "a size a minute such as 10k",
    "pid": "a number such as 42",
}
_QUOTED = 32
_MOST_DIGITS = 18


class Text(NamedTuple):
    """Is `text`, which is casefolded, in this field? A pid is given in whole."""

    field: Field
    text: str
    negated: bool = False

    @property
    def looks_at_frames(self) -> bool:
        return self.field in _OF_FRAMES

    def in_frame(self, frame: Frame) -> bool:
        """Does the frame have it?"""
        field, text = self.field, self.text
        if field in ("any", "function"):
            if text in function(frame).casefold():
                return True
            if frame.function is not None and text in short(frame.function).casefold():
                return True
        if field in ("any", "file") and frame.file is not None and text in frame.file.casefold():
            return True
        return (
            field in ("any", "module")
            and frame.module is not None
            and text in frame.module.casefold()
        )

    def in_others(self, allocator: str | None, family: str | None, pid: int, comm: str) -> bool:
        """Does something else of a site than its frames have it?"""
        if self.field == "pid":
            return str(pid) == self.text
        if self.field not in ("any", "allocator"):
            return False
        places = [f"{allocator or ''} ({family or ''})"]
        if self.field == "any":
            places += [str(pid), comm]
        return any(self.text in place.casefold() for place in places)


class Limit(NamedTuple):
    """Bytes, blocks, seconds, or bytes a minute. What is not known is within no limit."""

    measure: Measure
    relation: str
    limit: float
    negated: bool = False

    def holds(self, site: Site, now: float) -> bool:
        """Of this site, `now` in seconds since attach?"""
        value = _measured(self.measure, site, now)
        if value is None:
            return self.negated
        if self.relation == "=":
            value //= 1
        return RELATIONS[self.relation](value, self.limit) is not self.negated


class Query(NamedTuple):
    """What was typed, as far as it is understood; nothing matches everything.

    `problem` says in a sentence what is not, and is left out.
    """

    texts: tuple[Text, ...] = ()
    limits: tuple[Limit, ...] = ()
    problem: str | None = None

    @classmethod
    def parse(cls, text: str) -> "Query":
        """Never raises: a part may be half typed. The problem is that of the last such part."""
        texts, limits, problem = [], [], None
        for found in _PART.finditer(text):
            try:
                term = _term(found[0])
            except UsageError as error:
                problem = str(error)
            else:
                if isinstance(term, Limit):
                    limits.append(term)
                elif term.text:
                    texts.append(term)
        return cls(tuple(dict.fromkeys(texts)), tuple(dict.fromkeys(limits)), problem)

    def matches(self, site: Site, picture: Picture) -> bool:
        """Is this site of the picture asked for?"""
        at = site.at
        comm = comms(picture.targets).get((at.pid, at.slot), "")
        for term in self.texts:
            found = term.in_others(at.allocator, at.family, at.pid, comm) or any(
                term.looks_at_frames and term.in_frame(frame) for frame in at.frames
            )
            if found is term.negated:
                return False
        return all(limit.holds(site, picture.since_attach_s) for limit in self.limits)


def comms(targets: tuple[Target, ...]) -> dict[tuple[int, int], str]:
    """What they call themselves, by pid and slot."""
    return {(target.pid, target.slot): target.comm for target in targets}


def _measured(measure: Measure, site: Site, now: float) -> float | None:
    if measure == "size":
        return site.counts.bytes
    if measure == "blocks":
        return site.counts.blocks
    if measure == "age":
        return None if site.oldest_at is None else now - site.oldest_at
    return None if site.growth is None else site.growth * 60


def _term(part: str) -> Text | Limit:
    """One part; UsageError where more has to come before it means something."""
    negated = part[0] in "!-"
    if negated:
        part = part[1:]
    if not part:
        raise UsageError("After ! or - comes what is to be left out.")
    limit = _LIMIT.fullmatch(part)
    if limit is not None:
        measure: Measure = limit[1].lower()  # type: ignore[assignment]
        return Limit(measure, limit[2], _number(measure, limit[3], part), negated)
    head, colon, rest = part.partition(":")
    field = head.lower()
    # `file::open` is a name of C++.
    if not colon or field not in get_args(Field)[1:] or rest.startswith(":"):
        return Text("any", _unquoted(part), negated)
    text = _unquoted(rest)
    if not text:
        raise UsageError(f"After {field}: comes what is to be found there.")
    if field == "pid" and not _is_number(text):
        raise _unclear(part, "pid")
    return Text(field, str(int(text)) if field == "pid" else text, negated)  # type: ignore[arg-type]


def _unquoted(text: str) -> str:
    return text.replace('"', "").casefold()


def _number(measure: Measure, text: str, part: str) -> float:
    """What a measure is compared with. Growth may be negative."""
    sign = -1 if measure == "growth" and text.startswith("-") else 1
    try:
        if measure == "age":
            return parse_time(text)
        if measure == "blocks" and not _is_number(text):
            raise _unclear(part, measure)
        return sign * parse_size(text.removeprefix("-") if sign < 0 else text)
    except UsageError as error:
        raise _unclear(part, measure) from error


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS


def _unclear(part: str, what: str) -> UsageError:
    cut = part if len(part) <= _QUOTED else f"{part[:_QUOTED]}…"
    return UsageError(f"{cut} is not clear yet: {what} takes {_WHAT[what]}.")
