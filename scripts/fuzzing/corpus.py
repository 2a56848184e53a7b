"""Inputs that are kept, in tests/corpus/TARGET by the hash of what is in them: each of them adds something.

Small ones that reach what no other reaches, and every one that was ever a finding.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha1
from pathlib import Path

from scripts.fuzzing.target import Target

FOLDER = Path(__file__).parents[2] / "tests/corpus"


def inputs(target: Target) -> Iterator[tuple[str, bytes]]:
    """The kept ones with their names, in order."""
    for path in sorted((FOLDER / target.name).glob("*")):
        yield path.name, path.read_bytes()


def name_of(data: bytes) -> str:
    """As libFuzzer has it."""
    return sha1(data, usedforsecurity=False).hexdigest()


def fill(folder: Path, target: Target) -> None:
    """What a run begins with: the kept inputs and the seeds."""
    for data in (*(data for _, data in inputs(target)), *target.seeds()):
        (folder / name_of(data)).write_bytes(data)


def keep(target: Target, found: Iterable[bytes], most_bytes: int) -> tuple[int, int]:
    """Add `found` as far as `most_bytes` reach for all; how many files and bytes there are then."""
    folder = FOLDER / target.name
    folder.mkdir(parents=True, exist_ok=True)
    taken = sum(len(data) for _, data in inputs(target))
    for data in found:
        path = folder / name_of(data)
        if path.exists():
            continue
        if taken + len(data) > most_bytes:
            break
        path.write_bytes(data)
        taken += len(data)
    return sum(1 for _ in inputs(target)), taken
