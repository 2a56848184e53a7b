"""What the files of Valgrind's tools say of where they come from, in words: each has lines for that."""

import shlex
from collections.abc import Iterator

from ebpftrace.analysis.wording import lost, suppressed
from ebpftrace.export.formats.subject import Subject
from ebpftrace.units import format_count

_MOST_COMMANDS = 4


def command(subject: Subject) -> str:
    """How the processes were started, as a shell takes it; of those where it is not known the program."""
    snapshot = subject.snapshot
    started = {facts.slot: shlex.join(facts.command_line) for facts in snapshot.processes}
    commands = list(
        dict.fromkeys(started.get(one.slot) or one.exe for one in snapshot.picture.targets)
    )
    more = len(commands) - _MOST_COMMANDS
    if more > 0:
        commands[_MOST_COMMANDS:] = [f"(and {format_count(more)} more)"]
    return " ; ".join(commands)


def remarks(subject: Subject) -> Iterator[str]:
    """What was exported, what its totals are without, and what was lost."""
    by = f", written by {subject.snapshot.tool}" if subject.snapshot.tool else ""
    yield f"from {subject.file}{by}"
    if subject.suppressed.sites:
        yield f"without what is suppressed: {suppressed(subject.suppressed)}"
    yield lost(subject.snapshot.picture.losses)
