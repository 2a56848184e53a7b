"""What is exported where nothing is named: a minute of a made-up shop, and names that attack a format."""

from dataclasses import replace
from pathlib import Path

from ebpftrace.model.ids import Pid, Slot
from ebpftrace.model.picture import Counts
from ebpftrace.model.snapshot import Snapshot
from ebpftrace.text import clean
from tests.unit.builders import counts, frame, picture, site, target
from tests.unit.hostile import HOSTILE
from tests.unit.snapshot_builders import facts, snapshot

RECORDING = Path(__file__).parents[2] / "tests/recordings/shop.jsonl.gz"
BREAKING = (
    *HOSTILE,
    "operator()(a, b; c) const [clone .isra.0] 12",
    "=cmd|' /C calc'!A1",
    '"quoted",\'twice\'\\"',
    "fn=(1) calls=7 0",
    "summary: 9 9 9 9",
    "n1: 5 0x0: end",
    "#-----------",
    "# EOF",
    "{{data}}$&$1%s%n",
    "</script><script>evil()</script>",
    "<img src=x onerror=evil()>",
    "x" * 99_999,
)


def hostile() -> Snapshot:
    """What two processes hold, also without a call site. Functions, files, modules and commands have such names."""
    names = [clean(name) for name in BREAKING]
    shorter = [name[:200] for name in names]
    targets = tuple(
        target(pid=Pid(41 + slot), slot=Slot(slot), comm=shorter[-slot][:15], exe=shorter[-slot])
        for slot in (1, 2)
    )
    sites = [
        site(
            name,
            slot=Slot(1 + number % 2),
            pid=Pid(42 + number % 2),
            complete=number % 3 > 0,
            counts=counts(1 + number, 1_000 * (1 + number), freed=number),
            frames=(
                frame(name, file=name, line=number, address=number, module=shorter[-number - 1]),
                frame(shorter[-number - 1], inlined=True, file=name, line=1, address=number + 1),
                frame("main", address=number + 1),
            ),
        )
        for number, name in enumerate(names)
    ]
    shown = picture(*sites, targets=targets)
    without_site = counts(3, 1_234, freed=2)
    totals = Counts(*map(sum, zip(shown.totals, without_site, strict=True)))
    return snapshot(
        replace(shown, totals=totals),
        processes=tuple(
            facts(pid=one.pid, slot=one.slot, command_line=(one.exe, *shorter)) for one in targets
        ),
    )
