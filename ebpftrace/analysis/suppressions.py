"""What users do not want to see of a picture, as they have told Valgrind or LeakSanitizer before."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from threading import Lock

from ebpftrace.analysis import suppression_files
from ebpftrace.analysis.percallsite import PerCallSite
from ebpftrace.analysis.suppressing import Matcher
from ebpftrace.analysis.suppression_files import Suppression
from ebpftrace.model.picture import CallSite, Site


def _as_it_is(name: str) -> str:
    return name


class Suppressions:
    """In the order of their files; the first that matches a site hides it. Any thread may ask.

    `notes` are sentences on what of the files counts for nothing here.
    """

    def __init__(self, suppressions: Iterable[Suppression], notes: Iterable[str] = ()) -> None:
        self.all = tuple(suppressions)
        self.notes = tuple(notes)
        self._matcher = Matcher(self.all)
        self._used: set[int] = set()
        self._names = PerCallSite(self._name)
        self._hidden: Mapping[int, str] = {}
        self._turn = Lock()

    @classmethod
    def read(cls, path: str, demangled: Callable[[str], str] = _as_it_is) -> "Suppressions":
        """Of a file in Valgrind's syntax, LeakSanitizer's or both. UsageError.

        `demangled` gives a name of C++ as frames have it.
        """
        return cls(*suppression_files.read(path, demangled))

    @classmethod
    def joined(cls, several: Sequence["Suppressions"]) -> "Suppressions":
        """All of theirs as one."""
        return cls(
            chain.from_iterable(one.all for one in several),
            chain.from_iterable(one.notes for one in several),
        )

    def by(self, at: CallSite) -> str | None:
        """The name of the first suppression that hides the site."""
        with self._turn:
            return self._name(at)

    def hidden(self, sites: Sequence[Site]) -> Mapping[int, str]:
        """The indexes, ascending, of those that are hidden, with the names of what hides them.

        Quick for the next picture of the same watch: a stack is looked at once.
        """
        with self._turn:
            if self._names.update(sites):
                names = enumerate(self._names.values)
                self._hidden = {index: name for index, name in names if name is not None}
            return self._hidden

    def unused(self) -> tuple[str, ...]:
        """The names of those that have hidden nothing yet."""
        with self._turn:
            used = {self.all[index].name for index in self._used}
        return tuple(dict.fromkeys(one.name for one in self.all if one.name not in used))

    def _name(self, at: CallSite) -> str | None:
        index = self._matcher.first(at)
        if index is None:
            return None
        self._used.add(index)
        return self.all[index].name
