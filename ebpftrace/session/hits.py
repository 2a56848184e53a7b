"""How often probes were hit, by function. Pure."""

Hits = dict[int, tuple[int, int]]
"""Entries and returns by function."""


def difference(now: Hits, before: Hits) -> Hits:
    """Hits since then."""
    return {
        number: (entries - since[0], returns - since[1])
        for number, (entries, returns) in now.items()
        for since in (before.get(number, (0, 0)),)
    }
