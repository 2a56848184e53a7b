"""Inputs of inputs: of those with parts mostly one part is changed, so that the rest still fits."""

from collections.abc import Callable
from random import Random

from scripts.fuzzing.target import Part, Target

Change = Callable[[bytes, int], bytes]
"""From some bytes and how many there may be to others."""

_WHOLE = 0.15  # of the changes are made to all of an input, or part, whatever its parts are
_MOST_GROWN = 256


def mutated(target: Target, data: bytes, most: int, seed: int, change: Change) -> bytes:
    """Another input of `most` bytes at most."""
    part = _chosen(target, data, Random(seed))
    room = most if part.content is data else len(part.content) + _MOST_GROWN
    made = part.put(change(part.content, room))
    return made if len(made) <= most else change(data, most)[:most]


def _chosen(target: Target, data: bytes, chance: Random) -> Part:
    part = Part(data, _as_it_is, target.parts)
    while part.inner is not None and chance.random() >= _WHOLE:
        try:
            found = part.inner(part.content)
        except Exception:  # noqa: BLE001 - what takes inputs apart need not stand any of them
            break
        if not found:
            break
        part = part.within(chance.choice(found))
    return part


def _as_it_is(data: bytes) -> bytes:
    return data


def changed(data: bytes, most: int, chance: Random, words: tuple[bytes, ...] = ()) -> bytes:
    """A change made without libFuzzer."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(found) + 1)
        kind = chance.randrange(6)
        if kind == 0 and at < len(found):
            found[at] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        elif kind == 1 and at < len(found):
            found[at] ^= 1 << chance.randrange(8)
        elif kind == 2:
            del found[at : at + chance.choice((1, 2, 4, 16, len(found)))]
        elif kind == 3:
            found[at:at] = chance.choice(words) if words else chance.randbytes(4)
        elif kind == 4:
            number = chance.choice((0, 1, 1 << 31, 1 << 63, (1 << 64) - 1)).to_bytes(8, "little")
            width = chance.choice((1, 2, 4, 8))
            found[at : at + width] = number[:width] if number[0] else number[-width:]
        else:
            start = chance.randrange(len(found) + 1)
            found[at:at] = found[start : start + chance.randrange(64)]
    return bytes(found[:most])
