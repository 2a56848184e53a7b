"""A picture of `attach --json` as a test asks about it. See section 2 of the design for its keys."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# What must be 0 wherever a test expects exact counts; the other losses are facts about the target.
FAULTS = (
    "blocks_full",
    "cohorts_full",
    "stacks_full",
    "in_flight_full",
    "ringbuf_full",
    "map_busy",
    "probe_missed",
    "return_missed",
    "call_lost",
    "missed_free",
    "out_param_unreadable",
)


@dataclass(frozen=True)
class Site:
    raw: dict[str, Any]

    @property
    def functions(self) -> list[str]:
        """Names of the frames, from the allocation outward; unnamed ones are left out."""
        return [frame["function"] for frame in self.raw["frames"] if frame["function"]]

    @property
    def frames(self) -> list[dict[str, Any]]:
        """From the allocation outward."""
        return list(self.raw["frames"])

    @property
    def complete(self) -> bool:
        return bool(self.raw["complete"])

    @property
    def guessed(self) -> bool:
        return bool(self.raw["guessed"])

    def callers(self, function: str) -> list[str]:
        """Names of the frames from `function` outward; it is there."""
        return self.functions[self.functions.index(function) :]

    @property
    def held(self) -> tuple[int, int]:
        return self.raw["blocks"], self.raw["bytes"]

    @property
    def allocated(self) -> tuple[int, int]:
        return self.raw["allocated_blocks"], self.raw["allocated_bytes"]

    @property
    def freed(self) -> tuple[int, int]:
        return self.raw["freed_blocks"], self.raw["freed_bytes"]

    @property
    def adopted(self) -> tuple[int, int]:
        return self.raw["adopted_blocks"], self.raw["adopted_bytes"]

    @property
    def cohorts(self) -> list[list[int]]:
        """Those that hold something: start_s, length_s, blocks, bytes, adopted_bytes."""
        return list(self.raw["cohorts"])

    @property
    def allocator(self) -> str:
        return str(self.raw["allocator"])

    @property
    def family(self) -> str:
        return str(self.raw["family"])


@dataclass(frozen=True)
class Picture:
    raw: dict[str, Any]

    @classmethod
    def parse(cls, line: str) -> "Picture":
        try:
            return cls(json.loads(line))
        except ValueError:
            raise AssertionError(f"not one JSON object a line: {line[:300]!r}") from None

    @property
    def final(self) -> bool:
        return bool(self.raw["final"])

    @property
    def time(self) -> datetime:
        return datetime.fromisoformat(self.raw["time"].replace("Z", "+00:00"))

    def _heap(self, kind: str) -> tuple[int, int]:
        """Of the totals, what is no mapping."""
        totals, mapped = self.raw["totals"], self.raw["mapped"] or {}
        blocks, size = f"{kind}blocks", f"{kind}bytes"
        return totals[blocks] - mapped.get(blocks, 0), totals[size] - mapped.get(size, 0)

    @property
    def held(self) -> tuple[int, int]:
        """Outstanding blocks and bytes of all allocators, without mappings."""
        return self._heap("")

    @property
    def allocated(self) -> tuple[int, int]:
        return self._heap("allocated_")

    @property
    def freed(self) -> tuple[int, int]:
        return self._heap("freed_")

    @property
    def adopted(self) -> tuple[int, int]:
        return self._heap("adopted_")

    @property
    def mapped(self) -> tuple[int, int]:
        """Mappings that the program has made for itself, and their bytes."""
        return self.raw["mapped"]["blocks"], self.raw["mapped"]["bytes"]

    def loss(self, name: str) -> int:
        return self.raw["losses"][name] or 0

    @property
    def faults(self) -> dict[str, int]:
        """Losses that say that the counts cannot be exact."""
        return {name: self.loss(name) for name in FAULTS if self.loss(name)}

    @property
    def targets(self) -> list[dict[str, Any]]:
        return list(self.raw["targets"])

    @property
    def sites(self) -> list[Site]:
        """Of allocators."""
        return [Site(raw) for raw in self.raw["sites"] if raw["family"] != "mmap"]

    @property
    def mappings(self) -> list[Site]:
        """Of the family mmap."""
        return [Site(raw) for raw in self.raw["sites"] if raw["family"] == "mmap"]

    def sites_in(self, function: str, allocator: str | None = None) -> list[Site]:
        """Sites with `function` on their stack, called for `allocator` where that is given."""
        return [
            site
            for site in self.sites
            if function in site.functions and allocator in (None, site.allocator)
        ]

    def site(self, function: str, allocator: str | None = None) -> Site:
        """The only site with `function` on its stack."""
        found = self.sites_in(function, allocator)
        if len(found) != 1:
            known = sorted({" < ".join(site.functions) for site in self.sites})
            raise AssertionError(f"{len(found)} sites in {function}, not 1; there are {known}")
        return found[0]

    def held_in(self, function: str) -> tuple[int, int]:
        """Outstanding blocks and bytes of every site with `function` on its stack."""
        held = [site.held for site in self.sites_in(function)]
        return sum(blocks for blocks, _ in held), sum(size for _, size in held)
