"""One object for values that are equal, in all pictures of a recording."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Pool(Generic[K, V]):
    """What was made of which key in this picture and the one before: never more than two hold."""

    __slots__ = ("_before", "_now")

    def __init__(self) -> None:
        self._now: dict[K, V] = {}
        self._before: dict[K, V] = {}

    def turn(self) -> None:
        """A new picture begins."""
        self._before, self._now = self._now, {}

    def get(self, key: K) -> V | None:
        found = self._now.get(key)
        if found is None:
            found = self._before.get(key)
            if found is not None:
                self._now[key] = found
        return found

    def put(self, key: K, value: V) -> V:
        self._now[key] = value
        return value
