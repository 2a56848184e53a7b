"""What two tools say of the same places: how often they agree, and in what they differ.

Blanks, ABI tags and the like are taken away before (`spelling`); whatever else differs has a class,
named by who says what. Classes in `FINER` are no contradiction: one of the two says less.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from scripts.naming.other_tools import Chain, Place
from scripts.naming.spelling import (
    bare,
    same_file,
    spelled,
    whole,
    without_parameters,
    without_results,
    without_string,
)

STRING = "spelling of std::string"
PART = "the other leaves out which part or copy of the function it is"
OUR_PART = "ebpftrace leaves out which part or copy of the function it is"
SCOPE = "the other leaves out scopes, template arguments or parameters"
OUR_SCOPE = "ebpftrace leaves out scopes, template arguments or parameters"
RESULT = "spelling of results of functions within names"
INTERNAL = "the other adds __GI_ of the C library's own calls"
LAMBDA = "LLVM takes one parameter for another behind a lambda"
PLT = "the other takes a jump of the PLT for another function"
WHOLE = "the other names an inlined function by the symbol of the whole one"
MANGLED = "the other cannot read the mangled name"
ALIAS = "another name of the same address"
NO_NAME, OUR_NO_NAME = "the other has no name", "ebpftrace has no name"
NAME = "another function"
NO_FILE, OUR_NO_FILE, FILE = "the other has no file", "ebpftrace has no file", "another file"
NO_LINE, OUR_NO_LINE, LINE = "the other has no line", "ebpftrace has no line", "another line"
MORE, LESS = "ebpftrace has an inlined frame more", "the other has an inlined frame more"
ARTIFICIAL = "the other has no file but <artificial>"
NO_CHAIN = "the other says nothing"
OUR_LINE_0 = "ebpftrace leaves out the file where no line is known"
CHAIN = "another chain of inlined functions"

FINER = frozenset(
    {STRING, RESULT, PART, SCOPE, INTERNAL, LAMBDA, MANGLED, PLT, WHOLE, ALIAS}
    | {NO_NAME, NO_FILE, NO_LINE, NO_CHAIN, OUR_LINE_0, ARTIFICIAL}
)

Aliases = Callable[[int], Collection[str]]
"""All names of the function that an address lies in, as `spelling.spelled` writes them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place, what both say, and the classes of what differs."""

    address: int
    ours: Chain
    theirs: Chain
    classes: tuple[str, ...]


@dataclass(slots=True)
class Comparison:
    """Counts: places and chains are of places; frames, functions, files and lines of pairs of frames.

    `functions` says how many names are the same, `functions_finer` those too where one says less.
    """

    places: int = 0
    chains: int = 0
    frames: int = 0
    functions: int = 0
    functions_finer: int = 0
    files: int = 0
    lines: int = 0
    classes: Counter[str] = field(default_factory=Counter)
    differences: list[Difference] = field(default_factory=list)

    def add(self, address: int, ours: Chain, theirs: Chain, aliases: Aliases) -> None:
        """Compare what both say of one place."""
        found: list[str] = []
        pairs = list(_paired(ours, theirs))
        if len(ours) != len(theirs):
            longer = len(ours) > len(theirs)
            inside = len(pairs) == min(len(ours), len(theirs))
            found.append(
                NO_CHAIN if not theirs else CHAIN if not inside else MORE if longer else LESS
            )
        for one, other, outermost in pairs:
            name = of_functions(one, other, aliases(address) if outermost else ())
            if name == NAME and not outermost and _alike(ours[-1], other):
                name = WHOLE
            file = _of(one.file, other.file, same_file, (NO_FILE, OUR_NO_FILE, FILE))
            if file == FILE and (other.file or "").endswith("<artificial>"):
                file = ARTIFICIAL
            if file == OUR_NO_FILE and one.line is None and other.line is None:
                file = OUR_LINE_0
            line = _of(one.line, other.line, int.__eq__, (NO_LINE, OUR_NO_LINE, LINE))
            self.frames += 1
            self.functions += name is None
            self.functions_finer += name is None or name in FINER
            self.files += file is None or file in FINER
            self.lines += line is None
            found += filter(None, (name, file, line))
        self.places += 1
        self.chains += not set(found) - FINER
        self.classes.update(found)
        if found:
            self.differences.append(Difference(address, ours, theirs, tuple(found)))

    def cells(self) -> tuple[str, ...]:
        """As in HEADS."""
        shares = (self.functions, self.functions_finer, self.files, self.lines)
        return (
            f"{self.places:,}",
            f"{self.frames:,}",
            *(_percent(share, self.frames) for share in shares),
            _percent(self.chains, self.places),
        )


HEADS = ("places", "frames", "names %", "or finer", "files %", "lines %", "chains %")


def _percent(part: int, of: int) -> str:
    return f"{100 * part / of:.1f}" if of else "-"


def _of(
    one: object, other: object, same: "Callable[..., bool]", classes: tuple[str, str, str]
) -> str | None:
    """None where they agree, else one of `classes`: theirs is missing, ours is, another one."""
    if one is None and other is None:
        return None
    if other is None:
        return classes[0]
    if one is None:
        return classes[1]
    return None if same(one, other) else classes[2]


def of_functions(ours: Place, theirs: Place, aliases: Collection[str] = ()) -> str | None:
    """The class of the difference between two names, None where it is spelling only."""
    if ours.function is None or theirs.function is None:
        return _of(ours.function, theirs.function, str.__eq__, (NO_NAME, OUR_NO_NAME, NAME))
    one, other = spelled(ours.function), spelled(theirs.function)
    if one == other:
        return None
    if other.startswith("_Z"):
        return MANGLED
    one, other = without_string(one), without_string(other)
    names = {whole(without_string(name)) for name in aliases}
    heads = {without_parameters(without_results(whole(name))) for name in (one, other)}
    return next(
        name
        for name, holds in (
            (STRING, one == other),
            (RESULT, without_results(one) == without_results(other)),
            (PART if len(one) > len(other) else OUR_PART, whole(one) == whole(other)),
            (PLT, ours.function.endswith("@plt")),
            (ALIAS, {whole(one), whole(other)} <= names),
            (INTERNAL, other == f"__GI_{one}"),
            (LAMBDA, len(heads) == 1 and _behind_lambda(one) and _behind_lambda(other)),
            (SCOPE if len(one) > len(other) else OUR_SCOPE, bare(whole(one)) == bare(whole(other))),
            (NAME, True),
        )
        if holds
    )


def _behind_lambda(name: str) -> bool:
    """Does it have parameters, and a lambda before them?"""
    return "'lambda" in without_parameters(name) != name


def _paired(ours: Chain, theirs: Chain) -> Iterator[tuple[Place, Place, bool]]:
    """Frames of both that belong together, and whether they are the function itself.

    Chains of one length go pair by pair. Else the shorter one is sought in the longer one, in its
    order and from the outermost on, which has the code of its own.
    """
    if len(ours) == len(theirs):
        for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
            yield one, other, at == len(ours) - 1
        return
    swapped = len(ours) > len(theirs)
    short, long = (theirs, ours) if swapped else (ours, theirs)
    rest = len(long)
    for at in range(len(short) - 1, -1, -1):
        place = short[at]
        found = next((n for n in range(rest - 1, -1, -1) if _alike(place, long[n])), None)
        if found is None:
            continue
        rest = found
        pair = (long[found], place) if swapped else (place, long[found])
        yield *pair, at == len(short) - 1


def _alike(one: Place, other: Place) -> bool:
    if other.function is not None and other.function.startswith("_Z"):
        return one.line == other.line
    if one.function is None or other.function is None:
        return one.function == other.function
    names = (bare(whole(spelled(name))) for name in (one.function, other.function))
    return len(set(names)) == 1


def report(differences: Iterable[Difference], other: str) -> Iterator[str]:
    """Every difference in some lines: its classes, then both chains."""
    for one in differences:
        yield f"{one.address:#x}: {'; '.join(dict.fromkeys(one.classes))}"
        for name, chain in (("ebpftrace", one.ours), (other, one.theirs)):
            yield from _shown(name, chain)


def _shown(name: str, chain: Sequence[Place]) -> Iterator[str]:
    if not chain:
        yield f"    {name}: nothing"
    for place in chain:
        yield f"    {name}: {place.function} {place.file}:{place.line}"
