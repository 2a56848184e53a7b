"""Every target by its name."""

from scripts.fuzzing.target import Target
from scripts.fuzzing.targets import (
    code,
    elf,
    events,
    naming,
    proc,
    resolver,
    snapshots,
    unwinding,
    views,
)

TARGETS: dict[str, Target] = {
    target.name: target
    for module in (elf, unwinding, code, proc, naming, resolver, events, snapshots, views)
    for target in module.TARGETS
}
