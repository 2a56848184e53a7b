"""A limit that is passed once, not at every look."""

_AGAIN = 0.9  # a value that sways around its limit passes it once


class Level:
    """Passed at `limit`, and again only after the value fell below 90 % of it."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self._above = False

    def passed(self, value: float | None) -> bool:
        """Has it just been passed? A value that is not known changes nothing."""
        if value is None:
            return False
        if self._above:
            self._above = value >= _AGAIN * self.limit
            return False
        self._above = value >= self.limit
        return self._above
