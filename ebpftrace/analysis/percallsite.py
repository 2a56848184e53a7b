"""What depends on the call site of a site only, kept from one picture to the next."""

from collections.abc import Callable, Sequence
from itertools import compress, count
from operator import is_not, itemgetter
from typing import Generic, TypeVar

from ebpftrace.model.picture import CallSite, Site

Value = TypeVar("Value")

_at: Callable[[Site], CallSite] = itemgetter(Site._fields.index("at"))


class PerCallSite(Generic[Value]):
    """A value for every site, computed once for each `CallSite` object.

    Those stay the same objects until something is learned about their stack.
    """

    def __init__(self, compute: Callable[[CallSite], Value]) -> None:
        self._compute = compute
        self._known: list[CallSite] = []
        self.values: list[Value] = []
        """By index in the sites that were given last."""

    def update(self, sites: Sequence[Site]) -> bool:
        """Bring `values` up to date; False if none had to be touched."""
        known, values = self._known, self.values
        new = list(map(_at, sites))
        changed = list(compress(count(), map(is_not, new, known)))
        if not changed and len(new) == len(known):
            return False
        # Where the last known one stands elsewhere, a site was merged away and those after it moved up.
        moved = len(new) < len(known) or (changed and changed[-1] == len(known) - 1)
        kept = dict(zip(map(id, known), values, strict=True)) if moved else {}
        compute = self._compute
        for index in changed:
            at = new[index]
            values[index] = kept[id(at)] if id(at) in kept else compute(at)
        del values[len(new) :]
        values += [kept[id(at)] if id(at) in kept else compute(at) for at in new[len(values) :]]
        self._known = new
        return True

    def derive(
        self, compute: Callable[[CallSite], Value], known: Callable[[CallSite, Value], Value]
    ) -> "PerCallSite[Value]":
        """Another one, for the same sites as yet; `known` gives its value by the one here."""
        other = PerCallSite(compute)
        other._known = self._known
        other.values = list(map(known, self._known, self.values))
        return other

    def forget(self) -> None:
        """Compute everything anew next time."""
        self._known = []
        self.values = []
