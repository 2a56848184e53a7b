"""Where the callers of one process lie: asked by the thread that writes a log, while another watches."""

import time
from collections.abc import Callable

from ebpftrace.errors import CannotAttach
from ebpftrace.model.ids import Address
from ebpftrace.session.traced import Traced
from ebpftrace.target.modules import open_modules
from ebpftrace.target.space import AddressSpace, Changes

_REREAD_S, _REREAD_SHARE = 0.05, 0.05
"""How old the maps may be where other code may have come to the same addresses."""
_SOON_S, _TRIES = 0.005, 10


class Callers:
    """Has maps of its own: an AddressSpace is not for two threads."""

    def __init__(self, traced: Traced, forget: Callable[[int, int], None]) -> None:
        """`forget` is told what addresses [start, end) are other code's, or nobody's, by now."""
        self._traced = traced
        self._forget = forget
        self._space: AddressSpace | None = None
        try:
            self._space = AddressSpace(traced.process, open_modules(traced.process))
        except CannotAttach:  # it has ended already: what the watch knows of it has to do
            return
        self._space.listen(self._on_change)

    def locate(self, address: int) -> tuple[str, int] | None:
        """The file that `address` lies in, and the address as that states it; None where in none.

        Where nothing is mapped by the maps as they were read, they are read again, for up to 50 ms: a
        library may have come a moment ago.
        """
        place = Address(address)
        if self._space is not None:
            self._find(self._space, place)
            found = _located(self._space, place)
            if found is not None:
                return found
        return _located(self._traced.space, place)

    def look(self) -> None:
        """Before callers are asked for: is there other code where some were?

        Those of the last 50 ms may be taken for the code that was there before.
        """
        if self._space is not None:
            self._space.refresh_if_older_than(_REREAD_S, _REREAD_SHARE)

    def close(self) -> None:
        """Let go of every file."""
        if self._space is not None:
            self._space.close()

    def _find(self, space: AddressSpace, address: Address) -> None:
        for _ in range(_TRIES):
            if space.find(address) is not None or self._traced.process.ended():
                return
            if not space.refresh_if_older_than(_SOON_S):
                time.sleep(_SOON_S)

    def _on_change(self, changes: Changes) -> None:
        for start, end in changes.gone:
            self._forget(start, end)


def _located(space: AddressSpace, address: Address) -> tuple[str, int] | None:
    mapping, located = space.find(address), space.locate(address)
    return None if mapping is None or located is None else (mapping.path, located[1])
